/* Non-maximum suppression. */
#ifndef KK_SUPPRESS_H
#define KK_SUPPRESS_H

#include "kk_threads.h"

#include <stdint.h>

/* Greedy, for each of `classes` classes of each of `rows` rows: along order [rows][classes][count], a box is kept if it is a candidate, fewer than *most are kept
   so far, and no kept one overlaps it by more than *threshold (intersection over union). boxes [rows][count][4]: the low corner, then the high one.
   kept [rows][classes][count]: 1 for each place of the order that is. Every thread takes its share of the classes; a barrier is the caller's. */
void kk_suppress(const kk_thread *t, const float *boxes, const int64_t *order, const uint8_t *candidates, const float *threshold, const int64_t *most,
                 uint8_t *kept, int64_t rows, int64_t classes, int64_t count);

#endif
