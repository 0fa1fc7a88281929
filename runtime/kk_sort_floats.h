/* Sorting float32. */
#ifndef KK_SORT_FLOATS_H
#define KK_SORT_FLOATS_H

#include "kk_threads.h"

#include <stdint.h>

/* x [rows][count], count at most 2^31: writes to order [rows][first] the indices of the `first` elements of each row when sorted,
   ascending or `descending`; NaN is above all numbers, zeros of both signs are equal, equal elements keep their order. All of them by
   merge sort, fewer by a heap. `room` is [rows][first] to work in. Every thread sorts its share of the rows; a barrier is the caller's. */
void kk_argsort_f32(const kk_thread *t, const float *x, int64_t *order, int64_t *room, int64_t rows, int64_t count, int64_t descending, int64_t first);

#endif
