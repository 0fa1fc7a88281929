/* Calls a compiled model as a careless or hostile program would. Buffers are exactly as long as the API says and nothing more, so that
   the address sanitizer sees every step outside; what each status has to be is known here.

   hostile_calls WEIGHTS FOREIGN SEED CALLS SCRATCH
   FOREIGN: another model's weights. SCRATCH: a path that may be overwritten. Prints how many calls were refused and accepted. */
#include "hostile.h"

#include <math.h>

#include "tiny_gpt2.h"

#define VOCABULARY TINY_GPT2_VOCABULARY
enum { BATCH = 3, CONTEXT = 40, SEQUENCE = 16, TEXT = 64, EXPECTED = 9 };

static long refused, accepted, damaged_opened;
static unsigned char *file;
static size_t file_size;

/* Counts a call and checks that it was accepted just if it was valid. */
static void judge(tiny_gpt2_status status, int valid)
{
    if (status < TINY_GPT2_OK || status > TINY_GPT2_ERROR_ORDER)
        fail("no status", status);
    if (!*tiny_gpt2_status_text(status))
        fail("no text", status);
    if ((status == TINY_GPT2_OK) != valid)
        fail(valid ? "refused a valid call" : "accepted a bad call", status);
    if (valid)
        accepted++;
    else
        refused++;
}

static int64_t *some_ids(int64_t count, int *valid)
{
    int64_t *ids = exactly(count, sizeof *ids);
    if (count <= 0 || count >= (1 << 20))
        return ids;
    for (int64_t i = 0; i < count; i++)
        ids[i] = below(VOCABULARY);
    if (below(3) == 0) {
        const int64_t bad = odd(VOCABULARY);
        ids[below(count)] = bad;
        *valid = bad >= 0 && bad < VOCABULARY;
    }
    return ids;
}

static int all_finite(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return 0;
    return 1;
}

static void call_feed(tiny_gpt2 *m)
{
    const int64_t batch = odd(BATCH), count = odd(below(2) ? 6 : CONTEXT);
    const int sizes_valid = batch >= 1 && batch <= BATCH && count >= 1;
    const int64_t total = sizes_valid && count <= CONTEXT ? batch * count : 0;
    int room = 1, ids_valid = 1;
    int64_t *ids = some_ids(total, &ids_valid);
    float *logits = below(3) ? exactly(sizes_valid ? batch * VOCABULARY : 0, sizeof *logits) : 0;
    const int null = below(20) == 0;

    for (int64_t b = 0; sizes_valid && b < batch; b++)
        room &= count <= CONTEXT - tiny_gpt2_position(m, b);
    const int valid = !null && sizes_valid && room && ids_valid;
    int64_t before[BATCH];
    for (int b = 0; b < BATCH; b++)
        before[b] = tiny_gpt2_position(m, b);
    judge(tiny_gpt2_feed(m, batch, count, null ? 0 : ids, logits), valid);
    for (int b = 0; b < BATCH; b++)
        if (tiny_gpt2_position(m, b) != before[b] + (valid && b < batch ? count : 0))
            fail("position", b);
    if (valid && logits && !all_finite(logits, batch * VOCABULARY))
        fail("logits", 0);
    free(ids);
    free(logits);
}

