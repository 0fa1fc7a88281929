/* A hostile caller of a model without state; buffers end where the API says, so that the address sanitizer sees every step outside.
   hostile_encoder WEIGHTS FOREIGN SEED CALLS: prints how many calls were refused and accepted. */
#include "hostile.h"

#include <math.h>

#include "tiny_bert.h"

enum { BATCH = 3, SEQUENCE = 20, VOCABULARY = 512, TYPES = 2, WIDTH = 64, TEXT_BYTES = 400 };

static long refused, accepted;

static void judge(tiny_bert_status status, int valid)
{
    if ((status == TINY_BERT_OK) != valid)
        fail(valid ? "refused a valid call" : "accepted a bad call", status);
    if (valid)
        accepted++;
    else
        refused++;
}

/* `count` indices into an axis of `extent`, now and then one that is not; ONNX counts negative ones from the end. */
static int64_t *indices(int64_t count, int64_t extent, int *valid)
{
    int64_t *made = exactly(count, sizeof *made);
    for (int64_t i = 0; i < count; i++)
        made[i] = below(2 * extent) - extent;
    if (count > 0 && below(5) == 0)
        made[below(count)] = odd(extent);
    for (int64_t i = 0; i < count; i++)
        *valid &= made[i] >= -extent && made[i] < extent;
    return made;
}

static void call_run(tiny_bert *m)
{
    tiny_bert_arguments a;
    int valid;

    memset(&a, 0, sizeof a);
    a.batch_size = below(2) ? 1 + below(BATCH) : odd(BATCH);
    a.sequence_length = below(2) ? 1 + below(SEQUENCE) : odd(SEQUENCE);
    valid = a.batch_size >= 1 && a.batch_size <= BATCH && a.sequence_length >= 1 && a.sequence_length <= SEQUENCE;
    const int64_t count = valid ? a.batch_size * a.sequence_length : 0;
    int64_t *ids = indices(count, VOCABULARY, &valid), *types = indices(count, TYPES, &valid), *mask = exactly(count, sizeof *mask);
    float *hidden = exactly(count * WIDTH, sizeof *hidden);
    for (int64_t i = 0; i < count; i++) {
        mask[i] = below(4) ? 1 : odd(2);
        hidden[i * WIDTH] = 12345;
    }
    a.input_ids = below(20) ? ids : 0;
    a.token_type_ids = below(20) ? types : 0;
    a.attention_mask = below(20) ? mask : 0;
    a.last_hidden_state = below(20) ? hidden : 0;
    valid &= a.input_ids && a.token_type_ids && a.attention_mask && a.last_hidden_state;
    judge(tiny_bert_run(m, &a), valid);
    for (int64_t i = 0; i < count * WIDTH; i++) {
        if (valid ? !isfinite(hidden[i]) : hidden[i] != (i % WIDTH ? 0.0f : 12345.0f))
            fail(valid ? "no finite result" : "a refused call wrote", (long)i);
    }
    free(ids);
    free(types);
    free(mask);
    free(hidden);
}

static void call_embed(tiny_bert *m)
{
    const int64_t batch = below(2) ? 1 + below(BATCH) : odd(BATCH), length = below(2) ? 1 + below(SEQUENCE) : odd(SEQUENCE);
    int valid = batch >= 1 && batch <= BATCH && length >= 1 && length <= SEQUENCE;
    const int64_t rows = valid ? batch : 0, count = rows * length;
    int64_t *ids = indices(count, VOCABULARY, &valid), *mask = exactly(count, sizeof *mask);
    float *y = exactly(rows * WIDTH, sizeof *y);
    tiny_bert_embed_options options;
    for (int64_t i = 0; i < count; i++)
        mask[i] = below(4) ? 1 : odd(2);
    for (int64_t i = 0; i < rows * WIDTH; i++)
        y[i] = 12345;
    options.pooling = (tiny_bert_pooling)(below(4) ? below(4) : 4 + below(9));
    options.normalize = (int)(below(4) ? below(3) - 1 : odd(1));
    const int given = below(4) != 0, null_ids = below(20) == 0, null_mask = below(4) == 0, null_y = below(20) == 0;
    valid &= !null_ids && !null_y;
    valid &= !given || ((int)options.pooling <= TINY_BERT_POOLING_LAST && options.normalize >= -1 && options.normalize <= 1);
    judge(tiny_bert_embed(m, batch, length, null_ids ? 0 : ids, null_mask ? 0 : mask, given ? &options : 0, null_y ? 0 : y), valid);
    for (int64_t b = 0; b < rows; b++) {
        double square = 0;
        int tokens = null_mask;
        for (int64_t i = 0; i < length; i++)
            tokens |= mask[b * length + i] != 0;
        for (int64_t i = 0; i < WIDTH; i++) {
            square += (double)y[b * WIDTH + i] * y[b * WIDTH + i];
            if (!valid && y[b * WIDTH + i] != 12345.0f)
                fail("a refused call wrote", (long)i);
        }
        if (valid && (!isfinite(square) || (!tokens && square != 0)))
            fail("no vector", (long)b);
        if (valid && tokens && (!given || options.normalize >= 0) && fabs(square - 1) > 1e-5)
            fail("not of length 1", (long)b);
    }
    free(ids);
    free(mask);
    free(y);
}

