/* Strings of a model with characters replaced by others: upper and lower case. */
#ifndef KK_STRING_CASE_H
#define KK_STRING_CASE_H

#include "kk_threads.h"

#include <stdint.h>

/* How many bytes each of `count` strings (bytes, starts, lengths) within `size` bytes has when characters are replaced: those of codes[pieces], ascending, by the
   bytes of texts up to ends[i]. runs, kinds: code points from runs[i] to before runs[i + 1] are cased (1), of no matter to what is (2), or both (3). With more
   than one run, a capital sigma behind a cased character and not before one becomes the final small one (SpecialCasing.txt of the Unicode standard). Every
   thread takes its share of the strings; a barrier is the caller's. */
void kk_mapped_lengths(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const int32_t *codes, const uint8_t *texts,
                       const int32_t *ends, const int32_t *runs, const uint8_t *kinds, int64_t *mapped, int64_t count, int64_t size, int64_t pieces,
                       int64_t run_count);

/* Writes the mapped strings to `to`, each from begins[i] on; what would not lie within the `room` there is, is left out. */
void kk_map_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const int32_t *codes, const uint8_t *texts,
                    const int32_t *ends, const int32_t *runs, const uint8_t *kinds, const int64_t *begins, uint8_t *to, int64_t count, int64_t size,
                    int64_t pieces, int64_t run_count, int64_t room);

#endif
