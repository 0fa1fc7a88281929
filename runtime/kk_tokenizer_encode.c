/* Encoding: added tokens are cut out of the text, the rest is split into pieces by the pre-tokenizer's stages, and
   each piece is encoded by itself. */
#include "kk_prefix.h"

#include "kk_tokenizer_encode.h"

#include "kk_bpe.h"
#include "kk_tokenizer_tables.h"
#include "kk_unicode.h"

#include <string.h>

#define KK_TEXT_LIMIT ((size_t)1 << 30)

/* One call's state. prefixed: room for a piece with a space before it. */
typedef struct kk_encoding {
    const kk_tokenizer *tokenizer;
    unsigned char *prefixed;
    uint32_t *workspace;
    kk_id_list list;
} kk_encoding;

/* A split stage while it walks over a piece. A span waits until it is known whether the next joins it. */
typedef struct kk_splitter {
    size_t stage;
    enum kk_behavior behavior;
    int invert;
    int waiting, waiting_is_match;
    const unsigned char *begin, *end;
} kk_splitter;

static void kk_encode_stage(kk_encoding *e, size_t stage, const unsigned char *begin, const unsigned char *end);

static void kk_flush_span(kk_encoding *e, kk_splitter *s)
{
    if (s->waiting && s->begin < s->end)
        kk_encode_stage(e, s->stage + 1, s->begin, s->end);
    s->waiting = 0;
}

/* The next span of a piece, a match of the pattern or what lies between two. */
static void kk_add_span(kk_encoding *e, kk_splitter *s, const unsigned char *begin, const unsigned char *end,
                        int is_match)
{
    int joins = 0;
    is_match ^= s->invert;
    switch (s->behavior) {
    case KK_REMOVED:
    case KK_ISOLATED: break;
    case KK_MERGED_WITH_PREVIOUS: joins = s->waiting && is_match && !s->waiting_is_match; break;
    case KK_MERGED_WITH_NEXT: joins = s->waiting && !is_match && s->waiting_is_match; break;
    case KK_CONTIGUOUS: joins = s->waiting && is_match == s->waiting_is_match; break;
    }
    if (joins) {
        s->end = end;
    } else {
        kk_flush_span(e, s);
        s->begin = begin;
        s->end = end;
        s->waiting = !(s->behavior == KK_REMOVED && is_match);
    }
    s->waiting_is_match = is_match;
}

/* The automaton of a stage, and where its classes are; ascii: those of the first 128 code points. */
typedef struct kk_automaton {
    const unsigned char *transitions, *ascii;
    size_t symbols;
    uint32_t class_table;
} kk_automaton;

static kk_automaton kk_stage_automaton(const kk_tokenizer *t, const uint32_t *number)
{
    size_t entry = (size_t)number[KK_STAGE_CLASS_TABLE] * KK_CLASS_INDEX_LENGTH;
    size_t block = kk_read16(t->array[KK_CLASS_INDEX] + 2 * entry);
    kk_automaton automaton = {t->array[KK_TRANSITIONS] + 2 * (size_t)number[KK_STAGE_FIRST_TRANSITION],
                              t->array[KK_CLASS_BLOCKS] + block * KK_CLASS_BLOCK, number[KK_STAGE_SYMBOLS],
                              number[KK_STAGE_CLASS_TABLE]};
    return automaton;
}