static void call_embed_text(tiny_bert *m)
{
    const int64_t batch = below(4) ? 1 + below(BATCH) : odd(BATCH), rows = batch >= 1 && batch <= BATCH ? batch : 0;
    tiny_bert_text *texts = exactly(rows, sizeof *texts);
    float *y = exactly(rows * WIDTH, sizeof *y);
    const int null_text = rows > 0 && below(20) == 0, null_texts = below(20) == 0, null_y = below(20) == 0;
    int valid = rows > 0 && !null_text && !null_texts && !null_y;
    for (int64_t b = 0; b < rows; b++) {
        const int64_t size = below(3) ? below(40) : below(400);
        char *text = exactly(size, 1);
        for (int64_t i = 0; i < size; i++) /* mostly text, now and then bytes of all kinds */
            text[i] = "the old house, told a story!"[below(28)];
        if (size > 0 && below(6) == 0) {
            text[below(size)] = (char)(0x80 + below(128));
            valid = 0; /* a single byte above 127 is no UTF-8 */
        }
        memset(&texts[b], 0, sizeof texts[b]);
        texts[b].text = text;
        texts[b].bytes = (size_t)size;
        if (below(30) == 0) {
            texts[b].second = text;
            valid = 0;
        }
    }
    const char *const kept = rows > 0 ? texts[0].text : 0;
    if (null_text && texts[0].bytes > 0) /* a text without bytes may be anywhere */
        texts[0].text = 0;
    else if (null_text)
        texts[0].second = kept, texts[0].second_bytes = 0;
    judge(tiny_bert_embed_text(m, batch, null_texts ? 0 : texts, 0, null_y ? 0 : y), valid);
    for (int64_t b = 0; b < rows && valid; b++) {
        double square = 0;
        for (int64_t i = 0; i < WIDTH; i++)
            square += (double)y[b * WIDTH + i] * y[b * WIDTH + i];
        if (!(fabs(square - 1) < 1e-5))
            fail("not of length 1", (long)b);
    }
    if (rows > 0)
        texts[0].text = kept;
    for (int64_t b = 0; b < rows; b++)
        free((void *)(uintptr_t)texts[b].text);
    free(texts);
    free(y);
}

/* Letters and spaces, two-byte letters, now and then a byte that is no text; at most a few bytes too long. */
static char *letters(size_t *bytes, int *valid)
{
    *bytes = (size_t)below(below(8) ? 40 : TEXT_BYTES + 4);
    char *text = exactly((int64_t)*bytes, 1);
    for (size_t i = 0; i < *bytes; i++) {
        text[i] = (char)(below(5) ? 'a' + below(26) : below(2) ? ' ' : '.');
        if (i > 0 && below(9) == 0 && (unsigned char)text[i - 1] < 0x80) {
            text[i - 1] = (char)0xC3;
            text[i] = (char)(0x80 + below(64));
        }
    }
    if (*bytes > 0 && below(12) == 0) {
        text[*bytes - 1] = (char)0xFF;
        *valid = 0;
    }
    *valid &= *bytes <= TEXT_BYTES;
    return text;
}

