/* Everything that the tables say is checked here, once, so that no later call has to. */
#include "kk_prefix.h"

#include "kk_tokenizer_check.h"

#include "kk_tokenizer_tables.h"

#define KK_GROWTH_LIMIT 1024
#define KK_EXTRA_LIMIT (1u << 20)

/* Whether each number of an array, `stride` apart from `first` on, is below a limit (or KK_NONE, if allowed). */
static int kk_all_below(const kk_tokenizer *t, enum kk_table table, size_t first, size_t stride, uint32_t limit,
                        int none)
{
    for (size_t i = first; i < t->length[table]; i += stride) {
        uint32_t value = kk_table_number(t, table, i);
        if (value >= limit && !(none && value == KK_NONE))
            return 0;
    }
    return 1;
}

/* Texts of tokens, or of first tokens: one after the other, none longer than is said. */
static int kk_check_token_texts(const kk_tokenizer *t, enum kk_table offsets, uint32_t *longest)
{
    if (t->length[offsets] != (uint64_t)t->tokens + 1)
        return 0;
    uint32_t begin = kk_table_number(t, offsets, 0);
    for (size_t id = 0; id < t->tokens; id++) {
        uint32_t end = kk_table_number(t, offsets, id + 1);
        if (end < begin)
            return 0;
        if (end - begin > *longest)
            *longest = end - begin;
        begin = end;
    }
    /* The array of bytes lies beside that of their offsets. */
    return begin <= t->length[offsets + 1];
}

static int kk_check_tokens(const kk_tokenizer *t)
{
    uint32_t longest = 0;
    if (!kk_check_token_texts(t, KK_TOKEN_OFFSETS, &longest) || t->length[KK_TOKEN_FLAGS] != t->tokens)
        return 0;
    if (t->length[KK_FIRST_OFFSETS] > 0 && !kk_check_token_texts(t, KK_FIRST_OFFSETS, &longest))
        return 0;
    return longest == t->longest_token && longest <= KK_TOKEN_BYTES_LIMIT &&
           (t->unknown < t->tokens || t->unknown == KK_NONE) && (t->mark < 0x110000 || t->mark == KK_NONE) &&
           t->strip < 0x110000;
}

/* A double array: whole blocks of slots, bases inside it, values below a limit. */
static int kk_check_units(const kk_tokenizer *t, enum kk_table units, enum kk_table values, uint64_t limit)
{
    const uint32_t slots = t->length[values];
    if (slots % 256 != 0 || t->length[units] != 2 * (uint64_t)slots)
        return 0;
    return kk_all_below(t, units, 0, 2, slots, 0) && kk_all_below(t, values, 0, 1, limit > KK_NONE ? KK_NONE : (uint32_t)limit, 1);
}

/* A hash table: a power of two of slots, an empty one among them (so that every search ends), valid
   results. */
static int kk_check_slots(const kk_tokenizer *t, enum kk_table table, size_t width, uint32_t limit)
{
    size_t slots = t->length[table] / width, empty = 0;
    if (t->length[table] % width != 0 || slots == 0 || (slots & (slots - 1)) != 0)
        return 0;
    for (size_t i = 0; i < slots; i++)
        empty += kk_table_number(t, table, i * width + width - 1) == KK_NONE;
    return empty > 0 && kk_all_below(t, table, width - 1, width, limit, 1);
}

static int kk_check_trie(const kk_tokenizer *t)
{
    size_t nodes = t->length[KK_TRIE_NODES] / 3, edges = t->length[KK_TRIE_EDGES] / 2;
    if (t->length[KK_TRIE_NODES] % 3 != 0 || t->length[KK_TRIE_EDGES] % 2 != 0 || nodes < 2)
        return 0;
    if (t->length[KK_ADDED] % 2 != 0 || !kk_all_below(t, KK_ADDED, 0, 2, t->tokens, 0))
        return 0;
    for (size_t i = 0; i < nodes; i++) {
        uint32_t first = kk_table_number(t, KK_TRIE_NODES, 3 * i);
        uint32_t count = kk_table_number(t, KK_TRIE_NODES, 3 * i + 1);
        if (first > edges || count > edges - first)
            return 0;
    }
    /* Added tokens that look at their surroundings need the table of properties. */
    for (size_t i = 1; i < t->length[KK_ADDED]; i += 2)
        if (kk_table_number(t, KK_ADDED, i) != 0 && t->property_table == KK_NONE)
            return 0;
    return kk_all_below(t, KK_TRIE_NODES, 2, 3, t->length[KK_ADDED] / 2, 1) &&
           kk_all_below(t, KK_TRIE_EDGES, 0, 2, 256, 0) && kk_all_below(t, KK_TRIE_EDGES, 1, 2, (uint32_t)nodes, 0);
}

