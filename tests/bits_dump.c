/* Prints the bits of a compiled model's results as text, for comparison between targets. Built with -DGPT2 or without (BERT).
   bits_dump WEIGHTS THREADS */
#ifdef GPT2
#include "tiny_gpt2.h"
#else
#include "tiny_bert.h"
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(const char *name, const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        printf("%s %08lx\n", name, (unsigned long)bits);
    }
}

#ifdef GPT2
int main(int argc, char **argv)
{
    static const int64_t pieces[] = {1, 7, 16, 2, 33, 1, 1, 40};
    static float logits[2 * TINY_GPT2_VOCABULARY];
    tiny_gpt2_sizes sizes;
    tiny_gpt2 *m;
    int64_t ids[256];

    if (argc != 3)
        return 2;
    memset(&sizes, 0, sizeof sizes);
    sizes.batch = 2;
    sizes.threads = atoi(argv[2]);
    if (tiny_gpt2_create(&m, argv[1], &sizes) != TINY_GPT2_OK)
        return 1;
    fprintf(stderr, "%s\n", tiny_gpt2_level(m));
    for (int64_t n = 0, done = 0; n < 8; done += pieces[n++]) {
        for (int64_t i = 0; i < 2 * pieces[n]; i++)
            ids[i] = ((done + i) * 37 + 11) % TINY_GPT2_VOCABULARY;
        if (tiny_gpt2_feed(m, 2, pieces[n], ids, logits) != TINY_GPT2_OK)
            return 1;
        print("logits", logits, 2 * TINY_GPT2_VOCABULARY);
    }
    tiny_gpt2_destroy(m);
    return 0;
}
#else
int main(int argc, char **argv)
{
    enum { BATCH = 2, LONGEST = 128 };
    static int64_t ids[BATCH * LONGEST], mask[BATCH * LONGEST], types[BATCH * LONGEST];
    static float hidden[BATCH * LONGEST * 64];
    tiny_bert_sizes sizes;
    tiny_bert *m;

    if (argc != 3)
        return 2;
    memset(&sizes, 0, sizeof sizes);
    sizes.batch_size = BATCH;
    sizes.threads = atoi(argv[2]);
    if (tiny_bert_create(&m, argv[1], &sizes) != TINY_BERT_OK)
        return 1;
    fprintf(stderr, "%s\n", tiny_bert_level(m));
    for (int64_t length = 1; length <= LONGEST; length = length * 2 + (length < 64)) {
        tiny_bert_arguments a;
        for (int64_t i = 0; i < BATCH * length; i++) {
            ids[i] = (i * 37 + 11) % 512;
            mask[i] = i < length || i % 5 != 0;
            types[i] = i % 2;
        }
        memset(&a, 0, sizeof a);
        a.batch_size = BATCH;
        a.sequence_length = length;
        a.input_ids = ids;
        a.attention_mask = mask;
        a.token_type_ids = types;
        a.last_hidden_state = hidden;
        if (tiny_bert_run(m, &a) != TINY_BERT_OK)
            return 1;
        print("hidden", hidden, BATCH * length * 64);
    }
    tiny_bert_destroy(m);
    return 0;
}
#endif
