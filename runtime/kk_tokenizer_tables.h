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
    KK_FIRST_OFFSETS,
    KK_FIRST_BYTES,
    KK_BYTE_IDS,
    KK_WORDS,
    KK_MERGES,
    KK_UNITS,
    KK_UNIT_IDS,
    KK_SCORES,
    KK_ADDED,
    KK_TRIE_NODES,
    KK_TRIE_EDGES,
    KK_STEPS,
    KK_MAP_INDEX,
    KK_MAP_BLOCKS,
    KK_TEXTS,
    KK_CHARSMAP_UNITS,
    KK_CHARSMAP_TEXTS,
    KK_COMPOSITIONS,
    KK_STAGES,
    KK_TRANSITIONS,
    KK_CLASS_INDEX,
    KK_CLASS_BLOCKS,
    KK_SINGLE,
    KK_PAIR
};

/* Which model the pieces of a text go to. */
enum kk_tokenizer_kind { KK_BYTE_LEVEL_BPE = 1, KK_CHARACTER_BPE, KK_WORD_PIECE, KK_UNIGRAM };

enum { KK_FLAG_FUSE_UNKNOWN = 1, KK_FLAG_BYTE_FALLBACK = 2, KK_FLAG_RAW_BYTES = 4 };
enum { KK_TOKEN_EXISTS = 1, KK_TOKEN_SPECIAL = 2, KK_TOKEN_BYTE = 4 };
enum { KK_ADDED_SINGLE_WORD = 1, KK_ADDED_LSTRIP = 2, KK_ADDED_RSTRIP = 4 };
enum { KK_PROPERTY_WORD = 1, KK_PROPERTY_SPACE = 2 };

/* A step of the normalizer, and a stage of the pre-tokenizer, is KK_ROW_NUMBERS numbers; those of an automaton lie at
   the same places in both. */
enum { KK_ROW_NUMBERS = 8, KK_STAGE_LIMIT = 8 };
enum kk_row_number {
    KK_ROW_KIND,
    KK_ROW_CHOICE, /* a split's behavior; when a space is put before a piece; a step's text, map or sides */
    KK_ROW_OTHER,  /* whether a split is inverted; the mark that stands for a space */
    KK_ROW_CLASS_TABLE,
    KK_ROW_FIRST_TRANSITION,
    KK_ROW_STATES,
    KK_ROW_SYMBOLS
};
enum { KK_STAGE_PREFIX_SPACE, KK_STAGE_SPLIT, KK_STAGE_METASPACE };
enum { KK_PREPEND_NEVER, KK_PREPEND_ALWAYS, KK_PREPEND_FIRST };
enum kk_behavior {
    KK_REMOVED,
    KK_ISOLATED,
    KK_MERGED_WITH_PREVIOUS,
    KK_MERGED_WITH_NEXT,
    KK_CONTIGUOUS
};
enum kk_step {
    KK_STEP_MAP,
    KK_STEP_REORDER,
    KK_STEP_COMPOSE,
    KK_STEP_CHARSMAP,
    KK_STEP_REPLACE,
    KK_STEP_STRIP,
    KK_STEP_PREPEND
};
enum { KK_STRIP_LEFT = 1, KK_STRIP_RIGHT = 2 };

/* What a character map has for a code point: it stays, goes, gets spaces around it, is a Hangul syllable that falls
   apart into its letters, or becomes the text at this place less KK_MAP_TEXT. */
enum { KK_MAP_SAME, KK_MAP_REMOVED, KK_MAP_SPACED, KK_MAP_SYLLABLE, KK_MAP_TEXT };

/* A part of a template: what it is, the id of a special token, its type. */
enum { KK_PART_NUMBERS = 3, KK_PART_LIMIT = 64 };
enum { KK_PART_TEXT_A, KK_PART_TEXT_B, KK_PART_SPECIAL };

/* A class table is an index of blocks of code points; so is a character map. */
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

/* A number of row i of the steps or stages. */
static inline uint32_t kk_row_number(const kk_tokenizer *tokenizer, enum kk_table table, size_t i, enum kk_row_number n)
{
    return kk_table_number(tokenizer, table, i * KK_ROW_NUMBERS + n);
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

/* What a character map has for a code point. */
static inline uint32_t kk_map_entry(const kk_tokenizer *tokenizer, uint32_t map, uint32_t code_point)
{
    size_t entry = (size_t)map * KK_CLASS_INDEX_LENGTH + code_point / KK_CLASS_BLOCK;
    size_t block = kk_read16(tokenizer->array[KK_MAP_INDEX] + 2 * entry);
    return kk_table_number(tokenizer, KK_MAP_BLOCKS, block * KK_CLASS_BLOCK + code_point % KK_CLASS_BLOCK);
}

/* A text that the tables hold; its length in bytes is put into *bytes. */
static inline const unsigned char *kk_stored_text(const kk_tokenizer *tokenizer, uint32_t place, size_t *bytes)
{
    const unsigned char *at = tokenizer->array[KK_TEXTS] + place;
    *bytes = *at;
    return at + 1;
}

/* The child of a node of a double array (base and parent in each slot), or KK_NONE. */
static inline uint32_t kk_unit_child(const unsigned char *units, uint32_t node, unsigned char byte)
{
    uint32_t child = kk_read32(units + 8 * (size_t)node) ^ byte;
    return kk_read32(units + 8 * (size_t)child + 4) == node ? child : KK_NONE;
}

/* The piece of the vocabulary that these bytes are, or KK_NONE. */
static inline uint32_t kk_find_piece(const kk_tokenizer *tokenizer, const unsigned char *text, size_t bytes)
{
    uint32_t node = 0;
    for (size_t i = 0; i < bytes; i++) {
        node = kk_unit_child(tokenizer->array[KK_UNITS], node, text[i]);
        if (node == KK_NONE)
            return KK_NONE;
    }
    return kk_table_number(tokenizer, KK_UNIT_IDS, node);
}

#endif