static void call_run(tiny_gpt2 *m)
{
    tiny_gpt2_arguments a;
    void *tensors[15];
    int valid, ids_valid = 1, n = 0;

    memset(&a, 0, sizeof a);
    a.batch_size = below(3) ? 1 + below(BATCH) : odd(BATCH);
    a.sequence_length = below(3) ? 1 + below(SEQUENCE) : odd(SEQUENCE);
    a.past_sequence_length = below(3) ? below(20) : odd(CONTEXT);
    valid = a.batch_size >= 1 && a.batch_size <= BATCH && a.sequence_length >= 1 && a.sequence_length <= SEQUENCE &&
            a.past_sequence_length >= 0 && a.past_sequence_length <= CONTEXT && a.past_sequence_length + a.sequence_length <= CONTEXT;
    const int64_t batch = valid ? a.batch_size : 0, seq = a.sequence_length, past = valid ? a.past_sequence_length : 0;
    const int64_t all = valid ? past + seq : 0;
    const int64_t tokens = valid ? batch * seq : 0;
    int64_t *const ids = some_ids(tokens, &ids_valid);
    int64_t *const mask = exactly(batch * all, sizeof *mask), *const positions = exactly(tokens, sizeof *positions);
    a.input_ids = tensors[n++] = ids;
    a.attention_mask = tensors[n++] = mask;
    a.position_ids = tensors[n++] = positions;
    for (int64_t i = 0; i < batch * all; i++)
        mask[i] = below(8) ? 1 : odd(3);
    for (int64_t i = 0; i < tokens; i++)
        positions[i] = below(CONTEXT);
    if (tokens && below(6) == 0)
        positions[below(tokens)] = odd(128);
    /* ONNX's Gather counts negative indices from the end. */
    for (int64_t i = 0; i < tokens; i++)
        valid &= ids[i] >= -VOCABULARY && ids[i] < VOCABULARY && positions[i] >= -128 && positions[i] < 128;
    a.past_key_values_0_key = tensors[n++] = exactly(batch * 4 * past * 16, 4);
    a.past_key_values_0_value = tensors[n++] = exactly(batch * 4 * past * 16, 4);
    a.past_key_values_1_key = tensors[n++] = exactly(batch * 4 * past * 16, 4);
    a.past_key_values_1_value = tensors[n++] = exactly(batch * 4 * past * 16, 4);
    a.logits = tensors[n++] = exactly(tokens * VOCABULARY, 4);
    a.present_0_key = tensors[n++] = exactly(batch * 4 * all * 16, 4);
    a.present_0_value = tensors[n++] = exactly(batch * 4 * all * 16, 4);
    a.present_1_key = tensors[n++] = exactly(batch * 4 * all * 16, 4);
    a.present_1_value = tensors[n++] = exactly(batch * 4 * all * 16, 4);
    if (below(4) == 0)
        a.present_0_key = a.present_1_value = 0; /* not wanted */
    switch (below(24)) {
    case 0: a.input_ids = 0; valid = 0; break;
    case 1: a.attention_mask = 0; valid = 0; break;
    case 2: a.position_ids = 0; valid = 0; break;
    case 3: a.logits = 0; valid = 0; break;
    case 4: a.past_key_values_1_key = 0; valid &= past == 0; break;
    case 5: a.past_key_values_0_value = 0; valid &= past == 0; break;
    default: break;
    }
    const int null = below(50) == 0;
    judge(tiny_gpt2_run(m, null ? 0 : &a), valid && !null);
    while (n)
        free(tensors[--n]);
    if (tiny_gpt2_reset(m) != TINY_GPT2_OK)
        fail("reset", 0);
}

static void call_rows(tiny_gpt2 *m)
{
    if (below(2)) {
        const int64_t row = odd(BATCH), length = odd(CONTEXT);
        const int valid = row >= 0 && row < BATCH && length >= 0 && length <= tiny_gpt2_position(m, row);
        if (tiny_gpt2_position(m, row) < 0 && row >= 0 && row < BATCH)
            fail("position", row);
        judge(tiny_gpt2_truncate(m, row, length), valid);
    } else {
        const int64_t count = odd(BATCH), real = count >= 0 && count <= BATCH ? count : 0;
        int64_t *rows = exactly(real, sizeof *rows), length[BATCH];
        int valid = count >= 0 && count <= BATCH;
        for (int64_t i = 0; i < real; i++) {
            rows[i] = below(4) ? below(BATCH) : odd(BATCH);
            valid &= rows[i] >= 0 && rows[i] < BATCH;
        }
        for (int i = 0; i < BATCH; i++)
            length[i] = tiny_gpt2_position(m, valid && i < real ? rows[i] : i);
        judge(tiny_gpt2_reorder(m, rows, count), valid);
        for (int i = 0; i < BATCH; i++)
            if (tiny_gpt2_position(m, i) != length[i])
                fail("reorder", i);
        free(rows);
    }
}

#include "hostile_generate.h"

