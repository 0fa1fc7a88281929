/* Each step reads the text where it is and writes it into the other buffer, or leaves it where it is when there is
   nothing to do. The text is mostly ASCII that stays as it is, or becomes other ASCII: that goes fast. */
#include "kk_prefix.h"

#include "kk_normalizer.h"

#include "kk_automaton.h"
#include "kk_canonical.h"
#include "kk_normal_output.h"
#include "kk_tokenizer_tables.h"
#include "kk_unicode.h"

#include <string.h>

enum { KK_LOOK = 0xFF };

/* A grapheme cluster of so many bytes or more goes through SentencePiece's map character by character. */
enum { KK_CLUSTER_LIMIT = 6 };

/* A step that is under way. Bytes from `first_end` on do not come from the first character of the caller's text. */
typedef struct kk_normalization {
    const kk_tokenizer *tokenizer;
    size_t step;
    const unsigned char *at, *end;
    const unsigned char *first_end;
    unsigned char *first_output;
    kk_normal_output out;
} kk_normalization;

/* To be called before what the next `length` bytes become is written: notes how far the output comes from the first
   character. What comes from several characters counts as the last. */
static void kk_follow_first(kk_normalization *n, size_t length)
{
    if (n->first_output == NULL && n->at + length > n->first_end)
        n->first_output = n->out.at;
}

/* Takes ASCII as long as the step makes ASCII of it; returns whether there is more text. */
static int kk_take_ascii(kk_normalization *n)
{
    const unsigned char *ascii = n->tokenizer->ascii[n->step];
    while (n->at < n->end && *n->at < 0x80) {
        unsigned char becomes = ascii[*n->at];
        if (becomes == KK_LOOK)
            break;
        kk_follow_first(n, 1);
        if (n->out.at == n->out.end) {
            n->out.full = 1;
            return 0;
        }
        *n->out.at++ = becomes;
        n->at++;
    }
    return n->at < n->end;
}

static void kk_write_entry(kk_normalization *n, uint32_t entry, uint32_t code_point, size_t length)
{
    static const unsigned char space = ' ';
    if (entry == KK_MAP_SAME) {
        kk_output_bytes(&n->out, n->at, length);
    } else if (entry == KK_MAP_SPACED) {
        kk_output_bytes(&n->out, &space, 1);
        kk_output_bytes(&n->out, n->at, length);
        kk_output_bytes(&n->out, &space, 1);
    } else if (entry == KK_MAP_SYLLABLE) {
        kk_decompose_syllable(code_point, &n->out);
    } else if (entry >= KK_MAP_TEXT) {
        size_t bytes;
        const unsigned char *text = kk_stored_text(n->tokenizer, entry - KK_MAP_TEXT, &bytes);
        kk_output_bytes(&n->out, text, bytes);
    }
}

static void kk_step_map(kk_normalization *n)
{
    const uint32_t map = kk_row_number(n->tokenizer, KK_STEPS, n->step, KK_ROW_CHOICE);
    while (!n->out.full && kk_take_ascii(n)) {
        uint32_t code_point;
        size_t length = kk_utf8_read(n->at, n->end, &code_point);
        kk_follow_first(n, length);
        kk_write_entry(n, kk_map_entry(n->tokenizer, map, code_point), code_point, length);
        n->at += length;
    }
}

/* The text of the shortest key of SentencePiece's map that these bytes begin with; null for none. */
static const unsigned char *kk_find_mapped(const kk_tokenizer *t, const unsigned char *at, size_t bytes, size_t *length)
{
    const unsigned char *units = t->array[KK_CHARSMAP_UNITS];
    uint32_t node = 0;
    for (size_t i = 0; i < bytes && at[i] != 0; i++) {
        node = kk_unit_child(units, node, at[i]);
        if (node == KK_NONE)
            return NULL;
        uint32_t text = kk_table_number(t, KK_CHARSMAP_TEXTS, node);
        if (text != KK_NONE)
            return kk_stored_text(t, text, length);
    }
    return NULL;
}

/* Writes what the next bytes become; null: themselves. What vanishes at the beginning of the text hands its place to
   what comes next, as the tokenizers package counts. */
