/* Logarithms of probabilities. */
#ifndef KK_LOG_SOFTMAX_H
#define KK_LOG_SOFTMAX_H

#include "kk_prefix.h"

#include <stdint.h>

#include "kk_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Logits into log probabilities, in place: x - max - log(sum(exp(x - max))), rounded to float32 after each difference.
   The relative error of the sum is below 3e-7.
   KK_ERROR_NUMBER when one is NaN or +infinity, or none is above -infinity; then nothing is changed. */
kk_status kk_log_softmax(float *logits, int64_t count);

#ifdef __cplusplus
}
#endif

#endif