static void call_text(tiny_gpt2 *m)
{
    if (below(2)) {
        const size_t bytes = (size_t)below(TEXT + 3), capacity = (size_t)(below(3) ? TEXT + 3 : below(12));
        char *text = exactly((int64_t)bytes, 1);
        int64_t *ids = exactly((int64_t)capacity, sizeof *ids);
        size_t count = 0;
        for (size_t i = 0; i < bytes; i++) /* bytes of all kinds, often halves of characters */
            text[i] = (char)(below(3) == 0 ? 0x80 + below(128) : below(128));
        const int null = below(16) == 0;
        tiny_gpt2_status status = tiny_gpt2_tokenize(m, null ? 0 : text, bytes, below(16) ? ids : 0, capacity, below(16) ? &count : 0);
        judge(status, status == TINY_GPT2_OK);
        if (bytes > TEXT && status != TINY_GPT2_ERROR_CAPACITY && status != TINY_GPT2_ERROR_ARGUMENT)
            fail("text longer than the handle takes", status);
        for (size_t i = 0; status == TINY_GPT2_OK && i < count && i < capacity; i++)
            if (ids[i] < 0 || ids[i] >= VOCABULARY)
                fail("id", (long)ids[i]);
        free(text);
        free(ids);
    } else {
        const int64_t count = below(20);
        const size_t capacity = (size_t)(below(3) ? 400 : below(20));
        int valid = 1;
        int64_t *ids = some_ids(count, &valid);
        char *text = exactly((int64_t)capacity, 1);
        size_t bytes = 0;
        const int null_ids = below(16) == 0, null_text = below(16) == 0, null_bytes = below(16) == 0;
        valid = 1; /* an id without a token has no text */
        for (int64_t i = 0; i < count; i++)
            valid &= ids[i] >= 0 && ids[i] <= UINT32_MAX;
        valid &= !(null_ids && count) && !(null_text && capacity) && !null_bytes;
        tiny_gpt2_status status = tiny_gpt2_detokenize(m, null_ids ? 0 : ids, (size_t)count, (int)below(2), null_text ? 0 : text, capacity,
                                                   null_bytes ? 0 : &bytes);
        if (status == TINY_GPT2_ERROR_CAPACITY ? bytes <= capacity : (status == TINY_GPT2_OK) != valid)
            fail("decode", status);
        judge(status, status == TINY_GPT2_OK);
        free(ids);
        free(text);
    }
}

static tiny_gpt2_sizes usual(void)
{
    tiny_gpt2_sizes sizes;
    memset(&sizes, 0, sizeof sizes);
    sizes.batch = BATCH;
    sizes.context = CONTEXT;
    sizes.sequence = SEQUENCE;
    sizes.text_bytes = TEXT;
    sizes.threads = 1;
    return sizes;
}

static void call_create(const char *weights, const char *foreign)
{
    tiny_gpt2_sizes sizes = usual();
    tiny_gpt2 *made = (tiny_gpt2 *)(void *)&sizes;
    int valid = 1;
    tiny_gpt2_status status;

    switch (below(8)) {
    case 0: sizes.batch = odd(8); break;
    case 1: sizes.context = odd(128); break;
    case 2: sizes.sequence = odd(128); break;
    case 3: sizes.text_bytes = below(2) ? INT64_MAX : -below(5); break;
    case 4: sizes.threads = below(3) ? below(4) - 1 : 257 + below(9); break;
    default: break;
    }
    valid = sizes.batch >= 0 && sizes.batch <= 8 && sizes.context >= 0 && sizes.context <= 128 && sizes.sequence >= 0 &&
            sizes.sequence <= 128 && sizes.text_bytes >= 0 && sizes.text_bytes <= 1 << 30 && sizes.threads >= 0 && sizes.threads <= 256;
    if ((tiny_gpt2_memory_size(&sizes) != 0) != valid || (tiny_gpt2_arena_size(&sizes) != 0) != valid)
        fail("size of impossible sizes", valid);
    if (below(30) == 0) {
        judge(tiny_gpt2_create(0, weights, &sizes), 0);
        return;
    }
    const char *paths[] = {weights, weights, weights, 0, "", "/", "/nowhere/at/all", foreign};
    const int64_t path = below(8);
    status = tiny_gpt2_create(&made, paths[path], &sizes);
    judge(status, valid && path < 3);
    if ((made != 0) != (status == TINY_GPT2_OK))
        fail("handle", status);
    tiny_gpt2_destroy(made);
}

