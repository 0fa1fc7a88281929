/* Counts what a model of text allocates: every call of the C library's allocator, and system calls by --wrap.
   count_allocations WEIGHTS THREADS prints how many at creation and how many in all calls after it. */
#include "tiny_gpt2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long count;

/* The allocator itself, so that what the C library allocates for us counts too (glibc's own names lie behind). */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void *malloc(size_t size) { __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST); return __libc_malloc(size); }
void *calloc(size_t n, size_t size) { __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST); return __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST); return __libc_realloc(p, size); }
void *memalign(size_t a, size_t size) { __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST); return __libc_memalign(a, size); }
void *aligned_alloc(size_t a, size_t size) { return memalign(a, size); }
int posix_memalign(void **p, size_t a, size_t size) { *p = memalign(a, size); return *p ? 0 : 12; }

/* Never called with these types; what counts is that they are called. */
#define WRAP(name)                                                                                                    \
    long __real_##name(long, long, long, long, long, long);                                                           \
    long __wrap_##name(long a, long b, long c, long d, long e, long f);                                               \
    long __wrap_##name(long a, long b, long c, long d, long e, long f)                                                \
    {                                                                                                                 \
        __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);                                                              \
        return __real_##name(a, b, c, d, e, f);                                                                       \
    }
WRAP(mmap)
WRAP(open)
WRAP(fopen)
WRAP(sbrk)
WRAP(brk)
WRAP(pthread_create)

static int receive(int64_t row, int64_t id, const char *text, size_t bytes, void *user)
{
    (void)row, (void)id, (void)text, (void)bytes;
    ++*(int *)user;
    return 0;
}

#define CHECK(call)                                                                                                   \
    do {                                                                                                              \
        const tiny_gpt2_status check_status = (call);                                                                 \
        if (check_status != TINY_GPT2_OK) {                                                                           \
            printf("%s: %s\n", #call, tiny_gpt2_status_text(check_status));                                           \
            return 1;                                                                                                 \
        }                                                                                                             \
    } while (0)

int main(int argc, char **argv)
{
    static int64_t ids[512], mask[3 * 16], positions[3 * 8];
    static float logits[3 * 8 * TINY_GPT2_VOCABULARY], cache[4][3 * 4 * 8 * 16], longer[4][3 * 4 * 16 * 16];
    static char text[4096];
    static const int64_t rows[3] = {2, 0, 1};
    static const size_t counts[3] = {7, 2, 5};
    static int64_t texts[3 * 40];
    const int64_t *prompts[3];
    tiny_gpt2_generate_result results[3];
    const char *const stop[2] = {"never to be seen", "xyz"};
    tiny_gpt2_arguments a;
    tiny_gpt2_generate_options options = tiny_gpt2_generate_defaults();
    tiny_gpt2_generate_result result;
    tiny_gpt2_sizes sizes;
    tiny_gpt2 *model;
    size_t made, bytes;
    long before, after;
    int received = 0;

    if (argc != 3)
        return 2;
    memset(&sizes, 0, sizeof sizes);
    sizes.batch = 3;
    sizes.threads = atoi(argv[2]);
    count = 0;
    CHECK(tiny_gpt2_create(&model, argv[1], &sizes));
    before = count;
    count = 0;

    CHECK(tiny_gpt2_check_weights(model));
    CHECK(tiny_gpt2_tokenize(model, "Once upon a time", 16, ids, 512, &made));
    CHECK(tiny_gpt2_detokenize(model, ids, made, 0, text, sizeof text, &bytes));
    for (int i = 0; i < 90; i++)
        ids[i] = (i * 37 + 11) % TINY_GPT2_VOCABULARY;
    for (int i = 0; i < 3; i++) {
        CHECK(tiny_gpt2_feed(model, 3, 30, ids, logits));
        CHECK(tiny_gpt2_feed(model, 2, 1, ids, i ? logits : 0));
        CHECK(tiny_gpt2_reorder(model, rows, 3));
        CHECK(tiny_gpt2_truncate(model, 1, 4));
        CHECK(tiny_gpt2_truncate(model, 2, 4));
        CHECK(tiny_gpt2_truncate(model, 0, 4));
    }
    CHECK(tiny_gpt2_reset(model));
    options.temperature = 0.8;
    options.top_k = 50;
    options.top_p = 0.9;
    options.min_p = 0.01;
    options.repetition_penalty = 1.1;
    options.max_new_tokens = 40;
    options.stop_strings = stop;
    options.stop_string_count = 2;
    options.callback = receive;
    options.user = &received;
    CHECK(tiny_gpt2_generate(model, ids, 20, &options, &result));
    for (int i = 0; i < 3; i++)
        prompts[i] = ids + i;
    CHECK(tiny_gpt2_reset(model));
    CHECK(tiny_gpt2_generate_batch(model, prompts, counts, 3, &options, texts, 40, results));
    CHECK(tiny_gpt2_reset(model));
    options.temperature = 0;
    options.stop_string_count = 0;
    options.num_beams = options.num_return_sequences = 3;
    options.no_repeat_ngram_size = 2;
    CHECK(tiny_gpt2_generate_batch(model, prompts, counts, 1, &options, texts, 40, results));
    memset(&a, 0, sizeof a);
    a.batch_size = 3;
    a.sequence_length = a.past_sequence_length = 8;
    a.input_ids = ids;
    a.attention_mask = mask;
    a.position_ids = positions;
    a.past_key_values_0_key = cache[0], a.past_key_values_0_value = cache[1];
    a.past_key_values_1_key = cache[2], a.past_key_values_1_value = cache[3];
    a.logits = logits;
    a.present_0_key = longer[0], a.present_0_value = longer[1];
    a.present_1_key = longer[2], a.present_1_value = longer[3];
    CHECK(tiny_gpt2_run(model, &a));
    (void)tiny_gpt2_position(model, 1);
    (void)tiny_gpt2_feed(model, 9, 1, ids, logits);
    after = count;
    if (received < 10) {
        printf("only %d tokens\n", received);
        return 1;
    }
    printf("created with %ld allocations, %ld after\n", before, after);
    tiny_gpt2_destroy(model);
    return 0;
}
