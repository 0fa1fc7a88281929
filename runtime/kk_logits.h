/* What changes a model's scores before a token is chosen: penalties, bans and forced tokens.

   The processors and their order are those of transformers (generation/logits_process.py, version 4.57): repetition
   penalty (N. S. Keskar et al., CTRL, 2019), no-repeat n-grams (R. Paulus et al., 2017), bad words, least lengths, forced
   first and last token, suppressed tokens. Greedy choice and sampling apply them to logits, beam search to log
   probabilities. */
#ifndef KK_LOGITS_H
#define KK_LOGITS_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kk_logits_options {
    double repetition_penalty;    /* scores of tokens in the text are made this much worse; 1 does nothing. Over 0 */
    int64_t no_repeat_ngram_size; /* no run of so many tokens comes twice in the text; 0: any may */
    int64_t min_length;           /* no end before the text, with its prompt, has so many tokens; 0: at any time */
    int64_t min_new_tokens;       /* no end before so many tokens were generated; 0: as min_length says */
    int64_t forced_bos_id;        /* the second token of a text whose prompt is one token; -1: none */
    int64_t forced_eos_id;        /* the last token of a text that reaches its greatest length; -1: none */
    const int64_t *suppress_ids;  /* tokens that are never chosen; may be null if none */
    size_t suppress_id_count;
    const int64_t *begin_suppress_ids; /* tokens that are not chosen first (after a forced one); may be null if none */
    size_t begin_suppress_id_count;
    const int64_t *const *bad_words; /* runs of tokens that are never completed; may be null if none */
    const size_t *bad_word_lengths;  /* [bad_word_count], each 1 or more */
    size_t bad_word_count;
} kk_logits_options;

/* Changes nothing. */
kk_logits_options kk_logits_defaults(void);

/* The text so far, and where it ends. */
typedef struct kk_logits_text {
    const int64_t *ids; /* [count]: the prompt, and what was generated */
    int64_t count, prompt_count;
    int64_t max_length;     /* tokens that the text can have, with its prompt */
    const int64_t *end_ids; /* tokens that end it; may be null if none */
    size_t end_id_count;
} kk_logits_text;

/* KK_ERROR_ARGUMENT for null where something is counted, or an empty bad word; KK_ERROR_RANGE for a number outside its
   bounds or an id outside the vocabulary. */
kk_status kk_logits_check(const kk_logits_options *options, int64_t vocabulary);

/* Words of scratch memory that kk_logits_process needs. */
size_t kk_logits_scratch(int64_t vocabulary);

/* Changes the scores of the token that is to follow the text. Options and the ids of the text were checked.
   scores: [vocabulary]; what cannot be chosen becomes -infinity. scratch: [kk_logits_scratch(vocabulary)]. */
void kk_logits_process(const kk_logits_options *options, const kk_logits_text *text, float *scores, int64_t vocabulary,
                       uint32_t *scratch);

#ifdef __cplusplus
}
#endif

#endif
