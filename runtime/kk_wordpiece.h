/* WordPiece: the longest piece that a word begins with, then the longest that goes on, and so to its end. Part of the
   tokenizer; not for callers. */
#ifndef KK_WORDPIECE_H
#define KK_WORDPIECE_H

#include "kk_prefix.h"

#include <stddef.h>

#include "kk_id_list.h"
#include "kk_tokenizer.h"

/* Appends the ids of a word (UTF-8); one unknown id where a part of it is no piece, or it is too long. */
void kk_wordpiece_encode(const kk_tokenizer *tokenizer, const unsigned char *word, size_t bytes, kk_id_list *list);

#endif