static int kk_check_class_tables(const kk_tokenizer *t)
{
    size_t tables = t->length[KK_CLASS_INDEX] / KK_CLASS_INDEX_LENGTH;
    size_t blocks = t->length[KK_CLASS_BLOCKS] / KK_CLASS_BLOCK;
    if (t->length[KK_CLASS_INDEX] % KK_CLASS_INDEX_LENGTH != 0)
        return 0;
    for (size_t i = 0; i < t->length[KK_CLASS_INDEX]; i++)
        if (kk_read16(t->array[KK_CLASS_INDEX] + 2 * i) >= blocks)
            return 0;
    return t->property_table < tables || t->property_table == KK_NONE;
}

/* The automaton of a stage or step. */
static int kk_check_automaton(const kk_tokenizer *t, const uint32_t *row)
{
    size_t tables = t->length[KK_CLASS_INDEX] / KK_CLASS_INDEX_LENGTH;
    uint64_t states = row[KK_ROW_STATES], symbols = row[KK_ROW_SYMBOLS];
    uint64_t first = row[KK_ROW_FIRST_TRANSITION];
    if (row[KK_ROW_CLASS_TABLE] >= tables)
        return 0;
    if (states < 2 || states >= KK_STATE_MATCH || symbols < 2 || symbols > 256)
        return 0;
    if (first + states * symbols > t->length[KK_TRANSITIONS])
        return 0;
    for (size_t i = 0; i < states * symbols; i++) {
        uint32_t next = kk_read16(t->array[KK_TRANSITIONS] + 2 * (first + i)) & (KK_STATE_MATCH - 1);
        if (next >= states)
            return 0;
    }
    /* Neighbouring code points mostly share a block, which then needs one look. */
    uint32_t before = KK_NONE;
    for (uint32_t i = 0; i < KK_CLASS_INDEX_LENGTH; i++) {
        size_t entry = (size_t)row[KK_ROW_CLASS_TABLE] * KK_CLASS_INDEX_LENGTH + i;
        uint32_t block = kk_read16(t->array[KK_CLASS_INDEX] + 2 * entry);
        for (uint32_t j = 0; block != before && j < KK_CLASS_BLOCK; j++)
            if (t->array[KK_CLASS_BLOCKS][(size_t)block * KK_CLASS_BLOCK + j] + 1u >= symbols)
                return 0;
        before = block;
    }
    return 1;
}

static void kk_read_row(const kk_tokenizer *t, enum kk_table table, size_t i, uint32_t row[KK_ROW_NUMBERS])
{
    for (size_t j = 0; j < KK_ROW_NUMBERS; j++)
        row[j] = kk_table_number(t, table, i * KK_ROW_NUMBERS + j);
}

static int kk_check_stages(const kk_tokenizer *t)
{
    size_t stages = t->length[KK_STAGES] / KK_ROW_NUMBERS, prefixes = 0;
    if (t->length[KK_STAGES] % KK_ROW_NUMBERS != 0 || stages > KK_STAGE_LIMIT)
        return 0;
    for (size_t i = 0; i < stages; i++) {
        uint32_t row[KK_ROW_NUMBERS];
        kk_read_row(t, KK_STAGES, i, row);
        if (row[KK_ROW_KIND] == KK_STAGE_METASPACE && (t->mark == KK_NONE || row[KK_ROW_CHOICE] > KK_PREPEND_FIRST))
            return 0;
        if (row[KK_ROW_KIND] == KK_STAGE_METASPACE || row[KK_ROW_KIND] == KK_STAGE_PREFIX_SPACE)
            prefixes++;
        else if (row[KK_ROW_KIND] != KK_STAGE_SPLIT || row[KK_ROW_CHOICE] > KK_CONTIGUOUS || !kk_check_automaton(t, row))
            return 0;
    }
    /* The copy of a piece with its space has one place in the scratch memory. */
    return prefixes == t->demand.buffers % 2;
}

static int kk_is_text(const kk_tokenizer *t, uint64_t place)
{
    return place < t->length[KK_TEXTS] && place + 1 + t->array[KK_TEXTS][place] <= t->length[KK_TEXTS];
}

/* The texts that a row of a character map, or of SentencePiece's map, points to. */
static int kk_check_texts(const kk_tokenizer *t, enum kk_table table, uint32_t first_text)
{
    for (size_t i = 0; i < t->length[table]; i++) {
        uint32_t value = kk_table_number(t, table, i);
        if (value >= first_text && value != KK_NONE && !kk_is_text(t, value - first_text))
            return 0;
    }
    return 1;
}

static int kk_check_maps(const kk_tokenizer *t)
{
    const size_t blocks = t->length[KK_MAP_BLOCKS] / KK_CLASS_BLOCK;
    if (t->length[KK_MAP_INDEX] % KK_CLASS_INDEX_LENGTH != 0)
        return 0;
    for (size_t i = 0; i < t->length[KK_MAP_INDEX]; i++)
        if (kk_read16(t->array[KK_MAP_INDEX] + 2 * i) >= blocks)
            return 0;
    /* A syllable falls apart by arithmetic, which wants a syllable; KK_NONE would be no text. */
    return kk_all_below(t, KK_MAP_BLOCKS, 0, 1, KK_NONE, 0) && kk_check_texts(t, KK_MAP_BLOCKS, KK_MAP_TEXT);
}

