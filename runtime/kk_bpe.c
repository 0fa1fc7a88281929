/* Byte-pair encoding: of all pairs of neighbours that the merges list, the one of lowest rank becomes one symbol, the
   leftmost of equals first, until no pair is listed (R. Sennrich, B. Haddow, A. Birch, 2016).

   A short piece keeps the ranks of its pairs in a row and looks for the least. A long one keeps them as the leaves
   of a tree of minima, so that each merge costs a few short searches whatever the length: n log n in all. */
#include "kk_prefix.h"

#include "kk_bpe.h"

#include "kk_byte_fallback.h"
#include "kk_tokenizer_tables.h"
#include "kk_unicode.h"

#include <string.h>

enum { KK_SHORT_PIECE = 64 };
enum { KK_FAN_OUT = 16 };

/* The largest tree has 2^30 leaves. */
enum { KK_LEVELS = 8 };

/* The rank of a pair of symbols, KK_NONE when it is not listed, and the symbol that it becomes. */
static uint32_t kk_pair_rank(const kk_tokenizer *t, uint32_t left, uint32_t right, uint32_t *result)
{
    const unsigned char *slots = t->array[KK_MERGES];
    size_t mask = t->length[KK_MERGES] / 4 - 1;
    uint32_t hash = (left * 0x9E3779B1u + right) * 0x85EBCA6Bu;
    for (size_t at = (hash ^ hash >> 15) & mask;; at = (at + 1) & mask) {
        const unsigned char *slot = slots + 16 * at;
        *result = kk_read32(slot + 12);
        if (*result == KK_NONE)
            return KK_NONE;
        if (kk_read32(slot) == left && kk_read32(slot + 4) == right)
            return kk_read32(slot + 8);
    }
}

/* The piece as symbols, one a byte; a byte without a token becomes the unknown token, or nothing where there is
   none. Returns how many symbols there are. */
static size_t kk_byte_symbols(const kk_tokenizer *t, const unsigned char *piece, size_t bytes, uint32_t *symbols)
{
    size_t count = 0;
    int after_unknown = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint32_t id = kk_table_number(t, KK_BYTE_IDS, piece[i]);
        int unknown = id == KK_NONE;
        if (unknown && (t->unknown == KK_NONE || (after_unknown && t->flags & KK_FLAG_FUSE_UNKNOWN)))
            continue;
        symbols[count++] = unknown ? t->unknown : id;
        after_unknown = unknown;
    }
    return count;
}

/* The piece as symbols, one a character, at most one a byte; a character without a token becomes those of its bytes,
   if all of them have one, else the unknown token. An unknown token waits for the next character that has a token. */
static size_t kk_character_symbols(const kk_tokenizer *t, const unsigned char *piece, size_t bytes, uint32_t *symbols)
{
    const unsigned char *at = piece, *end = piece + bytes;
    size_t count = 0;
    int waiting = 0;
    while (at < end) {
        uint32_t code_point, id;
        size_t length = kk_utf8_read(at, end, &code_point);
        id = kk_find_piece(t, at, length);
        if (id != KK_NONE) {
            if (waiting)
                symbols[count++] = t->unknown;
            symbols[count++] = id;
            waiting = 0;
        } else if (kk_has_byte_tokens(t, at, length)) {
            for (size_t i = 0; i < length; i++)
                symbols[count++] = kk_table_number(t, KK_BYTE_IDS, at[i]);
        } else if (t->unknown != KK_NONE) {
            if (waiting && !(t->flags & KK_FLAG_FUSE_UNKNOWN))
                symbols[count++] = t->unknown;
            waiting = 1;
        }
        at += length;
    }
    if (waiting)
        symbols[count++] = t->unknown;
    return count;
}

static void kk_merge_short(const kk_tokenizer *t, uint32_t *symbols, size_t count, kk_id_list *list)
{
    uint32_t ranks[KK_SHORT_PIECE], results[KK_SHORT_PIECE];
    for (size_t i = 0; i + 1 < count; i++)
        ranks[i] = kk_pair_rank(t, symbols[i], symbols[i + 1], &results[i]);
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (ranks[best] == KK_NONE)
            break;
        symbols[best] = results[best];
        size_t after = count - best - 2;
        memmove(symbols + best + 1, symbols + best + 2, after * sizeof *symbols);
        if (after > 0) {
            memmove(ranks + best + 1, ranks + best + 2, (after - 1) * sizeof *ranks);
            memmove(results + best + 1, results + best + 2, (after - 1) * sizeof *results);
        }
        count--;
        if (best + 1 < count)
            ranks[best] = kk_pair_rank(t, symbols[best], symbols[best + 1], &results[best]);
        if (best > 0)
            ranks[best - 1] = kk_pair_rank(t, symbols[best - 1], symbols[best], &results[best - 1]);
    }
    for (size_t i = 0; i < count; i++)
        kk_id_list_add(list, symbols[i]);
}

/* A tree of minima: level 0 holds the ranks, each number of the next level the least of 16, up to one node of at
   most 16 numbers. Levels are padded to whole nodes with KK_NONE. */
typedef struct kk_minima {
    uint32_t *level[KK_LEVELS];
    size_t nodes[KK_LEVELS];
    int levels;
} kk_minima;

static uint32_t kk_least(const uint32_t *node)
{
    uint32_t least = node[0];
    for (int i = 1; i < KK_FAN_OUT; i++)
        least = node[i] < least ? node[i] : least;
    return least;
}

