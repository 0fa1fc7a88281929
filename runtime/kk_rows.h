/* The rows of a handle: which row of the caches each one uses, how far it is filled, and how rows change places while
   as little as possible is copied.

   A row has a place: the row of keys and values in every cache (kk_cache.row). Rows that only change places swap these
   numbers. A row that is wanted twice is copied to a place that nobody wants any more, and of it only the positions
   behind those that both places hold in common: the beams of a search share most of their past. */
#ifndef KK_ROWS_H
#define KK_ROWS_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Positions first..end-1 of place `from` are to be copied to place `to`, in every cache (kk_cache_copy). */
typedef struct kk_row_copy {
    int64_t from, to, first, end;
} kk_row_copy;

typedef struct kk_rows {
    int64_t count;     /* rows, and places */
    int64_t *length;   /* [count]: positions that a row holds */
    int64_t *place;    /* [count]: its place; every place is some row's */
    int64_t *input;    /* [count]: which input of the encoder it attends to; the row's own number unless set or reordered */
    int32_t *shared;   /* [count][count]: how many first positions two places hold in common */
    kk_row_copy *copy; /* [count]: what the last reorder asks for */
    /* The call at work, by its batch rows; kernels see the first two as kk_cache.past and kk_cache.row of the state that
       a handle appends to, and call_input as kk_cache.row of what an encoder left. */
    int64_t *call_length, *call_place, *call_input;
    /* What holds for every call, 0 unless set after kk_rows_open: all rows take part, they hold equally much, what they attend
       to has to be encoded first. */
    int whole, uniform, encoded;
} kk_rows;

/* Bytes of memory, aligned to 8 bytes, for `count` rows, 1 or more. */
size_t kk_rows_bytes(int64_t count);

/* Lays empty rows out in that memory. */
void kk_rows_open(kk_rows *rows, int64_t count, void *memory);

/* Empties all rows; each has the place and the input of its own number. */
void kk_rows_reset(kk_rows *rows);

/* Begins a call on some rows. which: [call_count] numbers of rows; null: the first ones. Fills the call's arrays. */
void kk_rows_select(kk_rows *rows, const int64_t *which, int64_t call_count);

/* Whether `count` positions may be appended to some rows, `which` as in kk_rows_select, that can hold `capacity`. KK_ERROR_RANGE: a
   number below 1 or above the rows, or rows that this call may not take; KK_ERROR_ORDER: a row without an input;
   KK_ERROR_CAPACITY: a row without room. */
kk_status kk_rows_may_append(const kk_rows *rows, const int64_t *which, int64_t call_count, int64_t count, int64_t capacity);

/* Where inputs are encoded: no row attends to any. */
void kk_rows_forget_inputs(kk_rows *rows);

/* Forgets what a row holds from position `length` on. KK_ERROR_RANGE: no such row, or it is shorter. */
kk_status kk_rows_truncate(kk_rows *rows, int64_t row, int64_t length);

/* Row i becomes what row from[i] was (length, place, input), for i below count; the others stay. *copies receives how
   many entries of rows->copy the caller has to copy before the next call. KK_ERROR_RANGE: a row that is none; then
   nothing has changed. */
kk_status kk_rows_reorder(kk_rows *rows, const int64_t *from, int64_t count, int64_t *copies);

#ifdef __cplusplus
}
#endif

#endif
