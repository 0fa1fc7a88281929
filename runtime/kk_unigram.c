/* The best way to each place of the text is known when the search comes there: its score, and where its last piece
   begins. From the end the pieces are then read backwards, and handed out forwards. */
#include "kk_prefix.h"

#include "kk_unigram.h"

#include "kk_byte_fallback.h"
#include "kk_tokenizer_tables.h"
#include "kk_unicode.h"

/* Set in a place's `begin` when its last piece is an unknown character. */
#define KK_UNKNOWN_PIECE 0x80000000u

static double kk_score(const kk_tokenizer *t, size_t id)
{
    const unsigned char *at = t->array[KK_SCORES] + 8 * id;
    uint64_t bits = (uint64_t)kk_read32(at) | (uint64_t)kk_read32(at + 4) << 32;
    double score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* The best way to each place, [bytes + 1]. begin: KK_NONE where no way is known. */
typedef struct kk_ways {
    double *score;
    uint32_t *begin;
} kk_ways;

static void kk_try_way(kk_ways *w, size_t from, size_t to, double score, uint32_t mark)
{
    if (w->begin[to] == KK_NONE || score > w->score[to]) {
        w->score[to] = score;
        w->begin[to] = (uint32_t)from | mark;
    }
}

static void kk_find_ways(const kk_tokenizer *t, const unsigned char *text, size_t bytes, kk_ways *w)
{
    const unsigned char *units = t->array[KK_UNITS], *end = text + bytes;
    const double unknown = kk_score(t, t->length[KK_SCORES] - 1);
    for (size_t at = 0; at < bytes;) {
        uint32_t code_point, node = 0;
        const size_t length = kk_utf8_read(text + at, end, &code_point);
        const double so_far = w->score[at];
        int one = 0;
        for (size_t to = at; to < bytes;) {
            node = kk_unit_child(units, node, text[to++]);
            if (node == KK_NONE)
                break;
            uint32_t id = kk_table_number(t, KK_UNIT_IDS, node);
            if (id == KK_NONE)
                continue;
            kk_try_way(w, at, to, kk_score(t, id) + so_far, id == t->unknown ? KK_UNKNOWN_PIECE : 0);
            one |= to - at == length;
        }
        if (!one)
            kk_try_way(w, at, at + length, unknown + so_far, KK_UNKNOWN_PIECE);
        at += length;
    }
}

size_t kk_unigram_workspace(size_t bytes)
{
    return (bytes + 2) / 2 * 2 * (sizeof(double) + sizeof(uint32_t));
}

void kk_unigram_encode(const kk_tokenizer *tokenizer, const unsigned char *text, size_t bytes, void *workspace,
                       kk_id_list *list)
{
    kk_ways w = {workspace, NULL};
    w.begin = (uint32_t *)(void *)(w.score + bytes + 1);
    for (size_t i = 0; i <= bytes; i++)
        w.begin[i] = KK_NONE;
    w.score[0] = 0.0;
    kk_find_ways(tokenizer, text, bytes, &w);

    /* Turns the links round: at the beginning of each piece of the best way is then where it ends. */
    uint32_t forward = 0;
    for (size_t at = bytes; at > 0;) {
        uint32_t link = w.begin[at];
        w.begin[at] = forward;
        forward = (uint32_t)at | (link & KK_UNKNOWN_PIECE);
        at = link & ~KK_UNKNOWN_PIECE;
    }
    w.begin[0] = forward;
    for (size_t at = 0; at < bytes;) {
        uint32_t link = w.begin[at];
        size_t to = link & ~KK_UNKNOWN_PIECE;
        while (link & KK_UNKNOWN_PIECE && to < bytes && w.begin[to] & KK_UNKNOWN_PIECE)
            to = w.begin[to] & ~KK_UNKNOWN_PIECE;
        uint32_t id = kk_find_piece(tokenizer, text + at, to - at);
        if (id == KK_NONE && kk_has_byte_tokens(tokenizer, text + at, to - at)) {
            for (size_t i = at; i < to; i++)
                kk_id_list_add(list, kk_table_number(tokenizer, KK_BYTE_IDS, text[i]));
        } else {
            kk_id_list_add(list, id == KK_NONE ? tokenizer->unknown : id);
        }
        at = to;
    }
}
