/* Random valid use of a language model: feeds of every length to some rows, truncation, reordering, runs in between. What a row holds is
   kept here as ids; its logits have to be, bit for bit, those of a fresh row that is fed all of them at once.
   feed_fuzz WEIGHTS SEED STEPS: prints how many rows were compared. */
#include "hostile.h"

#include "tiny_gpt2.h"

#define VOCABULARY TINY_GPT2_VOCABULARY
enum { BATCH = 4, CONTEXT = 75 };

typedef struct row {
    int64_t ids[CONTEXT], length;
} row;

static void need(tiny_gpt2_status status, const char *what)
{
    if (status != TINY_GPT2_OK) {
        printf("%s: %s\n", what, tiny_gpt2_status_text(status));
        exit(1);
    }
}

static tiny_gpt2 *make(const char *weights, int64_t batch, int64_t sequence, int64_t threads)
{
    tiny_gpt2_sizes sizes;
    tiny_gpt2 *m;
    memset(&sizes, 0, sizeof sizes);
    sizes.batch = batch;
    sizes.context = CONTEXT;
    sizes.sequence = sequence;
    sizes.threads = threads;
    need(tiny_gpt2_create(&m, weights, &sizes), "create");
    return m;
}

/* Feeds some rows and returns how many logits were compared. */
static int feed(tiny_gpt2 *m, tiny_gpt2 *fresh, row *rows)
{
    static float logits[BATCH * VOCABULARY], whole[VOCABULARY];
    const int64_t batch = 1 + below(BATCH), count = below(3) ? 1 + below(4) : 1 + below(40);
    int64_t ids[BATCH * CONTEXT];
    const int asked = below(4) != 0;

    for (int64_t b = 0; b < batch; b++)
        if (rows[b].length + count > CONTEXT)
            return 0;
    for (int64_t i = 0; i < batch * count; i++)
        ids[i] = below(VOCABULARY);
    need(tiny_gpt2_feed(m, batch, count, ids, asked ? logits : 0), "feed");
    for (int64_t b = 0; b < batch; b++) {
        memcpy(rows[b].ids + rows[b].length, ids + b * count, (size_t)count * sizeof *ids);
        rows[b].length += count;
        if (!asked)
            continue;
        need(tiny_gpt2_reset(fresh), "reset");
        need(tiny_gpt2_feed(fresh, 1, rows[b].length, rows[b].ids, whole), "feed of all at once");
        if (memcmp(whole, logits + b * VOCABULARY, sizeof whole) != 0) {
            printf("row %ld of %ld at length %ld: other bits than when fed at once\n", (long)b, (long)batch, (long)rows[b].length);
            exit(1);
        }
    }
    return asked ? (int)batch : 0;
}

int main(int argc, char **argv)
{
    static row rows[BATCH], old[BATCH];
    tiny_gpt2 *m, *fresh;
    long steps, compared = 0;

    if (argc != 4)
        return 2;
    seed(argv[2]);
    steps = strtol(argv[3], 0, 10);
    m = make(argv[1], BATCH, 1 + below(20), 1 + below(3));
    fresh = make(argv[1], 1, CONTEXT, 1);
    for (long n = 0; n < steps; n++) {
        const int64_t kind = below(12);
        if (kind == 0) {
            need(tiny_gpt2_reset(m), "reset");
            memset(rows, 0, sizeof rows);
        } else if (kind < 4) {
            const int64_t r = below(BATCH), length = below(rows[r].length + 1);
            need(tiny_gpt2_truncate(m, r, length), "truncate");
            rows[r].length = length;
        } else if (kind < 7) {
            int64_t from[BATCH];
            const int64_t count = below(BATCH + 1);
            memcpy(old, rows, sizeof rows);
            for (int64_t i = 0; i < count; i++) {
                from[i] = below(BATCH);
                rows[i] = old[from[i]];
            }
            need(tiny_gpt2_reorder(m, from, count), "reorder");
        } else {
            compared += feed(m, fresh, rows);
        }
        for (int64_t b = 0; b < BATCH; b++)
            if (tiny_gpt2_position(m, b) != rows[b].length) {
                printf("row %ld holds %ld ids instead of %ld\n", (long)b, (long)tiny_gpt2_position(m, b), (long)rows[b].length);
                return 1;
            }
    }
    tiny_gpt2_destroy(m);
    tiny_gpt2_destroy(fresh);
    printf("%ld rows compared\n", compared);
    return 0;
}
