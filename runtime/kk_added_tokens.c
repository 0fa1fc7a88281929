/* Added tokens are found by a trie: of those that begin first the longest, as the tokenizers package does. */
#include "kk_prefix.h"

#include "kk_added_tokens.h"

#include "kk_tokenizer_tables.h"
#include "kk_unicode.h"

#include <string.h>

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

int kk_added_token_next(const kk_tokenizer *t, uint32_t root, const unsigned char *begin, const unsigned char *done,
                        const unsigned char **at, const unsigned char *end, kk_found *found)
{
    while (kk_find_added(t, root, *at, end, found)) {
        uint32_t flags = kk_table_number(t, KK_ADDED, 2 * (size_t)found->added + 1);
        *at = found->end;
        if (flags & KK_ADDED_SINGLE_WORD && !kk_stands_alone(t, found, begin, end))
            continue;
        kk_take_spaces(t, found, flags, begin, end, done);
        return 1;
    }
    return 0;
}