static void use_damaged(tiny_gpt2 *m)
{
    int64_t ids[TEXT];
    float *logits = exactly(VOCABULARY, sizeof *logits);
    tiny_gpt2_generate_options o = tiny_gpt2_generate_defaults();
    char text[256];
    size_t count = 0, bytes;

    damaged_opened++;
    (void)tiny_gpt2_tokenize(m, "the quick d\xc3\xa9j\xc3\xa0 vu 12", 22, ids, TEXT, &count);
    for (int i = 0; i < 12; i++)
        ids[i] = below(VOCABULARY);
    (void)tiny_gpt2_detokenize(m, ids, 12, 1, text, sizeof text, &bytes);
    (void)tiny_gpt2_feed(m, 1, 12, ids, logits);
    o.max_new_tokens = 4;
    o.temperature = 1;
    (void)tiny_gpt2_generate(m, ids, 3, &o, 0);
    free(logits);
}

/* A weights file with bytes changed, cut off or added: in memory, and on disk. */
static void call_damaged(const char *scratch)
{
    const tiny_gpt2_sizes sizes = usual();
    const size_t memory_size = tiny_gpt2_memory_size(&sizes), aligned = (memory_size + 63) / 64 * 64;
    size_t size = file_size;
    int changed = 1;
    unsigned char *copy, *memory = aligned_alloc(64, aligned);
    tiny_gpt2 *m = 0;
    tiny_gpt2_status status;

    switch (below(4)) {
    case 0: size = (size_t)below((int64_t)file_size); break; /* cut off */
    case 1: size = file_size + 64 * (size_t)(1 + below(3)); break;
    default: break;
    }
    copy = aligned_alloc(64, (size + 63) / 64 * 64 + 64);
    if (!copy || !memory)
        fail("out of memory", 0);
    memset(copy, 0, size);
    memcpy(copy, file, size < file_size ? size : file_size);
    if (size == file_size) {
        const int64_t flips = 1 + below(3);
        for (int64_t i = 0; i < flips; i++) {
            /* The header, the table at the end, the tokenizer before it, or anywhere. */
            const int64_t from[] = {0, (int64_t)size - 400, 564224 + 128, 0}, length[] = {128, 400, (int64_t)size - 564224 - 128, (int64_t)size};
            const int64_t region = below(4), at = from[region] + below(length[region]);
            copy[at] = (unsigned char)(copy[at] ^ (1 + below(255)));
        }
        changed = memcmp(copy, file, size) != 0;
    }
    status = tiny_gpt2_create_in(&m, copy, size, &sizes, memory, memory_size);
    judge(status, status == TINY_GPT2_OK);
    if (status == TINY_GPT2_OK && size != file_size)
        fail("accepted a file of another length", status);
    if (status == TINY_GPT2_OK) {
        if ((tiny_gpt2_check_weights(m) == TINY_GPT2_OK) == changed)
            fail("checksums", changed);
        use_damaged(m);
        tiny_gpt2_destroy(m);
    } else if (m) {
        fail("handle", status);
    }
    if (below(8) == 0) { /* the same bytes by way of a file */
        FILE *out = fopen(scratch, "wb");
        if (!out || fwrite(copy, 1, size, out) != size || fclose(out) != 0)
            fail("scratch file", 0);
        if ((tiny_gpt2_create(&m, scratch, &sizes) == TINY_GPT2_OK) != (status == TINY_GPT2_OK))
            fail("a file and its bytes differ", status);
        if (m)
            use_damaged(m);
        tiny_gpt2_destroy(m);
    }
    free(copy);
    free(memory);
}

static void call_create_in(void)
{
    const tiny_gpt2_sizes sizes = usual();
    const size_t memory_size = tiny_gpt2_memory_size(&sizes);
    unsigned char *memory = aligned_alloc(64, (memory_size + 64 + 63) / 64 * 64);
    tiny_gpt2 *m = 0;
    const int kind = (int)below(6);
    tiny_gpt2_status status = TINY_GPT2_OK;

    if (!memory)
        fail("out of memory", 0);
    switch (kind) {
    case 0: status = tiny_gpt2_create_in(&m, 0, file_size, &sizes, memory, memory_size); break;
    case 1: status = tiny_gpt2_create_in(&m, file, file_size, &sizes, 0, memory_size); break;
    case 2: status = tiny_gpt2_create_in(&m, file, file_size, &sizes, memory + 1 + below(63), memory_size); break;
    case 3: status = tiny_gpt2_create_in(&m, file, file_size, &sizes, memory, (size_t)below((int64_t)memory_size)); break;
    case 4: status = tiny_gpt2_create_in(&m, file + 8 * (1 + below(7)), file_size, &sizes, memory, memory_size); break;
    default: status = tiny_gpt2_create_in(0, file, file_size, &sizes, memory, memory_size); break;
    }
    judge(status, 0);
    if (m)
        fail("handle", status);
    free(memory);
}

