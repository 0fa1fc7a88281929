/* Chooses the next token from a model's logits: greedy, or at random after the usual filters.

   The filters and their order are those of transformers (its logits warpers, version 4.57): temperature, top-k, top-p,
   min-p, each in the arithmetic that it uses there (float32 for the temperature), except that probabilities are summed
   in double. Penalties and bans come before them, in kk_logits.h.
   The same seed, options and logits choose the same tokens on every machine with IEEE arithmetic: the generator
   is splitmix64 (G. Steele, D. Lea, C. Flood, 2014) and the exponential function is this file's own. */
#ifndef KK_SAMPLER_H
#define KK_SAMPLER_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kk_sampler_options {
    double temperature; /* scores are divided by it; 0 chooses the greatest score. Finite, at least 0 */
    int64_t top_k;      /* keeps the k greatest scores, and what equals the least of them; 0 keeps all */
    double top_p;       /* keeps the fewest most probable tokens whose sum reaches it, 0 to 1; 1 keeps all */
    double min_p;       /* keeps what has at least this share of the greatest probability, 0 to 1 */
    uint64_t seed;      /* where the generator begins */
} kk_sampler_options;

/* Greedy choice, seed 0, no filter. */
kk_sampler_options kk_sampler_defaults(void);

/* A sampler. The caller owns the struct and the scratch memory that it points into; its members are private. Several
   samplers may share scratch memory as long as they are not used at the same time. */
typedef struct kk_sampler {
    kk_sampler_options options;
    int64_t vocabulary;
    uint64_t random;
    float *scores;
    double *weights;
    uint32_t *order;
} kk_sampler;

/* Bytes of scratch memory, aligned to 8 bytes, for logits over this many tokens: about 16 a token. 0 for a
   vocabulary below 1 or above 2^31 - 1. */
size_t kk_sampler_scratch(int64_t vocabulary);

/* Makes a sampler. The scratch memory holds nothing between calls.
   KK_ERROR_RANGE for a vocabulary or an option out of its bounds, KK_ERROR_CAPACITY for too little scratch. */
kk_status kk_sampler_open(kk_sampler *sampler, const kk_sampler_options *options, int64_t vocabulary, void *scratch,
                          size_t scratch_bytes);

/* Chooses a token. logits: [vocabulary], not changed. *id receives the token, the first of equals when greedy.
   The generator moves on once a call, and not at all when greedy.
   KK_ERROR_NUMBER when a logit is NaN, when none is above -infinity, or, unless greedy, when one is +infinity. */
kk_status kk_sampler_sample(kk_sampler *sampler, const float *logits, int64_t *id);

/* The probabilities with which kk_sampler_sample would choose. probabilities: [vocabulary]; what the filters take
   out is exactly 0. When greedy, the chosen token has 1. The generator does not move. */
kk_status kk_sampler_distribution(kk_sampler *sampler, const float *logits, double *probabilities);

#ifdef __cplusplus
}
#endif

#endif
