/* Beam search over one input: which continuations are kept, which are finished, and when nothing better can come.

   The rules, and the float32 arithmetic in which scores are compared, are those of transformers 4.57's `generate`: a
   step looks at max(2, 1 + ends) continuations a beam with the greatest sums of log probabilities; those that end the
   text are finished hypotheses if they are among the first `beams`, with their sum divided by length^length_penalty;
   the best others go on. Of equal sums the one of the first beam and the lowest id comes first.
   No model is known here: whoever calls kk_beam_step computes the logits, and lets its rows change places. */
#ifndef KK_BEAM_H
#define KK_BEAM_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_logits.h"
#include "kk_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* When a search ends before its texts are as long as they can be: transformers' early_stopping. */
typedef enum kk_early_stopping {
    KK_EARLY_STOPPING_FALSE, /* when no beam, were it to end as long as it is, would beat the worst finished text */
    KK_EARLY_STOPPING_TRUE,     /* as soon as there are as many finished texts as beams */
    KK_EARLY_STOPPING_NEVER      /* when no beam can beat the worst finished text, at whatever length the penalty favours */
} kk_early_stopping;

/* Most ids that can end the text of a search. */
#define KK_BEAM_END_IDS 15

typedef struct kk_beam_options {
    int64_t beams;         /* texts that go on at a time, 1 or more */
    double length_penalty; /* scores are divided by length to this power: above 0 favours long texts. Finite */
    kk_early_stopping early_stopping;
} kk_beam_options;

/* A continuation that a step considers. */
typedef struct kk_beam_candidate {
    float score;   /* sum of log probabilities */
    float running; /* the same, made worse by 1e9 where the text ends */
    int64_t beam, id;
    int ends, taken;
} kk_beam_candidate;

/* A finished text. Its ids are those after the prompt, the last one that of the end if there was one. */
typedef struct kk_hypothesis {
    float score; /* sum of log probabilities, divided by length^length_penalty; -1e9: there is no such text */
    int64_t count;
    int64_t *ids;
} kk_hypothesis;

/* A search; the members are private, except `best` and `finished` after the last step. */
typedef struct kk_beam {
    kk_beam_options options;
    const kk_logits_options *logits;
    kk_logits_text text; /* its ids are those of one beam after the other */
    int64_t vocabulary, candidates;
    float *scores;       /* [beams] of the beams that go on */
    int64_t *ids, *next; /* [beams][max_length]: their texts, and those of the next step */
    kk_beam_candidate *candidate; /* [candidates], best first */
    kk_hypothesis *best; /* [beams], best first */
    int64_t finished;    /* how many of them there are */
    uint32_t *seen;
} kk_beam;

/* Bytes of scratch memory, aligned to 8 bytes, for texts of `length` tokens, prompt included; 0 for sizes below 1. Searches
   together need no more than one with as many beams. */
size_t kk_beam_scratch(int64_t beams, int64_t length);

/* Begins a search.
   text: the prompt (count, prompt_count and ids), the length that texts can have, and what ends them.
   logits: was checked (kk_logits_check); both have to stay where they are. seen: [kk_logits_scratch(vocabulary)].
   KK_ERROR_ARGUMENT for null pointers, a length penalty that is not finite, or no such early stopping; KK_ERROR_RANGE
   for fewer than 1 beam, more than KK_BEAM_END_IDS ends, a prompt that leaves no room, or a vocabulary with fewer
   continuations than a step looks at; KK_ERROR_CAPACITY for too little scratch. */
kk_status kk_beam_open(kk_beam *beam, const kk_beam_options *options, const kk_logits_options *logits,
                       const kk_logits_text *text, int64_t vocabulary, uint32_t *seen, void *scratch, size_t scratch_bytes);

/* Takes the next token of each beam.
   logits: [beams][vocabulary] after the texts so far; for the first step [1][vocabulary], after the prompt. They are
   changed to processed log probabilities.
   parents, ids: [beams]; receive, for each beam of the next step, which beam it continues, and with which token.
   *done: receives 1 when the search has ended (then best holds the texts), else 0.
   KK_ERROR_NUMBER when logits are NaN or +infinity, or none is above -infinity. */
kk_status kk_beam_step(kk_beam *beam, float *logits, int64_t *parents, int64_t *ids, int *done);

#ifdef __cplusplus
}
#endif

#endif
