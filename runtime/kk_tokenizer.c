/* Opens a tokenizer: everything that the tables say is checked here, once. */
#include "kk_prefix.h"

#include "kk_tokenizer.h"

#include "kk_tokenizer_tables.h"

#include <string.h>

#define KK_TOKENIZER_MAGIC 0x4B544B4Bu
#define KK_TOKENIZER_VERSION 1
#define KK_TOKENIZER_BYTE_LEVEL_BPE 1

/* Numbers of the header, in their order. */
enum {
    KK_HEADER_MAGIC,
    KK_HEADER_VERSION,
    KK_HEADER_KIND,
    KK_HEADER_CHECKSUM,
    KK_HEADER_BYTES,
    KK_HEADER_FLAGS,
    KK_HEADER_TOKENS,
    KK_HEADER_UNKNOWN,
    KK_HEADER_LONGEST_TOKEN,
    KK_HEADER_PROPERTY_TABLE,
    KK_HEADER_ARRAYS,
    KK_HEADER_DIRECTORY
};

static const unsigned char kk_element_bytes[KK_TOKENIZER_ARRAYS] = {4, 1, 1, 4, 4, 4, 4, 4, 4, 4, 2, 2, 1, 4, 4};

/* CRC-32 of IEEE 802.3, four bytes at a step. The tables are made on the stack: there is no state to share. */
static uint32_t kk_crc32(const unsigned char *data, size_t bytes)
{
    uint32_t table[4][256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
        table[0][i] = value;
    }
    for (int step = 1; step < 4; step++)
        for (int i = 0; i < 256; i++)
            table[step][i] = table[step - 1][i] >> 8 ^ table[0][table[step - 1][i] & 0xFF];
    uint32_t crc = 0xFFFFFFFFu;
    for (; bytes >= 4; bytes -= 4, data += 4) {
        crc ^= kk_read32(data);
        crc = table[3][crc & 0xFF] ^ table[2][crc >> 8 & 0xFF] ^ table[1][crc >> 16 & 0xFF] ^ table[0][crc >> 24];
    }
    for (; bytes > 0; bytes--, data++)
        crc = crc >> 8 ^ table[0][(crc ^ *data) & 0xFF];
    return crc ^ 0xFFFFFFFFu;
}

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

static int kk_check_tokens(kk_tokenizer *t)
{
    if (t->length[KK_TOKEN_OFFSETS] != (uint64_t)t->tokens + 1 || t->length[KK_TOKEN_FLAGS] != t->tokens)
        return 0;
    uint32_t longest = 0, begin = kk_table_number(t, KK_TOKEN_OFFSETS, 0);
    for (size_t id = 0; id < t->tokens; id++) {
        uint32_t end = kk_table_number(t, KK_TOKEN_OFFSETS, id + 1);
        if (end < begin)
            return 0;
        if (end - begin > longest)
            longest = end - begin;
        begin = end;
    }
    return begin <= t->length[KK_TOKEN_BYTES] && longest == t->longest_token && longest <= KK_TOKEN_BYTES_LIMIT &&
           (t->unknown < t->tokens || t->unknown == KK_NONE);
}

/* A hash table: a power of two of slots, an empty one among them (so that every search ends), valid ids. */
static int kk_check_slots(const kk_tokenizer *t, enum kk_table table, size_t width)
{
    size_t slots = t->length[table] / width, empty = 0;
    if (t->length[table] % width != 0 || slots == 0 || (slots & (slots - 1)) != 0)
        return 0;
    for (size_t i = 0; i < slots; i++)
        empty += kk_table_number(t, table, i * width + width - 1) == KK_NONE;
    return empty > 0 && kk_all_below(t, table, width - 1, width, t->tokens, 1);
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

static int kk_check_split(const kk_tokenizer *t, const uint32_t *stage)
{
    size_t tables = t->length[KK_CLASS_INDEX] / KK_CLASS_INDEX_LENGTH;
    uint64_t states = stage[KK_STAGE_STATES], symbols = stage[KK_STAGE_SYMBOLS];
    uint64_t first = stage[KK_STAGE_FIRST_TRANSITION];
    if (stage[KK_STAGE_BEHAVIOR] > KK_CONTIGUOUS || stage[KK_STAGE_CLASS_TABLE] >= tables)
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
        size_t entry = (size_t)stage[KK_STAGE_CLASS_TABLE] * KK_CLASS_INDEX_LENGTH + i;
        uint32_t block = kk_read16(t->array[KK_CLASS_INDEX] + 2 * entry);
        for (uint32_t j = 0; block != before && j < KK_CLASS_BLOCK; j++)
            if (t->array[KK_CLASS_BLOCKS][(size_t)block * KK_CLASS_BLOCK + j] + 1u >= symbols)
                return 0;
        before = block;
    }
    return 1;
}

static int kk_check_stages(const kk_tokenizer *t)
{
    size_t stages = t->length[KK_STAGES] / KK_STAGE_NUMBERS;
    size_t prefix_spaces = 0;
    if (t->length[KK_STAGES] % KK_STAGE_NUMBERS != 0 || stages > KK_STAGE_LIMIT)
        return 0;
    for (size_t i = 0; i < stages; i++) {
        uint32_t stage[KK_STAGE_NUMBERS];
        for (size_t j = 0; j < KK_STAGE_NUMBERS; j++)
            stage[j] = kk_table_number(t, KK_STAGES, i * KK_STAGE_NUMBERS + j);
        if (stage[KK_STAGE_KIND] == KK_STAGE_PREFIX_SPACE)
            prefix_spaces++;
        else if (stage[KK_STAGE_KIND] != KK_STAGE_SPLIT || !kk_check_split(t, stage))
            return 0;
    }
    /* The copy of a piece with its space has one place in the scratch memory. */
    return prefix_spaces <= 1;
}

