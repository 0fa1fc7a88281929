/* Strings of a model: checked, compared, ordered, copied and split. */
#include "kk_prefix.h"

#include "kk_strings.h"

#include "kk_unicode.h"

#include <string.h>

/* Whether a string lies within `size` bytes. */
static int kk_string_lies_within(int64_t start, int64_t length, int64_t size)
{
    return start >= 0 && length >= 0 && length <= size && start <= size - length;
}

void kk_malformed_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, int64_t *malformed, int64_t count,
                          int64_t size)
{
    const int64_t end = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < end; i++)
        malformed[i] = !kk_string_lies_within(starts[i], lengths[i], size) || (lengths[i] > 0 && !kk_utf8_valid(bytes + starts[i], (size_t)lengths[i]));
}

/* Below, at or above 0 as string a comes before, with or after string b; one that does not lie within the bytes counts as empty. */
static int kk_compare_strings(const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, int64_t size, int64_t a, int64_t b)
{
    const int64_t first = kk_string_lies_within(starts[a], lengths[a], size) ? lengths[a] : 0;
    const int64_t second = kk_string_lies_within(starts[b], lengths[b], size) ? lengths[b] : 0;
    const int64_t both = first < second ? first : second;
    const int differ = both > 0 ? memcmp(bytes + starts[a], bytes + starts[b], (size_t)both) : 0;
    return differ != 0 ? differ : (first > second) - (first < second);
}

void kk_rank_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, int64_t *ranks, int64_t *order, int64_t count,
                     int64_t size)
{
    if (t->index != 0)
        return;
    for (int64_t i = 0; i < count; i++)
        order[i] = i;
    /* Heap sort: the heap is built from its last parent down to the first, then its greatest goes to the end, again and again. */
    for (int64_t begin = count / 2, end = count; end > 1;) {
        int64_t at, moved;
        if (begin > 0) {
            moved = order[--begin];
        } else {
            moved = order[--end];
            order[end] = order[0];
        }
        for (at = begin; 2 * at + 1 < end;) {
            int64_t child = 2 * at + 1;
            if (child + 1 < end && kk_compare_strings(bytes, starts, lengths, size, order[child + 1], order[child]) > 0)
                child++;
            if (kk_compare_strings(bytes, starts, lengths, size, order[child], moved) <= 0)
                break;
            order[at] = order[child];
            at = child;
        }
        order[at] = moved;
    }
    for (int64_t i = 0; i < count; i++)
        ranks[order[i]] = i > 0 && kk_compare_strings(bytes, starts, lengths, size, order[i], order[i - 1]) == 0 ? ranks[order[i - 1]] : i;
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

/* The bytes of the white space (Unicode's, and the separators of ASCII) that begins at `text`, or 0. All of it is below U+3001: at most three bytes. */
static int64_t kk_white_space_at(const uint8_t *text, int64_t left)
{
    if (left >= 1 && ((text[0] >= 9 && text[0] <= 13) || (text[0] >= 28 && text[0] <= 32)))
        return 1;
    if (left >= 2 && text[0] == 0xc2)
        return text[1] == 0x85 || text[1] == 0xa0 ? 2 : 0;
    if (left >= 3 && text[0] >= 0xe1 && text[0] <= 0xe3) {
        const unsigned code = (text[0] & 15U) << 12 | (text[1] & 63U) << 6 | (text[2] & 63U);
        return code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000 ? 3
                                                                                                                                                              : 0;
    }
    return 0;
}

/* The bytes of the delimiter that begins at `text`, or 0. */
static int64_t kk_cut_at(const uint8_t *text, int64_t left, const uint8_t *delimiter, int64_t delimiter_size)
{
    if (delimiter_size == 0)
        return kk_white_space_at(text, left);
    return left >= delimiter_size && !memcmp(text, delimiter, (size_t)delimiter_size) ? delimiter_size : 0;
}

/* Splits one string and gives the number of its pieces; the first `width` go to `begins`, counted from the first byte of `text`, and `sizes`. */
static int64_t kk_split(const uint8_t *text, int64_t length, const uint8_t *delimiter, int64_t delimiter_size, int64_t most, int64_t *begins, int64_t *sizes,
                        int64_t width)
{
    int64_t pieces = 0, at = 0;
    for (;;) {
        int64_t begin, cut = 0;
        while (delimiter_size == 0 && at < length && (cut = kk_white_space_at(text + at, length - at)) > 0)
            at += cut;
        if (delimiter_size == 0 && at == length)
            return pieces;
        begin = at;
        cut = 0;
        while (at < length && (pieces == most || (cut = kk_cut_at(text + at, length - at, delimiter, delimiter_size)) == 0))
            at++;
        if (pieces < width) {
            begins[pieces] = begin;
            sizes[pieces] = at - begin;
        }
        pieces++;
        if (cut == 0)
            return pieces;
        at += cut;
    }
}

void kk_count_pieces(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const uint8_t *delimiter, int64_t *pieces,
                     int64_t count, int64_t size, int64_t delimiter_size, int64_t most)
{
    const int64_t end = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < end; i++) {
        const int lies = kk_string_lies_within(starts[i], lengths[i], size);
        pieces[i] = kk_split(lies ? bytes + starts[i] : bytes, lies ? lengths[i] : 0, delimiter, delimiter_size, most, NULL, NULL, 0);
    }
}

void kk_split_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const uint8_t *delimiter,
                      int64_t *piece_starts, int64_t *piece_lengths, int64_t count, int64_t size, int64_t delimiter_size, int64_t most, int64_t width)
{
    const int64_t end = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < end; i++) {
        const int lies = kk_string_lies_within(starts[i], lengths[i], size);
        int64_t *const begins = piece_starts + i * width, *const sizes = piece_lengths + i * width;
        const int64_t found = kk_split(lies ? bytes + starts[i] : bytes, lies ? lengths[i] : 0, delimiter, delimiter_size, most, begins, sizes, width);
        for (int64_t n = 0; n < width; n++) {
            begins[n] = n < found && lies ? begins[n] + starts[i] : 0;
            sizes[n] = n < found ? sizes[n] : 0;
        }
    }
}