static void call_null(void)
{
    int64_t id = 1;
    size_t count;
    char text[8];
    tiny_gpt2_generate_options o = tiny_gpt2_generate_defaults();
    tiny_gpt2_arguments a;

    memset(&a, 0, sizeof a);
    judge(tiny_gpt2_feed(0, 1, 1, &id, 0), 0);
    judge(tiny_gpt2_run(0, &a), 0);
    judge(tiny_gpt2_reset(0), 0);
    judge(tiny_gpt2_truncate(0, 0, 0), 0);
    judge(tiny_gpt2_reorder(0, &id, 1), 0);
    judge(tiny_gpt2_generate(0, &id, 1, &o, 0), 0);
    judge(tiny_gpt2_generate_batch(0, 0, 0, 1, &o, 0, 0, 0), 0);
    judge(tiny_gpt2_tokenize(0, "a", 1, &id, 1, &count), 0);
    judge(tiny_gpt2_detokenize(0, &id, 1, 0, text, 8, &count), 0);
    judge(tiny_gpt2_check_weights(0), 0);
    if (tiny_gpt2_position(0, 0) != -1 || tiny_gpt2_capacity(0) != 0 || *tiny_gpt2_level(0))
        fail("null handle", 0);
    for (int i = -3; i < 300; i += 7)
        if (!*tiny_gpt2_status_text((tiny_gpt2_status)(i & 15)))
            fail("text of a status", i);
    tiny_gpt2_destroy(0);
    refused -= 9; /* counts as one bad call */
}

static void logits_of_prompt(tiny_gpt2 *m, float *logits)
{
    int64_t ids[EXPECTED];
    for (int i = 0; i < EXPECTED; i++)
        ids[i] = (i * 37 + 11) % VOCABULARY;
    if (tiny_gpt2_reset(m) != TINY_GPT2_OK || tiny_gpt2_feed(m, 1, EXPECTED, ids, logits) != TINY_GPT2_OK)
        fail("a valid prompt", 0);
}

int main(int argc, char **argv)
{
    static float expected[VOCABULARY], found[VOCABULARY];
    tiny_gpt2_sizes sizes = usual();
    tiny_gpt2 *m;
    FILE *in;
    long calls;

    if (argc != 6)
        return 2;
    seed(argv[3]);
    calls = strtol(argv[4], 0, 10);
    in = fopen(argv[1], "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0)
        return 2;
    file_size = (size_t)ftell(in);
    rewind(in);
    file = aligned_alloc(64, (file_size + 64 + 63) / 64 * 64);
    if (!file || fread(file, 1, file_size, in) != file_size)
        return 2;
    fclose(in);
    if (tiny_gpt2_create(&m, argv[1], &sizes) != TINY_GPT2_OK)
        fail("create", 0);
    logits_of_prompt(m, expected);
    for (long n = 0; n < calls; n++) {
        switch (below(16)) {
        case 0: doing = "create"; call_create(argv[1], argv[2]); break;
        case 1: doing = "damaged weights"; call_damaged(argv[5]); break;
        case 2: doing = "create_in"; call_create_in(); break;
        case 3: doing = "null handle"; call_null(); break;
        case 4: case 5: doing = "rows"; call_rows(m); break;
        case 6: case 7: doing = "generate"; call_generate(m); break;
        case 8: case 9: doing = "text"; call_text(m); break;
        case 10: case 11: doing = "run"; call_run(m); break;
        case 12: doing = "reset"; judge(tiny_gpt2_reset(m), 1); break;
        default: doing = "feed"; call_feed(m); break;
        }
        if (n % 97 == 0) {
            doing = "afterwards";
            logits_of_prompt(m, found);
            if (memcmp(expected, found, sizeof found) != 0)
                fail("other bits than before", n);
        }
    }
    tiny_gpt2_destroy(m);
    free(file);
    printf("%ld refused, %ld accepted, %ld damaged files opened\n", refused, accepted, damaged_opened);
    return 0;
}
