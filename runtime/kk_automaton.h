/* Finds where a pattern matches, by a table that kaoken/text/pattern_automaton.py made. Part of the tokenizer. */
#ifndef KK_AUTOMATON_H
#define KK_AUTOMATON_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_tokenizer_tables.h"
#include "kk_unicode.h"

/* The automaton of a stage or step, and where its classes are; ascii: those of the first 128 code points. */
typedef struct kk_automaton {
    const unsigned char *transitions, *ascii;
    size_t symbols;
    uint32_t class_table;
} kk_automaton;

static inline kk_automaton kk_row_automaton(const kk_tokenizer *t, enum kk_table table, size_t row)
{
    uint32_t class_table = kk_row_number(t, table, row, KK_ROW_CLASS_TABLE);
    size_t first = kk_row_number(t, table, row, KK_ROW_FIRST_TRANSITION);
    size_t entry = (size_t)class_table * KK_CLASS_INDEX_LENGTH;
    size_t block = kk_read16(t->array[KK_CLASS_INDEX] + 2 * entry);
    kk_automaton automaton = {t->array[KK_TRANSITIONS] + 2 * first, t->array[KK_CLASS_BLOCKS] + block * KK_CLASS_BLOCK,
                              kk_row_number(t, table, row, KK_ROW_SYMBOLS), class_table};
    return automaton;
}

/* The bytes of the match that begins at text, 0 for none. */
static inline size_t kk_match(const kk_tokenizer *t, const kk_automaton *a, const unsigned char *text,
                       const unsigned char *end)
{
    const unsigned char *at = text, *match = text;
    uint32_t state = KK_STATE_START;
    while (state != KK_STATE_DEAD) {
        size_t symbol = a->symbols - 1, length = 0;
        if (at < end && *at < 0x80) {
            symbol = a->ascii[*at];
            length = 1;
        } else if (at < end) {
            uint32_t code_point;
            length = kk_utf8_read(at, end, &code_point);
            symbol = kk_class(t, a->class_table, code_point);
        }
        uint32_t transition = kk_read16(a->transitions + 2 * (state * a->symbols + symbol));
        if (transition & KK_STATE_MATCH)
            match = at;
        if (length == 0)
            break;
        state = transition & (KK_STATE_MATCH - 1);
        at += length;
    }
    return (size_t)(match - text);
}

#endif
