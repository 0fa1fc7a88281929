/* A run is a character of class 0 and the marks that follow it; runs are worked on one after the other, so that time
   is proportional to the text whatever the marks are. */
#include "kk_prefix.h"

#include "kk_canonical.h"

#include "kk_tokenizer_tables.h"

enum { KK_LEAD = 0x1100, KK_VOWEL = 0x1161, KK_TRAIL = 0x11A7, KK_SYLLABLE = 0xAC00 };
enum { KK_LEADS = 19, KK_VOWELS = 21, KK_TRAILS = 28, KK_SYLLABLES = KK_LEADS * KK_VOWELS * KK_TRAILS };

static unsigned kk_combining_class(const kk_tokenizer *t, uint32_t classes, const unsigned char *at,
                                   const unsigned char *end, uint32_t *code_point, size_t *length)
{
    *length = kk_utf8_read(at, end, code_point);
    return *code_point < 0x80 ? 0 : kk_class(t, classes, *code_point);
}

const unsigned char *kk_find_disorder(const kk_tokenizer *tokenizer, uint32_t classes, const unsigned char *begin,
                                      const unsigned char *end)
{
    unsigned before = 0;
    for (const unsigned char *at = begin; at < end;) {
        uint32_t code_point;
        size_t length;
        if (*at < 0x80) {
            at = kk_ascii_end(at, end);
            before = 0;
            continue;
        }
        unsigned class = kk_combining_class(tokenizer, classes, at, end, &code_point, &length);
        if (class != 0 && class < before)
            return at;
        before = class;
        at += length;
    }
    return end;
}

/* Writes a run of marks, those of the least class first, then those of the next. */
static void kk_sort_marks(const kk_tokenizer *t, uint32_t classes, const unsigned char *begin, const unsigned char *end,
                          kk_normal_output *out)
{
    unsigned class = 0;
    while (class < 256) {
        unsigned next = 256;
        for (const unsigned char *at = begin; at < end;) {
            uint32_t code_point;
            size_t length;
            unsigned found = kk_combining_class(t, classes, at, end, &code_point, &length);
            if (found == class && class > 0)
                kk_output_bytes(out, at, length);
            else if (found > class && found < next)
                next = found;
            at += length;
        }
        class = next;
    }
}

void kk_reorder(const kk_tokenizer *tokenizer, uint32_t classes, const unsigned char *begin, const unsigned char *end,
                kk_normal_output *out)
{
    const unsigned char *marks = begin;
    for (const unsigned char *at = begin; at < end;) {
        uint32_t code_point;
        size_t length;
        unsigned class = kk_combining_class(tokenizer, classes, at, end, &code_point, &length);
        if (class == 0) {
            kk_sort_marks(tokenizer, classes, marks, at, out);
            kk_output_bytes(out, at, length);
            marks = at + length;
        }
        at += length;
    }
    kk_sort_marks(tokenizer, classes, marks, end, out);
}

/* The composite of two characters, 0 where they have none. */
static uint32_t kk_composite(const kk_tokenizer *t, uint32_t first, uint32_t second)
{
    if (first - KK_LEAD < KK_LEADS && second - KK_VOWEL < KK_VOWELS)
        return KK_SYLLABLE + ((first - KK_LEAD) * KK_VOWELS + second - KK_VOWEL) * KK_TRAILS;
    if (first - KK_SYLLABLE < KK_SYLLABLES && (first - KK_SYLLABLE) % KK_TRAILS == 0 && second > KK_TRAIL &&
        second - KK_TRAIL < KK_TRAILS)
        return first + second - KK_TRAIL;
    const unsigned char *slots = t->array[KK_COMPOSITIONS];
    size_t mask = t->length[KK_COMPOSITIONS] / 3 - 1;
    uint32_t hash = (first * 0x9E3779B1u + second) * 0x85EBCA6Bu;
    for (size_t at = (hash ^ hash >> 15) & mask;; at = (at + 1) & mask) {
        const unsigned char *slot = slots + 12 * at;
        uint32_t result = kk_read32(slot + 8);
        if (result == KK_NONE)
            return 0;
        if (kk_read32(slot) == first && kk_read32(slot + 4) == second)
            return result;
    }
}

/* Goes through a run and returns where the next begins. out: null to find out what the run's first character becomes,
   put into *starter; then the output for the marks that stay. */
static const unsigned char *kk_compose_run(const kk_tokenizer *t, uint32_t classes, const unsigned char *at,
                                           const unsigned char *end, uint32_t *starter, kk_normal_output *out)
{
    unsigned last = 0;
    while (at < end) {
        uint32_t code_point, composite;
        size_t length;
        unsigned class = kk_combining_class(t, classes, at, end, &code_point, &length);
        composite = last == 0 || last < class ? kk_composite(t, *starter, code_point) : 0;
        if (composite != 0) {
            *starter = composite;
        } else if (class == 0) {
            break;
        } else {
            last = class;
            if (out != NULL)
                kk_output_bytes(out, at, length);
        }
        at += length;
    }
    return at;
}

void kk_compose(const kk_tokenizer *tokenizer, uint32_t classes, const unsigned char *begin, const unsigned char *end,
                kk_normal_output *out)
{
    const unsigned char *at = begin;
    while (at < end) {
        uint32_t first, starter;
        size_t length;
        const unsigned char *ascii = kk_ascii_end(at, end);
        /* The last ASCII character may begin a run. */
        if (ascii > at + 1) {
            kk_output_bytes(out, at, (size_t)(ascii - at) - 1);
            at = ascii - 1;
        }
        unsigned class = kk_combining_class(tokenizer, classes, at, end, &first, &length);
        if (class != 0) {
            kk_output_bytes(out, at, length);
            at += length;
            continue;
        }
        at += length;
        starter = first;
        (void)kk_compose_run(tokenizer, classes, at, end, &starter, NULL);
        kk_output_character(out, starter);
        starter = first;
        at = kk_compose_run(tokenizer, classes, at, end, &starter, out);
    }
}

void kk_decompose_syllable(uint32_t syllable, kk_normal_output *out)
{
    uint32_t number = syllable - KK_SYLLABLE;
    kk_output_character(out, KK_LEAD + number / (KK_VOWELS * KK_TRAILS));
    kk_output_character(out, KK_VOWEL + number % (KK_VOWELS * KK_TRAILS) / KK_TRAILS);
    if (number % KK_TRAILS != 0)
        kk_output_character(out, KK_TRAIL + number % KK_TRAILS);
}