static void kk_write_mapped(kk_normalization *n, size_t length, const unsigned char *text, size_t bytes, int *vanished)
{
    if (text != NULL && bytes == 0) {
        *vanished |= n->first_output == NULL && n->first_end > n->at;
        n->at += length;
        return;
    }
    if (*vanished && n->first_output == NULL)
        n->first_end = n->at + length;
    *vanished = 0;
    kk_follow_first(n, length);
    kk_output_bytes(&n->out, text == NULL ? n->at : text, text == NULL ? length : bytes);
    n->at += length;
}

static void kk_step_charsmap(kk_normalization *n)
{
    const kk_tokenizer *t = n->tokenizer;
    const unsigned char *ascii = t->ascii[n->step];
    const kk_automaton clusters = kk_row_automaton(t, KK_STEPS, n->step);
    int vanished = 0;
    while (n->at < n->end && !n->out.full) {
        /* An ASCII character is a cluster of its own before another one, but for a line end. */
        if (*n->at < 0x80 && ascii[*n->at] != KK_LOOK && (n->at + 1 == n->end || n->at[1] < 0x80)) {
            kk_write_mapped(n, 1, &ascii[*n->at], 1, &vanished);
            continue;
        }
        size_t bytes = 0, length = kk_match(t, &clusters, n->at, n->end);
        const unsigned char *cluster_end = n->at + (length > 0 ? length : 1), *text = NULL;
        if (length < KK_CLUSTER_LIMIT)
            text = kk_find_mapped(t, n->at, length, &bytes);
        if (text != NULL)
            kk_write_mapped(n, length, text, bytes, &vanished);
        while (n->at < cluster_end) {
            uint32_t code_point;
            length = kk_utf8_read(n->at, cluster_end, &code_point);
            text = kk_find_mapped(t, n->at, length, &bytes);
            kk_write_mapped(n, length, text, bytes, &vanished);
        }
    }
}

static void kk_step_replace(kk_normalization *n)
{
    const kk_automaton pattern = kk_row_automaton(n->tokenizer, KK_STEPS, n->step);
    size_t bytes;
    const unsigned char *text = kk_stored_text(n->tokenizer, kk_row_number(n->tokenizer, KK_STEPS, n->step, KK_ROW_CHOICE), &bytes);
    while (n->at < n->end && !n->out.full) {
        uint32_t code_point;
        size_t length = kk_match(n->tokenizer, &pattern, n->at, n->end);
        const int matched = length > 0;
        if (!matched)
            length = kk_utf8_read(n->at, n->end, &code_point);
        kk_follow_first(n, length);
        kk_output_bytes(&n->out, matched ? text : n->at, matched ? bytes : length);
        n->at += length;
    }
}

static int kk_is_space(const kk_tokenizer *t, const unsigned char *at, const unsigned char *end)
{
    uint32_t code_point;
    (void)kk_utf8_read(at, end, &code_point);
    return (kk_class(t, t->property_table, code_point) & KK_PROPERTY_SPACE) != 0;
}

static void kk_strip(const kk_tokenizer *t, uint32_t sides, kk_normal_text *text)
{
    uint32_t code_point;
    while (sides & KK_STRIP_LEFT && text->begin < text->end && kk_is_space(t, text->begin, text->end))
        text->begin += kk_utf8_read(text->begin, text->end, &code_point);
    while (sides & KK_STRIP_RIGHT && text->begin < text->end) {
        const unsigned char *last = kk_utf8_previous(text->begin, text->end);
        if (!kk_is_space(t, last, text->end))
            break;
        text->end = last;
    }
    if (text->first_end < text->begin)
        text->first_end = text->begin;
}

