/* Strings of a model: bytes, and where each string begins and how long it is. */
#ifndef KK_STRINGS_H
#define KK_STRINGS_H

#include "kk_threads.h"

#include <stdint.h>

/* malformed: 1 for each of `count` strings (bytes, starts, lengths) that does not lie within `size` bytes or is no UTF-8, else 0. Every thread takes its share of
   the strings; a barrier is the caller's. */
void kk_malformed_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, int64_t *malformed, int64_t count,
                          int64_t size);

/* ranks: numbers that are ordered as the bytes of the strings are, equal ones for equal strings. order: their indices, sorted. The first thread does it; a
   barrier is the caller's. */
void kk_rank_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, int64_t *ranks, int64_t *order, int64_t count,
                     int64_t size);

/* For each of `count` strings (bytes, starts, lengths) the last of `width` candidates that is equal to it, byte for byte, or -1. Those of string i are
   (others, other_starts, other_lengths) from i * step on: step 0 is one table for all. A string that does not lie within its `size` or `other_size` bytes is
   equal to none. Every thread takes its share of the strings; a barrier is the caller's. */
void kk_find_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const uint8_t *others,
                     const int64_t *other_starts, const int64_t *other_lengths, int64_t *found, int64_t count, int64_t size, int64_t other_size, int64_t width,
                     int64_t step);

/* Copies each of `count` strings (bytes, starts, lengths) to `to` from begins[i] on. One that does not lie within its `size` bytes, or would not lie within the
   `room` there is, is left out. Every thread takes its share of the strings; a barrier is the caller's. */
void kk_copy_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const int64_t *begins, uint8_t *to, int64_t count,
                     int64_t size, int64_t room);

/* How many pieces each of `count` strings (bytes, starts, lengths) falls into at a delimiter of `delimiter_size` bytes. At none (0 bytes), pieces are what stands
   between white space of Unicode, of which that before a piece is left out. After `most` cuts (negative: any number) the rest is one piece. A string that does
   not lie within its `size` bytes counts as empty. Every thread takes its share of the strings; a barrier is the caller's. */
void kk_count_pieces(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const uint8_t *delimiter, int64_t *pieces,
                     int64_t count, int64_t size, int64_t delimiter_size, int64_t most);

/* Where the first `width` pieces of each string begin and how long they are: [count][width] each; those there are none of are empty, at 0. The rest is as of
   kk_count_pieces. */
void kk_split_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const uint8_t *delimiter,
                      int64_t *piece_starts, int64_t *piece_lengths, int64_t count, int64_t size, int64_t delimiter_size, int64_t most, int64_t width);

#endif
