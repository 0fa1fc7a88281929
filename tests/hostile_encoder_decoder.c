/* A hostile caller of an encoder-decoder: encode, feed, reorder, truncate, reset and run in any order, with odd arguments, every
   outcome predicted. Buffers end where the API says, so that the address sanitizer sees every step outside.
   hostile_encoder_decoder WEIGHTS SEED CALLS: prints how many calls were refused and accepted. */
#include "hostile.h"

#include <math.h>

#include "tiny_t5.h"

enum { BATCH = 3, CONTEXT = 24, SEQUENCE = 5, ENCODED = 18, VOCABULARY = 512, WIDTH = 64 };

static long refused, accepted;
static int64_t length[BATCH], source[BATCH]; /* what each row should hold: ids, and the input it attends to */

static void judge(const char *what, tiny_t5_status status, tiny_t5_status expected)
{
    if (status != expected) {
        fprintf(stderr, "%s gave %d, expected %d\n", what, (int)status, (int)expected);
        exit(1);
    }
    if (expected == TINY_T5_OK)
        accepted++;
    else
        refused++;
}

static int64_t *numbers(int64_t count, int64_t extent, int *valid)
{
    int64_t *made = exactly(count, sizeof *made);
    for (int64_t i = 0; i < count; i++)
        made[i] = below(extent);
    if (count > 0 && below(8) == 0) {
        made[below(count)] = extent + below(3);
        *valid = 0;
    }
    return made;
}

static void forget(void)
{
    for (int b = 0; b < BATCH; b++)
        source[b] = -1;
}

static void call_encode(tiny_t5 *m)
{
    const int64_t batch = below(4) ? 1 + below(BATCH) : odd(BATCH), count = below(4) ? 1 + below(ENCODED) : odd(ENCODED);
    const int sizes = batch >= 1 && batch <= BATCH && count >= 1 && count <= ENCODED;
    int in_range = 1, binary = 1;
    const int64_t cells = sizes ? batch * count : 0;
    int64_t *ids = numbers(cells, VOCABULARY, &in_range), *mask = numbers(cells, 2, &binary);
    float *hidden = exactly(cells * WIDTH, sizeof *hidden);
    const int no_ids = below(20) == 0, no_mask = below(3) == 0, no_hidden = below(2);
    const tiny_t5_status status =
        tiny_t5_encode(m, batch, count, no_ids ? 0 : ids, no_mask ? 0 : mask, no_hidden ? 0 : hidden);

    if (no_ids)
        judge("encode without ids", status, TINY_T5_ERROR_ARGUMENT);
    else if (!sizes)
        judge("encode of odd sizes", status, TINY_T5_ERROR_RANGE);
    else {
        const int valid = in_range && (no_mask || binary);
        judge("encode", status, valid ? TINY_T5_OK : TINY_T5_ERROR_RANGE);
        for (int64_t b = 0; b < BATCH; b++) {
            source[b] = valid && b < batch ? b : -1;
            length[b] = valid ? 0 : length[b];
        }
        for (int64_t i = 0; valid && !no_hidden && i < cells * WIDTH; i++)
            if (!isfinite(hidden[i]))
                fail("no finite hidden state", (long)i);
    }
    free(ids);
    free(mask);
    free(hidden);
}

