/* Unigram: of all ways to cut a piece of text into pieces of the vocabulary, the one of the greatest sum of scores
   (T. Kudo, 2018), found as Viterbi's algorithm does. Part of the tokenizer; not for callers. */
#ifndef KK_UNIGRAM_H
#define KK_UNIGRAM_H

#include "kk_prefix.h"

#include <stddef.h>

#include "kk_id_list.h"
#include "kk_tokenizer.h"

/* Bytes of workspace, aligned to 8, that a text of `bytes` bytes needs. */
size_t kk_unigram_workspace(size_t bytes);

/* Appends the ids of a text (UTF-8, not empty). Neighbouring unknown characters become one unknown id, or the tokens of
   their bytes where the model asks for them. */
void kk_unigram_encode(const kk_tokenizer *tokenizer, const unsigned char *text, size_t bytes, void *workspace,
                       kk_id_list *list);

#endif