/* The bytes of the match that begins at text, 0 for none. */
static size_t kk_match(const kk_tokenizer *t, const kk_automaton *a, const unsigned char *text,
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

static void kk_encode_split(kk_encoding *e, size_t stage, const unsigned char *begin, const unsigned char *end)
{
    const kk_tokenizer *t = e->tokenizer;
    uint32_t number[KK_STAGE_NUMBERS];
    for (size_t i = 0; i < KK_STAGE_NUMBERS; i++)
        number[i] = kk_table_number(t, KK_STAGES, stage * KK_STAGE_NUMBERS + i);
    kk_automaton automaton = kk_stage_automaton(t, number);
    kk_splitter splitter = {stage, (enum kk_behavior)number[KK_STAGE_BEHAVIOR], number[KK_STAGE_INVERT] != 0, 0, 0,
                            begin, begin};
    const unsigned char *unmatched = begin, *at = begin;
    while (at < end) {
        size_t length = kk_match(t, &automaton, at, end);
        if (length == 0) {
            uint32_t code_point;
            at += kk_utf8_read(at, end, &code_point);
            continue;
        }
        if (unmatched < at)
            kk_add_span(e, &splitter, unmatched, at, 0);
        kk_add_span(e, &splitter, at, at + length, 1);
        at += length;
        unmatched = at;
    }
    if (unmatched < end)
        kk_add_span(e, &splitter, unmatched, end, 0);
    kk_flush_span(e, &splitter);
}

/* Hands a piece to a stage, which hands its pieces to the next; after the last they are encoded. At most
   KK_STAGE_LIMIT deep. */
static void kk_encode_stage(kk_encoding *e, size_t stage, const unsigned char *begin, const unsigned char *end)
{
    const kk_tokenizer *t = e->tokenizer;
    if (stage == t->length[KK_STAGES] / KK_STAGE_NUMBERS) {
        kk_bpe_encode(t, begin, (size_t)(end - begin), e->workspace, &e->list);
        return;
    }
    if (kk_table_number(t, KK_STAGES, stage * KK_STAGE_NUMBERS + KK_STAGE_KIND) == KK_STAGE_SPLIT) {
        kk_encode_split(e, stage, begin, end);
        return;
    }
    if (*begin != ' ') {
        size_t bytes = (size_t)(end - begin);
        e->prefixed[0] = ' ';
        memcpy(e->prefixed + 1, begin, bytes);
        begin = e->prefixed;
        end = begin + bytes + 1;
    }
    kk_encode_stage(e, stage + 1, begin, end);
}

/* An added token in the text. */
typedef struct kk_found {
    const unsigned char *begin, *end;
    uint32_t added;
} kk_found;

/* The node that a byte leads to, or KK_NONE. */
static uint32_t kk_trie_child(const kk_tokenizer *t, uint32_t node, unsigned char byte)
{
    size_t low = kk_table_number(t, KK_TRIE_NODES, 3 * (size_t)node);
    size_t high = low + kk_table_number(t, KK_TRIE_NODES, 3 * (size_t)node + 1);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t edge = kk_table_number(t, KK_TRIE_EDGES, 2 * middle);
        if (edge == byte)
            return kk_table_number(t, KK_TRIE_EDGES, 2 * middle + 1);
        if (edge < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return KK_NONE;
}

/* The first added token from `at` on, the longest where several begin. */
static int kk_find_added(const kk_tokenizer *t, uint32_t root, const unsigned char *at, const unsigned char *end,
                         kk_found *found)
{
    if (t->first_byte[root] < 0)
        return 0;
    for (; at < end; at++) {
        if (t->first_byte[root] < 256) {
            at = memchr(at, t->first_byte[root], (size_t)(end - at));
            if (at == NULL)
                return 0;
        } else if (!(t->first_bytes[root][*at / 32] >> *at % 32 & 1)) {
            continue;
        }
        uint32_t node = root;
        found->end = NULL;
        for (const unsigned char *to = at; to < end;) {
            node = kk_trie_child(t, node, *to++);
            if (node == KK_NONE)
                break;
            uint32_t added = kk_table_number(t, KK_TRIE_NODES, 3 * (size_t)node + 2);
            if (added != KK_NONE) {
                found->added = added;
                found->end = to;
            }
        }
        if (found->end != NULL) {
            found->begin = at;
            return 1;
        }
    }
    return 0;
}

static unsigned kk_property(const kk_tokenizer *t, const unsigned char *at, const unsigned char *end)
{
    uint32_t code_point;
    (void)kk_utf8_read(at, end, &code_point);
    return kk_class(t, t->property_table, code_point);
}

/* Whether the characters around a token that must be a single word are no word characters. */
static int kk_stands_alone(const kk_tokenizer *t, const kk_found *found, const unsigned char *begin,
                           const unsigned char *end)
{
    if (found->begin > begin) {
        const unsigned char *before = kk_utf8_previous(begin, found->begin);
        if (kk_property(t, before, found->begin) & KK_PROPERTY_WORD)
            return 0;
    }
    return found->end == end || !(kk_property(t, found->end, end) & KK_PROPERTY_WORD);
}

/* Grows a token over the spaces that it takes with it, on the left no further than `limit`. */
static void kk_take_spaces(const kk_tokenizer *t, kk_found *found, uint32_t flags, const unsigned char *begin,
                           const unsigned char *end, const unsigned char *limit)
{
    if (flags & KK_ADDED_LSTRIP) {
        while (found->begin > begin) {
            const unsigned char *before = kk_utf8_previous(begin, found->begin);
            if (!(kk_property(t, before, found->begin) & KK_PROPERTY_SPACE))
                break;
            found->begin = before;
        }
        if (found->begin < limit)
            found->begin = limit;
    }
    if (flags & KK_ADDED_RSTRIP) {
        while (found->end < end && kk_property(t, found->end, end) & KK_PROPERTY_SPACE) {
            uint32_t code_point;
            found->end += kk_utf8_read(found->end, end, &code_point);
        }
    }
}

/* Encodes a text in which the added tokens of trie `root` are looked for; between them those of the next trie. */
static void kk_encode_text(kk_encoding *e, uint32_t root, const unsigned char *begin, const unsigned char *end)
{
    const kk_tokenizer *t = e->tokenizer;
    const unsigned char *done = begin, *at = begin;
    kk_found found;
    if (root == 2) {
        kk_encode_stage(e, 0, begin, end);
        return;
    }
    while (kk_find_added(t, root, at, end, &found)) {
        uint32_t id = kk_table_number(t, KK_ADDED, 2 * (size_t)found.added);
        uint32_t flags = kk_table_number(t, KK_ADDED, 2 * (size_t)found.added + 1);
        at = found.end;
        if (flags & KK_ADDED_SINGLE_WORD && !kk_stands_alone(t, &found, begin, end))
            continue;
        kk_take_spaces(t, &found, flags, begin, end, done);
        if (done < found.begin)
            kk_encode_text(e, root + 1, done, found.begin);
        if (found.begin < found.end)
            kk_id_list_add(&e->list, id);
        done = found.end;
    }
    if (done < end)
        kk_encode_text(e, root + 1, done, end);
}

size_t kk_tokenizer_scratch(size_t bytes)
{
    if (bytes > KK_TEXT_LIMIT || bytes > SIZE_MAX / 32)
        return SIZE_MAX;
    size_t text = (bytes + 1 + 7) / 8 * 8;
    return text + sizeof(uint32_t) * kk_bpe_workspace(bytes + 1);
}

kk_status kk_tokenizer_encode(const kk_tokenizer *tokenizer, const char *text, size_t bytes, int special,
                              void *scratch, size_t scratch_bytes, int64_t *ids, size_t capacity, size_t *count)
{
    if (tokenizer == NULL || (text == NULL && bytes > 0) || scratch == NULL || count == NULL)
        return KK_ERROR_ARGUMENT;
    if ((ids == NULL && capacity > 0) || (uintptr_t)scratch % 8 != 0)
        return KK_ERROR_ARGUMENT;
    *count = 0;
    if (bytes > KK_TEXT_LIMIT)
        return KK_ERROR_RANGE;
    if (scratch_bytes < kk_tokenizer_scratch(bytes))
        return KK_ERROR_CAPACITY;
    const unsigned char *begin = (const unsigned char *)text;
    if (!kk_utf8_valid(begin, bytes))
        return KK_ERROR_TEXT;

    kk_encoding e = {tokenizer, scratch, NULL, {ids, capacity, 0}};
    e.workspace = (uint32_t *)(void *)(e.prefixed + (bytes + 1 + 7) / 8 * 8);
    for (size_t i = 0; special && i < tokenizer->length[KK_PREFIX]; i++)
        kk_id_list_add(&e.list, kk_table_number(tokenizer, KK_PREFIX, i));
    if (bytes > 0)
        kk_encode_text(&e, 0, begin, begin + bytes);
    for (size_t i = 0; special && i < tokenizer->length[KK_SUFFIX]; i++)
        kk_id_list_add(&e.list, kk_table_number(tokenizer, KK_SUFFIX, i));
    *count = e.list.count;
    return e.list.count > capacity ? KK_ERROR_CAPACITY : KK_OK;
}
