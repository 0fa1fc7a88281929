/* One vector for a text, from the vectors of its tokens. Every thread of a pool calls these functions; each takes its share of
   the result. Sums run in the order of the tokens, in double precision: no number of threads, and nothing that other rows
   hold, changes a bit. */
#ifndef KK_POOLING_H
#define KK_POOLING_H

#include "kk_prefix.h"

#include <stdint.h>

#include "kk_threads.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kk_pooling {
    KK_POOLING_MEAN = 1, /* of all tokens */
    KK_POOLING_CLS,      /* the first token */
    KK_POOLING_LAST      /* the last token */
} kk_pooling;

/* y[b] = the tokens of hidden[b], pooled; 0 for a row without tokens.
   hidden: [batch][length][width]. mask: [batch][length], not 0 for tokens, 0 for padding, which is never read.
   y: [batch][width]. */
void kk_pooling_rows(kk_thread *t, kk_pooling how, int64_t batch, int64_t length, int64_t width, const float *hidden,
                     const int64_t *mask, float *y);

/* Brings each row to Euclidean length 1; a row that is shorter than 1e-12 is divided by 1e-12 instead, as
   torch.nn.functional.normalize does it. y: [batch][width]. */
void kk_pooling_normalize(kk_thread *t, int64_t batch, int64_t width, float *y);

#ifdef __cplusplus
}
#endif

#endif
