/* Strings of a model against a regular expression. */
#include "kk_prefix.h"

#include "kk_string_pattern.h"

#include "kk_code_points.h"
#include "kk_unicode.h"

void kk_match_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const int32_t *runs, const uint8_t *kinds,
                      const uint16_t *transitions, const uint8_t *accepting, uint8_t *matches, int64_t count, int64_t size, int64_t run_count, int64_t states,
                      int64_t classes)
{
    const int64_t last = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < last; i++) {
        const int lies = starts[i] >= 0 && lengths[i] >= 0 && lengths[i] <= size && starts[i] <= size - lengths[i];
        const uint8_t *at = bytes + (lies ? starts[i] : 0), *const end = at + (lies ? lengths[i] : 0);
        int64_t state = states > 1;
        while (at < end && state != 0) {
            uint32_t code_point;
            at += kk_utf8_read(at, end, &code_point);
            state = transitions[state * classes + kinds[code_point < 128 ? code_point : kk_run_of(runs, run_count, code_point)]];
        }
        matches[i] = lies && accepting[state];
    }
}