static void call_feed(tiny_t5 *m)
{
    const int64_t batch = below(4) ? 1 + below(BATCH) : odd(BATCH), count = below(4) ? 1 + below(9) : odd(CONTEXT);
    const int sizes = batch >= 1 && batch <= BATCH && count >= 1;
    int in_range = 1, order = 1, room = 1;
    const int64_t cells = sizes && count <= CONTEXT + 2 ? batch * count : 0;
    int64_t *ids = numbers(cells, VOCABULARY, &in_range);
    float *logits = exactly(sizes ? batch * VOCABULARY : 0, sizeof *logits);
    const int none = below(20) == 0, quiet = below(4) == 0;

    for (int64_t b = 0; sizes && b < batch && order && room; b++) {
        order = source[b] >= 0;
        room = !order || count <= CONTEXT - length[b];
    }
    if (sizes && order && room && cells == 0)
        fail("the driver made no ids", (long)count);
    const tiny_t5_status status = tiny_t5_feed(m, batch, count, none ? 0 : ids, quiet ? 0 : logits);
    if (none)
        judge("feed without ids", status, TINY_T5_ERROR_ARGUMENT);
    else if (!sizes)
        judge("feed of odd sizes", status, TINY_T5_ERROR_RANGE);
    else if (!order)
        judge("feed before encode", status, TINY_T5_ERROR_ORDER);
    else if (!room)
        judge("feed into a full row", status, TINY_T5_ERROR_CAPACITY);
    else {
        judge("feed", status, in_range ? TINY_T5_OK : TINY_T5_ERROR_RANGE);
        for (int64_t b = 0; in_range && b < batch; b++) {
            length[b] += count;
            if (!quiet && !isfinite(logits[b * VOCABULARY + below(VOCABULARY)]))
                fail("no finite logits", (long)b);
        }
    }
    free(ids);
    free(logits);
}

static void call_reorder(tiny_t5 *m)
{
    const int64_t count = below(4) ? below(BATCH + 1) : odd(BATCH);
    const int sizes = count >= 0 && count <= BATCH;
    int in_range = 1;
    int64_t *rows = numbers(sizes ? count : 0, BATCH, &in_range), lengths[BATCH], sources[BATCH];

    judge("reorder", tiny_t5_reorder(m, rows, count), sizes && in_range ? TINY_T5_OK : TINY_T5_ERROR_RANGE);
    memcpy(lengths, length, sizeof length);
    memcpy(sources, source, sizeof source);
    for (int64_t i = 0; sizes && in_range && i < count; i++) {
        length[i] = lengths[rows[i]];
        source[i] = sources[rows[i]];
    }
    free(rows);
}

static void call_truncate(tiny_t5 *m)
{
    const int64_t row = below(4) ? below(BATCH) : odd(BATCH), to = below(4) ? below(CONTEXT) : odd(CONTEXT);
    const int valid = row >= 0 && row < BATCH && to >= 0 && to <= length[row];

    judge("truncate", tiny_t5_truncate(m, row, to), valid ? TINY_T5_OK : TINY_T5_ERROR_RANGE);
    if (valid)
        length[row] = to;
}

int main(int argc, char **argv)
{
    tiny_t5_sizes sizes;
    tiny_t5 *m = 0;

    if (argc != 4)
        return 2;
    seed(argv[2]);
    memset(&sizes, 0, sizeof sizes);
    sizes.batch = BATCH;
    sizes.context = CONTEXT;
    sizes.sequence = SEQUENCE;
    sizes.encoder_sequence_length = ENCODED;
    sizes.threads = 2;
    if (tiny_t5_create(&m, argv[1], &sizes) != TINY_T5_OK)
        fail("create", 0);
    forget();
    for (long n = atol(argv[3]); n > 0; n--) {
        const int64_t kind = below(16);
        if (kind < 4)
            call_encode(m);
        else if (kind < 12)
            call_feed(m);
        else if (kind < 14)
            call_reorder(m);
        else if (kind < 15)
            call_truncate(m);
        else if (below(4) == 0) {
            judge("reset", tiny_t5_reset(m), TINY_T5_OK);
            memset(length, 0, sizeof length);
            forget();
        }
        for (int64_t b = 0; b < BATCH; b++)
            if (tiny_t5_position(m, b) != length[b])
                fail("a row's position", (long)tiny_t5_position(m, b));
    }
    tiny_t5_destroy(m);
    printf("%ld refused, %ld accepted\n", refused, accepted);
    return 0;
}
