/* Opens a tokenizer: everything that the tables say is checked here, once. */
#include "kk_prefix.h"

#include "kk_tokenizer.h"

#include "kk_crc32.h"
#include "kk_normalizer.h"
#include "kk_tokenizer_check.h"
#include "kk_tokenizer_tables.h"

#include <string.h>

#define KK_TOKENIZER_MAGIC 0x4B544B4Bu
#define KK_TOKENIZER_VERSION 2

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
    KK_HEADER_PADDING,
    KK_HEADER_PADDING_TYPE,
    KK_HEADER_MARK,
    KK_HEADER_MOST_CHARACTERS,
    KK_HEADER_CONTINUATION,
    KK_HEADER_GROWTH,
    KK_HEADER_EXTRA,
    KK_HEADER_BUFFERS,
    KK_HEADER_STRIP,
    KK_HEADER_STRIP_COUNT,
    KK_HEADER_ARRAYS,
    KK_HEADER_DIRECTORY
};

/* Bytes of an element of each array, in the order of enum kk_table. */
static const unsigned char kk_element_bytes[KK_TOKENIZER_ARRAYS] = {4, 1, 1, 4, 1, 4, 4, 4, 4, 4, 8, 4, 4, 4,
                                                                    4, 2, 4, 1, 4, 4, 4, 4, 2, 2, 1, 4, 4};

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

static void kk_read_header(const unsigned char *section, kk_tokenizer *t)
{
    t->flags = kk_read32(section + 4 * KK_HEADER_FLAGS);
    t->tokens = kk_read32(section + 4 * KK_HEADER_TOKENS);
    t->unknown = kk_read32(section + 4 * KK_HEADER_UNKNOWN);
    t->longest_token = kk_read32(section + 4 * KK_HEADER_LONGEST_TOKEN);
    t->property_table = kk_read32(section + 4 * KK_HEADER_PROPERTY_TABLE);
    t->padding = kk_read32(section + 4 * KK_HEADER_PADDING);
    t->padding_type = kk_read32(section + 4 * KK_HEADER_PADDING_TYPE);
    t->mark = kk_read32(section + 4 * KK_HEADER_MARK);
    t->most_characters = kk_read32(section + 4 * KK_HEADER_MOST_CHARACTERS);
    t->continuation = kk_read32(section + 4 * KK_HEADER_CONTINUATION);
    t->strip = kk_read32(section + 4 * KK_HEADER_STRIP);
    t->strip_count = kk_read32(section + 4 * KK_HEADER_STRIP_COUNT);
    t->demand.kind = kk_read32(section + 4 * KK_HEADER_KIND);
    t->demand.growth = kk_read32(section + 4 * KK_HEADER_GROWTH);
    t->demand.extra = kk_read32(section + 4 * KK_HEADER_EXTRA);
    t->demand.buffers = kk_read32(section + 4 * KK_HEADER_BUFFERS);
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
    const uint32_t stated = kk_read32(data + 4 * KK_HEADER_BYTES);
    if (kk_read32(data + 4 * KK_HEADER_MAGIC) != KK_TOKENIZER_MAGIC ||
        kk_read32(data + 4 * KK_HEADER_VERSION) != KK_TOKENIZER_VERSION)
        return KK_ERROR_TEXT;
    if (stated > bytes || stated < 4 * (KK_HEADER_DIRECTORY + 2 * KK_TOKENIZER_ARRAYS))
        return KK_ERROR_TEXT;
    const size_t checked = 4 * KK_HEADER_BYTES;
    if (kk_crc32(data + checked, stated - checked) != kk_read32(data + 4 * KK_HEADER_CHECKSUM))
        return KK_ERROR_TEXT;

    kk_tokenizer t;
    memset(&t, 0, sizeof t);
    kk_read_header(data, &t);
    if (!kk_read_directory(data, stated, &t) || !kk_check_tables(&t))
        return KK_ERROR_TEXT;
    kk_find_first_bytes(&t);
    kk_find_longest_word(&t);
    for (size_t step = 0; step < t.length[KK_STEPS] / KK_ROW_NUMBERS; step++)
        for (unsigned character = 0; character < 128; character++)
            t.ascii[step][character] = kk_normalized_ascii(&t, step, (unsigned char)character);
    *tokenizer = t;
    return KK_OK;
}

size_t kk_tokenizer_size(void)
{
    return sizeof(kk_tokenizer);
}

int64_t kk_tokenizer_padding(const kk_tokenizer *tokenizer)
{
    return tokenizer == NULL ? 0 : (int64_t)tokenizer->padding;
}

int64_t kk_tokenizer_padding_type(const kk_tokenizer *tokenizer)
{
    return tokenizer == NULL ? 0 : (int64_t)tokenizer->padding_type;
}

int64_t kk_tokenizer_tokens(const kk_tokenizer *tokenizer)
{
    return tokenizer == NULL ? 0 : (int64_t)tokenizer->tokens;
}
