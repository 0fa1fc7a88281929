/* Greedy longest-match-first (M. Schuster and K. Nakajima, 2012; as BERT has it): pieces that go on a word carry a
   prefix in the vocabulary, so their search starts where the prefix ends. */
#include "kk_prefix.h"

#include "kk_wordpiece.h"

#include "kk_tokenizer_tables.h"

static int kk_too_long(const unsigned char *word, size_t bytes, size_t most)
{
    size_t characters = 0;
    for (size_t i = 0; bytes > most && i < bytes; i++)
        characters += (word[i] & 0xC0) != 0x80;
    return characters > most;
}

void kk_wordpiece_encode(const kk_tokenizer *tokenizer, const unsigned char *word, size_t bytes, kk_id_list *list)
{
    const unsigned char *units = tokenizer->array[KK_UNITS], *end = word + bytes, *at = word;
    const size_t before = list->count;
    uint32_t node = 0;
    int known = !kk_too_long(word, bytes, tokenizer->most_characters);
    while (known && at < end) {
        uint32_t piece = KK_NONE;
        const unsigned char *piece_end = at;
        for (const unsigned char *to = at; to < end && node != KK_NONE;) {
            node = kk_unit_child(units, node, *to++);
            uint32_t id = node == KK_NONE ? KK_NONE : kk_table_number(tokenizer, KK_UNIT_IDS, node);
            if (id != KK_NONE) {
                piece = id;
                piece_end = to;
            }
        }
        known = piece != KK_NONE;
        if (known)
            kk_id_list_add(list, piece);
        at = piece_end;
        node = tokenizer->continuation;
    }
    if (!known) {
        list->count = before;
        kk_id_list_add(list, tokenizer->unknown);
    }
}
