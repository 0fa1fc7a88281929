/* Tokens of single bytes, for characters that have no token. Part of the tokenizer; not for callers. */
#ifndef KK_BYTE_FALLBACK_H
#define KK_BYTE_FALLBACK_H

#include "kk_prefix.h"

#include <stddef.h>

#include "kk_tokenizer_tables.h"

/* Whether the model asks for byte tokens and every byte of a text has one. */
static inline int kk_has_byte_tokens(const kk_tokenizer *t, const unsigned char *text, size_t bytes)
{
    if (!(t->flags & KK_FLAG_BYTE_FALLBACK))
        return 0;
    for (size_t i = 0; i < bytes; i++)
        if (kk_table_number(t, KK_BYTE_IDS, text[i]) == KK_NONE)
            return 0;
    return 1;
}

#endif
