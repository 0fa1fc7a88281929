/* Strings of a model, compared. */
#include "kk_prefix.h"

#include "kk_strings.h"

#include <string.h>

/* Whether a string lies within `size` bytes. */
static int kk_string_lies_within(int64_t start, int64_t length, int64_t size)
{
    return start >= 0 && length >= 0 && length <= size && start <= size - length;
}

void kk_find_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const uint8_t *others,
                     const int64_t *other_starts, const int64_t *other_lengths, int64_t *found, int64_t count, int64_t size, int64_t other_size, int64_t width,
                     int64_t step)
{
    const int64_t end = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < end; i++) {
        int64_t j = kk_string_lies_within(starts[i], lengths[i], size) ? width - 1 : -1;
        for (; j >= 0; j--) {
            const int64_t other = i * step + j;
            if (other_lengths[other] == lengths[i] && kk_string_lies_within(other_starts[other], lengths[i], other_size) &&
                (lengths[i] == 0 || !memcmp(bytes + starts[i], others + other_starts[other], (size_t)lengths[i])))
                break;
        }
        found[i] = j;
    }
}

void kk_copy_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const int64_t *begins, uint8_t *to, int64_t count,
                     int64_t size, int64_t room)
{
    const int64_t end = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < end; i++)
        if (lengths[i] > 0 && kk_string_lies_within(starts[i], lengths[i], size) && kk_string_lies_within(begins[i], lengths[i], room))
            memcpy(to + begins[i], bytes + starts[i], (size_t)lengths[i]);
}
