/* Numbers as decimal text, whatever the locale is: read with one rounding, and written as the shortest text that reads as the same number. */
#ifndef KK_STRING_NUMBERS_H
#define KK_STRING_NUMBERS_H

#include "kk_threads.h"

#include <stdint.h>

/* Bytes from one text that is written to the next. */
#define KK_NUMBER_WIDTH 32

/* The value of each of `count` strings (bytes, starts, lengths) within `size` bytes, rounded to nearest even in `bits` bits (24: as a float, 53: as a double),
   and wrong: 1 for each that is no number, whose value is 0. Taken are [+-]digits[.digits][(e|E)[+-]digits] with a digit before or behind the point, and inf,
   infinity and nan in any case, between white space of ASCII. Every thread takes its share of the strings; a barrier is the caller's. */
void kk_parse_floats(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, double *values, int64_t *wrong, int64_t count,
                     int64_t size, int64_t bits);

/* Likewise [+-]digits that an integer of `bits` bits holds, of which values has those. */
void kk_parse_integers(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, int64_t *values, int64_t *wrong, int64_t count,
                       int64_t size, int64_t bits, int64_t is_unsigned);

/* Writes each of `count` values to bytes from KK_NUMBER_WIDTH times its index on, and to lengths how long it is. It is the shortest text that rounds to it among
   numbers of `bits` bits whose last bit is worth 2^least or more; plain from 1e-4 to below 1e16 (with a point), else with an exponent. */
void kk_format_floats(const kk_thread *t, const double *values, uint8_t *bytes, int64_t *lengths, int64_t count, int64_t bits, int64_t least);

/* Likewise integers; is_unsigned: the uint64 of these bits. */
void kk_format_integers(const kk_thread *t, const int64_t *values, uint8_t *bytes, int64_t *lengths, int64_t count, int64_t is_unsigned);

#endif