static void call_text(tiny_bert *m)
{
    const int64_t rows = below(6) ? 1 + below(4) : -below(3), most = below(6) ? 1 + below(30) : -below(3);
    int64_t length = most;
    int valid = rows >= 1 && most >= 1, pairs = 0;
    const int64_t count = valid ? rows * most : 0;
    tiny_bert_text texts[4];
    memset(texts, 0, sizeof texts);
    for (int row = 0; row < 4; row++) {
        int good = 1;
        texts[row].text = letters(&texts[row].bytes, &good);
        if (below(3) == 0)
            texts[row].second = letters(&texts[row].second_bytes, &good);
        if (row < rows) {
            valid &= good;
            pairs |= texts[row].second != 0;
        }
    }
    int64_t *ids = exactly(count, sizeof *ids), *mask = exactly(count, sizeof *mask), *types = exactly(count, sizeof *types);
    const int no_ids = below(20) == 0, no_mask = below(4) == 0, no_types = below(4) == 0;
    valid &= !no_ids && most >= 2 + pairs;
    judge(tiny_bert_tokenize_batch(m, texts, rows, no_ids ? 0 : ids, no_mask ? 0 : mask, no_types ? 0 : types, &length), valid);
    if (valid && (length < 2 || length > most))
        fail("a row of no length", (long)length);
    for (int64_t i = 0; valid && i < rows * length; i++)
        if (ids[i] < 0 || ids[i] >= VOCABULARY || (!no_mask && (mask[i] | 1) != 1) || (!no_types && (types[i] | 1) != 1))
            fail("no id, mask or type", (long)i);

    int good = rows >= 1;
    size_t given = 0, capacity = (size_t)below(60);
    int64_t *one = exactly((int64_t)capacity, sizeof *one);
    for (size_t i = 0; good && i < texts[0].bytes; i++)
        good = texts[0].text[i] != (char)0xFF;
    for (size_t i = 0; good && i < texts[0].second_bytes; i++)
        good = texts[0].second[i] != (char)0xFF;
    if (good && texts[0].bytes <= TEXT_BYTES && texts[0].second_bytes <= TEXT_BYTES) {
        const tiny_bert_status status = tiny_bert_tokenize_pair(m, texts, one, 0, capacity, &given);
        judge(status, given <= capacity);
    }
    for (int row = 0; row < 4; row++) {
        free((void *)(uintptr_t)texts[row].text);
        free((void *)(uintptr_t)texts[row].second);
    }
    free(ids);
    free(mask);
    free(types);
    free(one);
}

static void call_create(const char *weights, const char *foreign)
{
    const char *const paths[] = {weights, weights, foreign, 0, "", "/"};
    tiny_bert_sizes sizes;
    tiny_bert *m = 0;
    const int64_t path = below(6);

    memset(&sizes, 0, sizeof sizes);
    sizes.batch_size = odd(8);
    sizes.sequence_length = odd(128);
    sizes.threads = below(5) ? below(3) : odd(256);
    if (sizes.threads > 4 && sizes.threads <= 256)
        sizes.threads = 4;
    judge(tiny_bert_create(&m, paths[path], &sizes),
          path < 2 && sizes.batch_size >= 0 && sizes.batch_size <= 8 && sizes.sequence_length >= 0 && sizes.sequence_length <= 128 &&
              sizes.threads >= 0 && sizes.threads <= 256);
    tiny_bert_destroy(m);
}

static void known_result(tiny_bert *m, float *hidden)
{
    int64_t ids[SEQUENCE], mask[SEQUENCE], types[SEQUENCE];
    tiny_bert_arguments a;
    memset(&a, 0, sizeof a);
    for (int i = 0; i < SEQUENCE; i++) {
        ids[i] = (i * 37 + 11) % VOCABULARY;
        mask[i] = 1;
        types[i] = i % 2;
    }
    a.batch_size = 1;
    a.sequence_length = SEQUENCE;
    a.input_ids = ids;
    a.attention_mask = mask;
    a.token_type_ids = types;
    a.last_hidden_state = hidden;
    if (tiny_bert_run(m, &a) != TINY_BERT_OK)
        fail("a valid call", 0);
}

int main(int argc, char **argv)
{
    static float expected[SEQUENCE * WIDTH], found[SEQUENCE * WIDTH];
    tiny_bert_sizes sizes;
    tiny_bert *m;
    static const int64_t sizes_of_nothing[1];
    long calls;

    if (argc != 5)
        return 2;
    seed(argv[3]);
    calls = strtol(argv[4], 0, 10);
    memset(&sizes, 0, sizeof sizes);
    sizes.batch_size = BATCH;
    sizes.sequence_length = SEQUENCE;
    sizes.threads = 2;
    sizes.text_bytes = TEXT_BYTES;
    if (tiny_bert_create(&m, argv[1], &sizes) != TINY_BERT_OK)
        fail("create", 0);
    known_result(m, expected);
    for (long n = 0; n < calls; n++) {
        if (below(10) == 0)
            call_create(argv[1], argv[2]);
        else if (below(3) == 0)
            call_text(m);
        else if (below(2))
            call_run(m);
        else if (below(2))
            call_embed(m);
        else
            call_embed_text(m);
        known_result(m, found);
        if (memcmp(expected, found, sizeof found) != 0)
            fail("other bits than before", n);
    }
    judge(tiny_bert_run(m, 0), 0);
    judge(tiny_bert_create(0, argv[1], 0), 0);
    judge(tiny_bert_embed_text(0, 1, &(const tiny_bert_text){"x", 1, 0, 0}, 0, found), 0);
    judge(tiny_bert_embed(0, 1, 1, sizes_of_nothing, 0, 0, found), 0);
    tiny_bert_destroy(m);
    printf("%ld refused, %ld accepted\n", refused, accepted);
    return 0;
}
