/* How the tables of a tokenizer lie in memory. Only the tokenizer's own sources include this; the layout is that
   of kaoken/text/tokenizer_tables.py. */
#ifndef KK_TOKENIZER_TABLES_H
#define KK_TOKENIZER_TABLES_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_tokenizer.h"

#define KK_NONE 0xFFFFFFFFu

/* No token is longer, so that buffers for a token have a bound. */
#define KK_TOKEN_BYTES_LIMIT (1u << 20)

/* The arrays, by their place in the section's directory. */
enum kk_table {
    KK_TOKEN_OFFSETS,
    KK_TOKEN_BYTES,
    KK_TOKEN_FLAGS,
    KK_BYTE_IDS,
    KK_WORDS,
    KK_MERGES,
    KK_ADDED,
    KK_TRIE_NODES,
    KK_TRIE_EDGES,
    KK_STAGES,
    KK_TRANSITIONS,
    KK_CLASS_INDEX,
    KK_CLASS_BLOCKS,
    KK_PREFIX,
    KK_SUFFIX
};

enum { KK_FLAG_FUSE_UNKNOWN = 1 };
enum { KK_TOKEN_EXISTS = 1, KK_TOKEN_SPECIAL = 2 };
enum { KK_ADDED_SINGLE_WORD = 1, KK_ADDED_LSTRIP = 2, KK_ADDED_RSTRIP = 4 };
enum { KK_PROPERTY_WORD = 1, KK_PROPERTY_SPACE = 2 };

/* A pre-tokenizer stage is KK_STAGE_NUMBERS numbers. */
enum { KK_STAGE_NUMBERS = 8, KK_STAGE_LIMIT = 8 };
enum kk_stage_number {
    KK_STAGE_KIND,
    KK_STAGE_BEHAVIOR,
    KK_STAGE_INVERT,
    KK_STAGE_CLASS_TABLE,
    KK_STAGE_FIRST_TRANSITION,
    KK_STAGE_STATES,
    KK_STAGE_SYMBOLS
};
enum { KK_STAGE_PREFIX_SPACE, KK_STAGE_SPLIT };
enum kk_behavior {
    KK_REMOVED,
    KK_ISOLATED,
    KK_MERGED_WITH_PREVIOUS,
    KK_MERGED_WITH_NEXT,
    KK_CONTIGUOUS
};

/* A class table is an index of blocks of code points. */
enum { KK_CLASS_BLOCK = 128, KK_CLASS_INDEX_LENGTH = 0x110000 / 128 };

enum { KK_STATE_DEAD = 0, KK_STATE_START = 1, KK_STATE_MATCH = 0x8000 };

/* Little-endian numbers wherever they lie; compilers make one load of each. */
static inline uint32_t kk_read16(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t kk_read32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Element i of an array of 32-bit numbers. */
static inline uint32_t kk_table_number(const kk_tokenizer *tokenizer, enum kk_table table, size_t i)
{
    return kk_read32(tokenizer->array[table] + 4 * i);
}

/* The text that a token decodes to; its length in bytes is put into *bytes. */
static inline const unsigned char *kk_token_text(const kk_tokenizer *tokenizer, uint32_t id, size_t *bytes)
{
    uint32_t begin = kk_table_number(tokenizer, KK_TOKEN_OFFSETS, id);
    *bytes = kk_table_number(tokenizer, KK_TOKEN_OFFSETS, (size_t)id + 1) - begin;
    return tokenizer->array[KK_TOKEN_BYTES] + begin;
}

/* The class of a code point in a class table. */
static inline unsigned kk_class(const kk_tokenizer *tokenizer, uint32_t table, uint32_t code_point)
{
    size_t entry = (size_t)table * KK_CLASS_INDEX_LENGTH + code_point / KK_CLASS_BLOCK;
    size_t block = kk_read16(tokenizer->array[KK_CLASS_INDEX] + 2 * entry);
    return tokenizer->array[KK_CLASS_BLOCKS][block * KK_CLASS_BLOCK + code_point % KK_CLASS_BLOCK];
}

#endif
