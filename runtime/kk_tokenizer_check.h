/* Checks the tables of a tokenizer. Part of the tokenizer; not for callers. */
#ifndef KK_TOKENIZER_CHECK_H
#define KK_TOKENIZER_CHECK_H

#include "kk_prefix.h"

#include "kk_tokenizer.h"

/* Whether every count, offset, id, state and class is one that can be used; the directory has been read. */
int kk_check_tables(const kk_tokenizer *tokenizer);

#endif
