/* The part of hostile_calls.c that generates: options of every kind, many of them without meaning. */
#ifndef HOSTILE_GENERATE_H
#define HOSTILE_GENERATE_H

static double odd_number(double usual)
{
    const double numbers[] = {-1, -1e300, 1e300, NAN, INFINITY, -INFINITY, 1e-320, 2};
    return below(3) ? usual : numbers[below(8)];
}

static int receive(int64_t row, int64_t id, const char *text, size_t bytes, void *user)
{
    long *left = user;
    (void)text, (void)bytes;
    if (row < 0 || row >= BATCH || id < -1 || id >= VOCABULARY)
        fail("callback", (long)id);
    return --*left == 0;
}

static void call_generate(tiny_gpt2 *m)
{
    static const char *const texts[] = {"a", "", "\xff\xfe", "the end", "\xc3"};
    tiny_gpt2_generate_options o = tiny_gpt2_generate_defaults();
    tiny_gpt2_generate_result results[BATCH];
    const int64_t count = below(4) ? 1 + below(8) : below(CONTEXT + 4), batch = below(3) ? 1 : odd(BATCH);
    int ids_valid = 1;
    int64_t *prompt = some_ids(count, &ids_valid), stops[2], word = odd(VOCABULARY);
    const int64_t *const words[2] = {&word, below(9) ? stops : 0}, *prompts[BATCH];
    size_t lengths[2] = {1, (size_t)below(3)}, counts[BATCH];
    const char *strings[2];
    long left = 1 + (long)below(12);
    tiny_gpt2_status status;

    stops[0] = odd(VOCABULARY);
    stops[1] = below(VOCABULARY);
    strings[0] = below(2) ? texts[0] : texts[below(5)];
    strings[1] = below(30) ? texts[3] : 0;
    o.max_new_tokens = below(3) ? below(12) : odd(8);
    o.temperature = odd_number(0.7);
    o.top_k = below(2) ? below(60) : odd(VOCABULARY);
    o.top_p = odd_number(0.9);
    o.min_p = odd_number(0.05);
    o.repetition_penalty = odd_number(1.1);
    o.seed = next();
    o.stop_ids = below(3) ? stops : 0;
    o.stop_id_count = below(3) == 0 ? 2 : 0;
    o.stop_strings = below(3) ? strings : 0;
    o.stop_string_count = below(3) == 0 ? 2 : 0;
    o.keep_special = (int)below(3) - 1;
    o.callback = below(4) ? receive : 0;
    o.user = &left;
    if (below(2)) {
        o.num_beams = below(3) ? below(BATCH + 2) : odd(BATCH);
        o.num_return_sequences = below(2) ? 1 : odd(BATCH);
        o.length_penalty = odd_number(1);
        o.early_stopping = (tiny_gpt2_early_stopping)below(4);
        if (below(4))
            o.temperature = 0, o.stop_string_count = 0;
    }
    if (below(3) == 0) {
        o.no_repeat_ngram_size = below(2) ? below(4) : odd(4);
        o.min_length = odd(9);
        o.min_new_tokens = odd(9);
        o.max_length = odd(CONTEXT);
        o.forced_bos_id = odd(VOCABULARY);
        o.forced_eos_id = below(2) ? -1 : odd(VOCABULARY);
        o.decoder_start_id = odd(VOCABULARY);
        o.suppress_ids = below(9) ? stops : 0;
        o.suppress_id_count = (size_t)below(3);
        o.begin_suppress_ids = below(9) ? &word : 0;
        o.begin_suppress_id_count = (size_t)below(2);
        o.bad_words = below(9) ? words : 0;
        o.bad_word_lengths = below(9) ? lengths : 0;
        o.bad_word_count = (size_t)below(3);
    }
    if (below(2))
        (void)tiny_gpt2_reset(m);
    if (below(2)) {
        status = tiny_gpt2_generate(m, below(20) ? prompt : 0, (size_t)count, below(30) ? &o : 0, below(4) ? results : 0);
    } else {
        const int64_t capacity = below(30), texts = batch >= 1 && batch <= BATCH && o.num_return_sequences >= 1 &&
                                                            o.num_return_sequences <= BATCH ? batch * o.num_return_sequences : 0;
        int64_t *ids = exactly(texts * capacity, sizeof *ids);
        tiny_gpt2_generate_result *made = exactly(texts, sizeof *made);
        for (int n = 0; n < BATCH; n++) {
            prompts[n] = below(40) ? prompt : 0;
            counts[n] = (size_t)(count > n ? count - n : count); /* of their own lengths */
        }
        status = tiny_gpt2_generate_batch(m, below(20) ? prompts : 0, below(40) ? counts : 0, batch, below(30) ? &o : 0, below(2) ? ids : 0,
                                          capacity, below(2) ? made : 0);
        free(ids);
        free(made);
        ids_valid = 1; /* a shorter prompt may leave the bad id out */
    }
    judge(status, status == TINY_GPT2_OK);
    if (status == TINY_GPT2_OK && (!ids_valid || (count == 0 && o.decoder_start_id < 0)))
        fail("accepted a bad prompt", status);
    for (int b = 0; b < BATCH; b++)
        if (tiny_gpt2_position(m, b) < 0 || tiny_gpt2_position(m, b) > CONTEXT)
            fail("position", b);
    free(prompt);
}

#endif