/* Lays the levels out in memory; level 0 has `count` numbers. Returns the numbers used. */
static size_t kk_minima_layout(kk_minima *tree, uint32_t *memory, size_t count)
{
    size_t used = 0;
    tree->levels = 0;
    do {
        size_t nodes = (count + KK_FAN_OUT - 1) / KK_FAN_OUT;
        if (memory != NULL)
            tree->level[tree->levels] = memory + used;
        tree->nodes[tree->levels] = nodes;
        tree->levels++;
        used += nodes * KK_FAN_OUT;
        count = nodes;
    } while (count > 1);
    return used;
}

/* Fills the levels above 0 and the padding of each. */
static void kk_minima_build(kk_minima *tree, size_t count)
{
    for (int level = 0; level < tree->levels; level++) {
        uint32_t *numbers = tree->level[level];
        for (size_t i = count; i < tree->nodes[level] * KK_FAN_OUT; i++)
            numbers[i] = KK_NONE;
        if (level + 1 < tree->levels)
            for (size_t node = 0; node < tree->nodes[level]; node++)
                tree->level[level + 1][node] = kk_least(numbers + node * KK_FAN_OUT);
        count = tree->nodes[level];
    }
}

static void kk_minima_set(kk_minima *tree, size_t at, uint32_t value)
{
    tree->level[0][at] = value;
    for (int level = 1; level < tree->levels; level++) {
        at /= KK_FAN_OUT;
        uint32_t least = kk_least(tree->level[level - 1] + at * KK_FAN_OUT);
        if (tree->level[level][at] == least)
            break;
        tree->level[level][at] = least;
    }
}

/* The leftmost place of the least number; its value is put into *least. */
static size_t kk_minima_find(const kk_minima *tree, uint32_t *least)
{
    size_t node = 0;
    *least = kk_least(tree->level[tree->levels - 1]);
    for (int level = tree->levels - 1; level >= 0; level--) {
        const uint32_t *numbers = tree->level[level] + node * KK_FAN_OUT;
        size_t child = 0;
        while (numbers[child] != *least)
            child++;
        node = node * KK_FAN_OUT + child;
    }
    return node;
}

/* symbols: [count]; links: [2 * count], which symbol follows and which is before; tree over the ranks of the pairs
   that begin at each symbol. */
static void kk_merge_long(const kk_tokenizer *t, uint32_t *symbols, size_t count, uint32_t *workspace,
                          kk_id_list *list)
{
    uint32_t *next = workspace, *previous = workspace + count, result, rank;
    kk_minima ranks;
    kk_minima_layout(&ranks, workspace + 2 * count, count);
    for (size_t i = 0; i < count; i++) {
        next[i] = (uint32_t)(i + 1);
        previous[i] = (uint32_t)i - 1;
        ranks.level[0][i] = i + 1 < count ? kk_pair_rank(t, symbols[i], symbols[i + 1], &result) : KK_NONE;
    }
    kk_minima_build(&ranks, count);
    for (;;) {
        size_t at = kk_minima_find(&ranks, &rank);
        if (rank == KK_NONE)
            break;
        size_t gone = next[at], after = next[gone];
        (void)kk_pair_rank(t, symbols[at], symbols[gone], &symbols[at]);
        next[at] = (uint32_t)after;
        kk_minima_set(&ranks, gone, KK_NONE);
        rank = KK_NONE;
        if (after < count) {
            previous[after] = (uint32_t)at;
            rank = kk_pair_rank(t, symbols[at], symbols[after], &result);
        }
        kk_minima_set(&ranks, at, rank);
        if (at > 0) {
            size_t before = previous[at];
            kk_minima_set(&ranks, before, kk_pair_rank(t, symbols[before], symbols[at], &result));
        }
    }
    for (size_t i = 0; i < count; i = next[i])
        kk_id_list_add(list, symbols[i]);
}

size_t kk_bpe_workspace(size_t bytes)
{
    kk_minima ranks;
    return 3 * bytes + kk_minima_layout(&ranks, NULL, bytes);
}

/* The one token that a piece is, if the tables list the piece; else KK_NONE. */
static uint32_t kk_find_word(const kk_tokenizer *t, const unsigned char *piece, size_t bytes)
{
    const unsigned char *slots = t->array[KK_WORDS];
    size_t mask = t->length[KK_WORDS] / 2 - 1;
    uint32_t hash = 0x811C9DC5u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ piece[i]) * 0x01000193u;
    hash ^= hash >> 15;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t id = kk_read32(slots + 8 * at + 4);
        if (id == KK_NONE)
            return KK_NONE;
        if (kk_read32(slots + 8 * at) == hash) {
            size_t length;
            const unsigned char *text = kk_token_text(t, id, &length);
            if (length == bytes && memcmp(text, piece, bytes) == 0)
                return id;
        }
    }
}

void kk_bpe_encode(const kk_tokenizer *tokenizer, const unsigned char *piece, size_t bytes, uint32_t *workspace,
                   kk_id_list *list)
{
    const int of_bytes = tokenizer->demand.kind == KK_BYTE_LEVEL_BPE;
    uint32_t id = KK_NONE;
    if (!of_bytes)
        id = kk_find_piece(tokenizer, piece, bytes);
    else if (bytes <= tokenizer->longest_word)
        id = kk_find_word(tokenizer, piece, bytes);
    if (id != KK_NONE) {
        kk_id_list_add(list, id);
        return;
    }
    size_t count = of_bytes ? kk_byte_symbols(tokenizer, piece, bytes, workspace)
                            : kk_character_symbols(tokenizer, piece, bytes, workspace);
    if (count <= KK_SHORT_PIECE)
        kk_merge_short(tokenizer, workspace, count, list);
    else
        kk_merge_long(tokenizer, workspace, count, workspace + count, list);
}
