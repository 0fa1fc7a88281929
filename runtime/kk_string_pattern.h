/* Strings of a model against a regular expression, which is a table by then (kaoken/text/full_match.py makes it). */
#ifndef KK_STRING_PATTERN_H
#define KK_STRING_PATTERN_H

#include "kk_threads.h"

#include <stdint.h>

/* matches: whether each of `count` strings (bytes, starts, lengths) within `size` bytes matches as a whole. runs, kinds: code points from runs[i] to before
   runs[i + 1] are of class kinds[i], and the first 128 runs are those of ASCII. transitions: [states][classes], each below `states`; a string begins in state 1,
   and matches where it ends in one that accepts. Every thread takes its share of the strings; a barrier is the caller's. */
void kk_match_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const int32_t *runs, const uint8_t *kinds,
                      const uint16_t *transitions, const uint8_t *accepting, uint8_t *matches, int64_t count, int64_t size, int64_t run_count, int64_t states,
                      int64_t classes);

#endif
