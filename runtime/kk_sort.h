/* Sorting, by one int64 or several; float32: kk_sort_floats.h. */
#ifndef KK_SORT_H
#define KK_SORT_H

#include "kk_sort_floats.h"
#include "kk_threads.h"

#include <stdint.h>

/* keys [rows][count][width]: writes to order [rows][first] the indices of the `first` elements of each row when sorted, ascending by the first of an
   element's `width` keys, then by the next; equal elements keep their order. All of them by merge sort, fewer by a heap. `room` is [rows][first] to work
   in. Every thread sorts its share of the rows; a barrier is the caller's. */
void kk_argsort(const kk_thread *t, const int64_t *keys, int64_t *order, int64_t *room, int64_t rows, int64_t count, int64_t width, int64_t first);

#endif