static int kk_check_step(const kk_tokenizer *t, const uint32_t *row)
{
    const size_t tables = t->length[KK_CLASS_INDEX] / KK_CLASS_INDEX_LENGTH;
    switch (row[KK_ROW_KIND]) {
    case KK_STEP_MAP: return row[KK_ROW_CHOICE] < t->length[KK_MAP_INDEX] / KK_CLASS_INDEX_LENGTH;
    case KK_STEP_REORDER: return row[KK_ROW_CLASS_TABLE] < tables;
    case KK_STEP_COMPOSE:
        return row[KK_ROW_CLASS_TABLE] < tables && t->length[KK_COMPOSITIONS] > 0 &&
               kk_check_slots(t, KK_COMPOSITIONS, 3, 0x110000);
    case KK_STEP_CHARSMAP:
        return kk_check_automaton(t, row) && t->length[KK_CHARSMAP_TEXTS] > 0 &&
               kk_check_units(t, KK_CHARSMAP_UNITS, KK_CHARSMAP_TEXTS, KK_NONE) && kk_check_texts(t, KK_CHARSMAP_TEXTS, 0);
    case KK_STEP_REPLACE: return kk_is_text(t, row[KK_ROW_CHOICE]) && kk_check_automaton(t, row);
    case KK_STEP_STRIP: return t->property_table != KK_NONE;
    case KK_STEP_PREPEND: return kk_is_text(t, row[KK_ROW_CHOICE]);
    default: return 0;
    }
}

static int kk_check_steps(const kk_tokenizer *t)
{
    const size_t steps = t->length[KK_STEPS] / KK_ROW_NUMBERS;
    if (t->length[KK_STEPS] % KK_ROW_NUMBERS != 0 || steps > KK_STEP_LIMIT || !kk_check_maps(t))
        return 0;
    for (size_t i = 0; i < steps; i++) {
        uint32_t row[KK_ROW_NUMBERS];
        kk_read_row(t, KK_STEPS, i, row);
        if (!kk_check_step(t, row))
            return 0;
    }
    if (t->demand.buffers > 3 || t->demand.buffers < 2 * (steps > 0))
        return 0;
    return t->demand.growth >= 1 && t->demand.growth <= KK_GROWTH_LIMIT && t->demand.extra <= KK_EXTRA_LIMIT;
}

/* What the kind of model needs. */
static int kk_check_model(const kk_tokenizer *t)
{
    const unsigned char space = ' ';
    if (t->length[KK_BYTE_IDS] != 256 || !kk_all_below(t, KK_BYTE_IDS, 0, 1, t->tokens, 1))
        return 0;
    if (!kk_check_slots(t, KK_WORDS, 2, t->tokens) || !kk_check_slots(t, KK_MERGES, 4, t->tokens))
        return 0;
    if (t->length[KK_UNIT_IDS] == 0 || !kk_check_units(t, KK_UNITS, KK_UNIT_IDS, t->tokens))
        return 0;
    /* A space that stands for the mark is never cut into bytes. */
    if (t->flags & KK_FLAG_BYTE_FALLBACK && t->mark != KK_NONE && kk_find_piece(t, &space, 1) == KK_NONE)
        return 0;
    switch (t->demand.kind) {
    case KK_BYTE_LEVEL_BPE:
    case KK_CHARACTER_BPE: return 1;
    case KK_WORD_PIECE:
        return t->unknown != KK_NONE && (t->continuation < t->length[KK_UNIT_IDS] || t->continuation == KK_NONE);
    case KK_UNIGRAM:
        return t->unknown != KK_NONE && t->length[KK_SCORES] > 0 &&
               kk_all_below(t, KK_UNIT_IDS, 0, 1, t->length[KK_SCORES] - 1, 1);
    default: return 0;
    }
}

/* The parts of a template: texts once each, special tokens that exist. */
static int kk_check_template(const kk_tokenizer *t, enum kk_table parts, size_t texts)
{
    size_t found[2] = {0, 0};
    if (t->length[parts] % KK_PART_NUMBERS != 0 || t->length[parts] > KK_PART_NUMBERS * KK_PART_LIMIT)
        return 0;
    for (size_t i = 0; i < t->length[parts]; i += KK_PART_NUMBERS) {
        uint32_t kind = kk_table_number(t, parts, i);
        if (kind > KK_PART_SPECIAL || (kind == KK_PART_SPECIAL && kk_table_number(t, parts, i + 1) >= t->tokens))
            return 0;
        if (kind != KK_PART_SPECIAL)
            found[kind]++;
    }
    return found[0] == 1 && found[1] == texts - 1;
}

int kk_check_tables(const kk_tokenizer *tokenizer)
{
    return kk_check_tokens(tokenizer) && kk_check_class_tables(tokenizer) && kk_check_model(tokenizer) &&
           kk_check_trie(tokenizer) && kk_check_steps(tokenizer) && kk_check_stages(tokenizer) &&
           kk_check_template(tokenizer, KK_SINGLE, 1) && kk_check_template(tokenizer, KK_PAIR, 2);
}