/* Does one step that writes. Returns 0 when there is no room. */
static int kk_write_step(const kk_tokenizer *t, size_t step, kk_normal_text *text, unsigned char *buffer, size_t capacity)
{
    kk_normalization n = {t, step, text->begin, text->end, text->first_end, NULL, {buffer, buffer + capacity, 0}};
    const uint32_t classes = kk_row_number(t, KK_STEPS, step, KK_ROW_CLASS_TABLE);
    switch (kk_row_number(t, KK_STEPS, step, KK_ROW_KIND)) {
    case KK_STEP_MAP: kk_step_map(&n); break;
    case KK_STEP_CHARSMAP: kk_step_charsmap(&n); break;
    case KK_STEP_REPLACE: kk_step_replace(&n); break;
    case KK_STEP_REORDER: kk_reorder(t, classes, text->begin, text->end, &n.out); break;
    case KK_STEP_COMPOSE: kk_compose(t, classes, text->begin, text->end, &n.out); break;
    case KK_STEP_PREPEND: {
        size_t bytes;
        const unsigned char *before = kk_stored_text(t, kk_row_number(t, KK_STEPS, step, KK_ROW_CHOICE), &bytes);
        kk_output_bytes(&n.out, before, bytes);
        if (text->first_end > text->begin)
            n.first_output = n.out.at + (text->first_end - text->begin);
        kk_output_bytes(&n.out, text->begin, (size_t)(text->end - text->begin));
        break;
    }
    default: break;
    }
    /* Where it was not followed, the first character's part is as long as before. */
    if (n.first_output == NULL) {
        size_t first = (size_t)(text->first_end - text->begin);
        n.first_output = first > (size_t)(n.out.at - buffer) || text->first_end == text->end ? n.out.at : buffer + first;
    }
    text->begin = buffer;
    text->end = n.out.at;
    text->first_end = n.first_output;
    return !n.out.full;
}

/* Whether a step has something to do. */
static int kk_step_changes(const kk_tokenizer *t, size_t step, const kk_normal_text *text)
{
    const uint32_t classes = kk_row_number(t, KK_STEPS, step, KK_ROW_CLASS_TABLE);
    switch (kk_row_number(t, KK_STEPS, step, KK_ROW_KIND)) {
    case KK_STEP_REORDER: return kk_find_disorder(t, classes, text->begin, text->end) < text->end;
    case KK_STEP_COMPOSE: return kk_ascii_end(text->begin, text->end) < text->end;
    default: return text->begin < text->end;
    }
}

kk_status kk_normalize(const kk_tokenizer *tokenizer, kk_normal_text *text, unsigned char *const buffers[2],
                       size_t capacity)
{
    const size_t steps = tokenizer->length[KK_STEPS] / KK_ROW_NUMBERS;
    int buffer = 0;
    for (size_t step = 0; step < steps; step++) {
        if (kk_row_number(tokenizer, KK_STEPS, step, KK_ROW_KIND) == KK_STEP_STRIP) {
            kk_strip(tokenizer, kk_row_number(tokenizer, KK_STEPS, step, KK_ROW_CHOICE), text);
        } else if (kk_step_changes(tokenizer, step, text)) {
            if (!kk_write_step(tokenizer, step, text, buffers[buffer], capacity))
                return KK_ERROR_CAPACITY;
            buffer ^= 1;
        }
    }
    return KK_OK;
}

unsigned char kk_normalized_ascii(const kk_tokenizer *tokenizer, size_t step, unsigned char character)
{
    size_t bytes;
    const unsigned char *text;
    uint32_t entry;
    switch (kk_row_number(tokenizer, KK_STEPS, step, KK_ROW_KIND)) {
    case KK_STEP_MAP:
        entry = kk_map_entry(tokenizer, kk_row_number(tokenizer, KK_STEPS, step, KK_ROW_CHOICE), character);
        if (entry == KK_MAP_SAME)
            return character;
        if (entry < KK_MAP_TEXT)
            return KK_LOOK;
        text = kk_stored_text(tokenizer, entry - KK_MAP_TEXT, &bytes);
        break;
    case KK_STEP_CHARSMAP:
        text = kk_find_mapped(tokenizer, &character, 1, &bytes);
        if (character == '\r')
            return KK_LOOK;
        if (text == NULL)
            return character;
        break;
    default: return KK_LOOK;
    }
    return bytes == 1 && text[0] < 0x80 ? text[0] : KK_LOOK;
}
