/* Encoding: added tokens are cut out of the text, the rest is normalized and split into pieces by the pre-tokenizer's
   stages, and each piece is encoded by itself. */
#include "kk_prefix.h"

#include "kk_tokenizer_encode.h"

#include "kk_added_tokens.h"
#include "kk_automaton.h"
#include "kk_bpe.h"
#include "kk_normalizer.h"
#include "kk_tokenizer_tables.h"
#include "kk_unicode.h"
#include "kk_unigram.h"
#include "kk_wordpiece.h"

#include <string.h>

#define KK_TEXT_LIMIT ((size_t)1 << 30)
#define KK_NORMAL_LIMIT (((size_t)1 << 31) - 64)

/* One call's state. prefixed: room for a piece with a space before it; normal: the buffers of the normalizer, of
   `capacity` bytes. first_end: up to here the text comes from the first character of the whole text. */
typedef struct kk_encoding {
    const kk_tokenizer *tokenizer;
    unsigned char *normal[2], *prefixed;
    size_t capacity;
    uint32_t *workspace;
    const unsigned char *first_end;
    kk_status status;
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

static void kk_encode_split(kk_encoding *e, size_t stage, const unsigned char *begin, const unsigned char *end)
{
    const kk_tokenizer *t = e->tokenizer;
    kk_automaton automaton = kk_row_automaton(t, KK_STAGES, stage);
    kk_splitter splitter = {stage, (enum kk_behavior)kk_row_number(t, KK_STAGES, stage, KK_ROW_CHOICE),
                            kk_row_number(t, KK_STAGES, stage, KK_ROW_OTHER) != 0, 0, 0, begin, begin};
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

static void kk_encode_piece(kk_encoding *e, const unsigned char *piece, size_t bytes)
{
    const kk_tokenizer *t = e->tokenizer;
    switch (t->demand.kind) {
    case KK_WORD_PIECE: kk_wordpiece_encode(t, piece, bytes, &e->list); break;
    case KK_UNIGRAM: kk_unigram_encode(t, piece, bytes, e->workspace, &e->list); break;
    default: kk_bpe_encode(t, piece, bytes, e->workspace, &e->list);
    }
}

/* A piece as a Metaspace stage hands it on: its marks are spaces, as in the tables. */
static size_t kk_put_spaces(unsigned char *to, const unsigned char *begin, const unsigned char *end, uint32_t mark)
{
    unsigned char *const start = to, bytes[4];
    const size_t length = kk_utf8_write(bytes, mark);
    while (begin < end) {
        const unsigned char *found = memchr(begin, bytes[0], (size_t)(end - begin));
        const unsigned char *until = found == NULL ? end : found;
        memmove(to, begin, (size_t)(until - begin));
        to += until - begin;
        begin = until;
        if (found == NULL)
            break;
        if ((size_t)(end - begin) >= length && memcmp(begin, bytes, length) == 0) {
            *to++ = ' ';
            begin += length;
        } else {
            *to++ = *begin++;
        }
    }
    return (size_t)(to - start);
}

/* Hands a piece to a stage, which hands its pieces to the next; after the last they are encoded. At most
   KK_STAGE_LIMIT deep. */
static void kk_encode_stage(kk_encoding *e, size_t stage, const unsigned char *begin, const unsigned char *end)
{
    const kk_tokenizer *t = e->tokenizer;
    if (stage == t->length[KK_STAGES] / KK_ROW_NUMBERS) {
        kk_encode_piece(e, begin, (size_t)(end - begin));
        return;
    }
    const uint32_t kind = kk_row_number(t, KK_STAGES, stage, KK_ROW_KIND);
    if (kind == KK_STAGE_SPLIT) {
        kk_encode_split(e, stage, begin, end);
        return;
    }
    size_t bytes = (size_t)(end - begin);
    int before = 1;
    if (kind == KK_STAGE_METASPACE) {
        const uint32_t choice = kk_row_number(t, KK_STAGES, stage, KK_ROW_CHOICE);
        before = choice == KK_PREPEND_ALWAYS || (choice == KK_PREPEND_FIRST && begin < e->first_end);
        bytes = kk_put_spaces(e->prefixed + 1, begin, end, t->mark);
        begin = e->prefixed + 1;
    }
    if (before && *begin != ' ') {
        e->prefixed[0] = ' ';
        if (kind == KK_STAGE_PREFIX_SPACE)
            memcpy(e->prefixed + 1, begin, bytes);
        begin = e->prefixed;
        bytes++;
    }
    kk_encode_stage(e, stage + 1, begin, begin + bytes);
}

/* Encodes a text in which the added tokens of trie `root` are looked for. What lies between those of the raw text is
   normalized, and those of the normalized text are looked for in it; what lies between those goes to the stages. */
static void kk_encode_text(kk_encoding *e, uint32_t root, const unsigned char *begin, const unsigned char *end)
{
    const kk_tokenizer *t = e->tokenizer;
    if (root == 2) {
        kk_encode_stage(e, 0, begin, end);
        return;
    }
    const unsigned char *done = begin, *at = begin;
    kk_found found;
    const unsigned char *const first_end = e->first_end;
    if (root == 1) {
        kk_normal_text text = {begin, end, first_end < begin ? begin : first_end > end ? end : first_end};
        kk_status status = kk_normalize(t, &text, e->normal, e->capacity - 1);
        if (status != KK_OK) {
            e->status = status;
            return;
        }
        begin = done = at = text.begin;
        end = text.end;
        e->first_end = text.first_end;
    }
    while (e->status == KK_OK && kk_added_token_next(t, root, begin, done, &at, end, &found)) {
        if (done < found.begin)
            kk_encode_text(e, root + 1, done, found.begin);
        if (found.begin < found.end)
            kk_id_list_add(&e->list, kk_table_number(t, KK_ADDED, 2 * (size_t)found.added));
        done = found.end;
    }
    if (e->status == KK_OK && done < end)
        kk_encode_text(e, root + 1, done, end);
    e->first_end = first_end;
}

/* Bytes of a buffer for a text while it is encoded, SIZE_MAX where no memory would do. */
static size_t kk_normal_capacity(const kk_text_demand *demand, size_t bytes)
{
    if (bytes > KK_TEXT_LIMIT || demand->growth == 0 || bytes > (KK_NORMAL_LIMIT - demand->extra) / demand->growth)
        return SIZE_MAX;
    return ((size_t)demand->growth * bytes + demand->extra + 1 + 7) / 8 * 8;
}

size_t kk_text_scratch(const kk_text_demand *demand, size_t bytes)
{
    if (demand == NULL || demand->buffers > 3 || demand->extra > KK_NORMAL_LIMIT)
        return 0;
    const size_t capacity = kk_normal_capacity(demand, bytes);
    if (capacity > SIZE_MAX / 32)
        return SIZE_MAX;
    size_t workspace = 0;
    if (demand->kind == KK_UNIGRAM)
        workspace = kk_unigram_workspace(capacity);
    else if (demand->kind != KK_WORD_PIECE)
        workspace = sizeof(uint32_t) * kk_bpe_workspace(capacity);
    return demand->buffers * capacity + workspace + 8;
}

size_t kk_tokenizer_scratch(const kk_tokenizer *tokenizer, size_t bytes)
{
    return tokenizer == NULL ? 0 : kk_text_scratch(&tokenizer->demand, bytes);
}

/* One text of a call, and the most ids that it may have. */
typedef struct kk_input {
    const unsigned char *text;
    size_t bytes, limit, count;
} kk_input;

/* Lays the scratch memory out for a text of `bytes` bytes. */
static void kk_lay_out(kk_encoding *e, unsigned char *scratch, size_t bytes)
{
    e->capacity = kk_normal_capacity(&e->tokenizer->demand, bytes);
    if (e->tokenizer->demand.buffers >= 2) {
        e->normal[0] = scratch;
        e->normal[1] = scratch + e->capacity;
        scratch += 2 * e->capacity;
    }
    if (e->tokenizer->demand.buffers % 2 != 0) {
        e->prefixed = scratch;
        scratch += e->capacity;
    }
    e->workspace = (uint32_t *)(void *)scratch;
}

static void kk_encode_input(kk_encoding *e, kk_input *input, unsigned char *scratch)
{
    const size_t before = e->list.count;
    kk_lay_out(e, scratch, input->bytes);
    if (input->bytes > 0) {
        uint32_t code_point;
        const unsigned char *end = input->text + input->bytes;
        e->first_end = input->text + kk_utf8_read(input->text, end, &code_point);
        kk_encode_text(e, 0, input->text, end);
    }
    input->count = e->list.count - before;
    if (input->count > input->limit)
        e->list.count = before + input->limit;
}

/* Puts texts and special tokens together as a template says. */
static void kk_encode_template(kk_encoding *e, enum kk_table parts, int special, kk_input *inputs, int64_t *types,
                               unsigned char *scratch)
{
    const kk_tokenizer *t = e->tokenizer;
    for (size_t i = 0; i < t->length[parts] && e->status == KK_OK; i += KK_PART_NUMBERS) {
        const uint32_t kind = kk_table_number(t, parts, i), type = kk_table_number(t, parts, i + 2);
        size_t from = e->list.count;
        if (kind != KK_PART_SPECIAL)
            kk_encode_input(e, &inputs[kind == KK_PART_TEXT_B], scratch);
        else if (special)
            kk_id_list_add(&e->list, kk_table_number(t, parts, i + 1));
        for (; types != NULL && from < e->list.count && from < e->list.capacity; from++)
            types[from] = (int64_t)type;
    }
}

static size_t kk_special_parts(const kk_tokenizer *t, enum kk_table parts)
{
    size_t count = 0;
    for (size_t i = 0; i < t->length[parts]; i += KK_PART_NUMBERS)
        count += kk_table_number(t, parts, i) == KK_PART_SPECIAL;
    return count;
}

/* Shares out `most` ids among two texts: the longer one is cut, or both to one half. */
static void kk_share_out(kk_input *inputs, size_t most)
{
    const int swapped = inputs[0].count > inputs[1].count;
    kk_input *shorter = &inputs[swapped], *longer = &inputs[!swapped];
    const size_t n = shorter->count;
    size_t m = n > most || most - n < n ? n : most - n;
    if (n + m > most) {
        shorter->limit = most / 2;
        m = shorter->limit + most % 2;
    }
    longer->limit = m;
}

kk_status kk_tokenizer_encode_pair(const kk_tokenizer *tokenizer, const kk_text_pair *texts, int choices, void *scratch,
                                   size_t scratch_bytes, int64_t *ids, int64_t *types, size_t capacity, size_t *count)
{
    if (tokenizer == NULL || texts == NULL || scratch == NULL || count == NULL)
        return KK_ERROR_ARGUMENT;
    if ((texts->text == NULL && texts->bytes > 0) || (texts->second == NULL && texts->second_bytes > 0))
        return KK_ERROR_ARGUMENT;
    if ((ids == NULL && capacity > 0) || (uintptr_t)scratch % 8 != 0)
        return KK_ERROR_ARGUMENT;
    *count = 0;
    const size_t longest = texts->bytes > texts->second_bytes ? texts->bytes : texts->second_bytes;
    if (kk_normal_capacity(&tokenizer->demand, longest) == SIZE_MAX)
        return KK_ERROR_RANGE;
    if (scratch_bytes < kk_tokenizer_scratch(tokenizer, longest))
        return KK_ERROR_CAPACITY;
    kk_input inputs[2] = {{(const unsigned char *)texts->text, texts->bytes, SIZE_MAX, 0},
                          {(const unsigned char *)texts->second, texts->second_bytes, SIZE_MAX, 0}};
    for (int i = 0; i < 2; i++)
        if (inputs[i].bytes > 0 && !kk_utf8_valid(inputs[i].text, inputs[i].bytes))
            return KK_ERROR_TEXT;

    const int special = (choices & KK_ENCODE_SPECIAL) != 0, cut = (choices & KK_ENCODE_CUT) != 0;
    const enum kk_table parts = texts->second == NULL ? KK_SINGLE : KK_PAIR;
    const size_t around = special ? kk_special_parts(tokenizer, parts) : 0;
    kk_encoding e = {tokenizer, {NULL, NULL}, NULL, 0, NULL, NULL, KK_OK, {ids, capacity, 0}};
    if (cut && capacity < around)
        return KK_ERROR_CAPACITY;
    if (cut && texts->second == NULL)
        inputs[0].limit = capacity - around;
    kk_encode_template(&e, parts, special, inputs, types, scratch);
    if (cut && e.status == KK_OK && e.list.count > capacity) {
        kk_share_out(inputs, capacity - around);
        e.list.count = 0;
        kk_encode_template(&e, parts, special, inputs, types, scratch);
    }
    if (e.status != KK_OK)
        return e.status;
    *count = e.list.count;
    return e.list.count > capacity ? KK_ERROR_CAPACITY : KK_OK;
}

kk_status kk_tokenizer_encode(const kk_tokenizer *tokenizer, const char *text, size_t bytes, int special,
                              void *scratch, size_t scratch_bytes, int64_t *ids, size_t capacity, size_t *count)
{
    const kk_text_pair texts = {text, bytes, NULL, 0};
    return kk_tokenizer_encode_pair(tokenizer, &texts, special ? KK_ENCODE_SPECIAL : 0, scratch, scratch_bytes, ids, NULL,
                                    capacity, count);
}