/* Finds the arrays; each lies inside the section. */
static int kk_read_directory(const unsigned char *section, uint32_t bytes, kk_tokenizer *t)
{
    if (kk_read32(section + 4 * KK_HEADER_ARRAYS) != KK_TOKENIZER_ARRAYS)
        return 0;
    for (size_t i = 0; i < KK_TOKENIZER_ARRAYS; i++) {
        const unsigned char *entry = section + 4 * (KK_HEADER_DIRECTORY + 2 * i);
        uint32_t offset = kk_read32(entry), length = kk_read32(entry + 4);
        if (offset > bytes || length > (bytes - offset) / kk_element_bytes[i])
            return 0;
        t->array[i] = section + offset;
        t->length[i] = length;
    }
    return 1;
}

static void kk_find_first_bytes(kk_tokenizer *t)
{
    for (size_t root = 0; root < 2; root++) {
        uint32_t first = kk_table_number(t, KK_TRIE_NODES, 3 * root);
        uint32_t count = kk_table_number(t, KK_TRIE_NODES, 3 * root + 1);
        memset(t->first_bytes[root], 0, sizeof t->first_bytes[root]);
        t->first_byte[root] = -1;
        for (uint32_t i = first; i < first + count; i++) {
            uint32_t byte = kk_table_number(t, KK_TRIE_EDGES, 2 * (size_t)i);
            t->first_bytes[root][byte / 32] |= 1u << byte % 32;
            t->first_byte[root] = count == 1 ? (int)byte : 256;
        }
    }
}

static void kk_find_longest_word(kk_tokenizer *t)
{
    t->longest_word = 0;
    for (size_t i = 1; i < t->length[KK_WORDS]; i += 2) {
        uint32_t id = kk_table_number(t, KK_WORDS, i);
        size_t bytes = 0;
        if (id != KK_NONE)
            (void)kk_token_text(t, id, &bytes);
        if (bytes > t->longest_word)
            t->longest_word = (uint32_t)bytes;
    }
}

kk_status kk_tokenizer_open(const void *section, size_t bytes, kk_tokenizer *tokenizer)
{
    const unsigned char *data = section;
    if (data == NULL || tokenizer == NULL)
        return KK_ERROR_ARGUMENT;
    if (bytes < 4 * (KK_HEADER_DIRECTORY + 2 * KK_TOKENIZER_ARRAYS))
        return KK_ERROR_TEXT;
    uint32_t stated = kk_read32(data + 4 * KK_HEADER_BYTES);
    if (kk_read32(data + 4 * KK_HEADER_MAGIC) != KK_TOKENIZER_MAGIC ||
        kk_read32(data + 4 * KK_HEADER_VERSION) != KK_TOKENIZER_VERSION ||
        kk_read32(data + 4 * KK_HEADER_KIND) != KK_TOKENIZER_BYTE_LEVEL_BPE)
        return KK_ERROR_TEXT;
    if (stated > bytes || stated < 4 * (KK_HEADER_DIRECTORY + 2 * KK_TOKENIZER_ARRAYS))
        return KK_ERROR_TEXT;
    const size_t checked = 4 * KK_HEADER_BYTES;
    if (kk_crc32(data + checked, stated - checked) != kk_read32(data + 4 * KK_HEADER_CHECKSUM))
        return KK_ERROR_TEXT;

    kk_tokenizer t;
    memset(&t, 0, sizeof t);
    t.flags = kk_read32(data + 4 * KK_HEADER_FLAGS);
    t.tokens = kk_read32(data + 4 * KK_HEADER_TOKENS);
    t.unknown = kk_read32(data + 4 * KK_HEADER_UNKNOWN);
    t.longest_token = kk_read32(data + 4 * KK_HEADER_LONGEST_TOKEN);
    t.property_table = kk_read32(data + 4 * KK_HEADER_PROPERTY_TABLE);
    if (!kk_read_directory(data, stated, &t) || !kk_check_tokens(&t))
        return KK_ERROR_TEXT;
    if (t.length[KK_BYTE_IDS] != 256 || !kk_all_below(&t, KK_BYTE_IDS, 0, 1, t.tokens, 1))
        return KK_ERROR_TEXT;
    if (!kk_check_slots(&t, KK_WORDS, 2) || !kk_check_slots(&t, KK_MERGES, 4))
        return KK_ERROR_TEXT;
    if (!kk_check_class_tables(&t) || !kk_check_trie(&t) || !kk_check_stages(&t))
        return KK_ERROR_TEXT;
    if (!kk_all_below(&t, KK_PREFIX, 0, 1, t.tokens, 0) || !kk_all_below(&t, KK_SUFFIX, 0, 1, t.tokens, 0))
        return KK_ERROR_TEXT;
    kk_find_first_bytes(&t);
    kk_find_longest_word(&t);
    *tokenizer = t;
    return KK_OK;
}

size_t kk_tokenizer_size(void)
{
    return sizeof(kk_tokenizer);
}

int64_t kk_tokenizer_tokens(const kk_tokenizer *tokenizer)
{
    return tokenizer == NULL ? 0 : (int64_t)tokenizer->tokens;
}
