/* Finds added tokens in a text. Part of the tokenizer; not for callers. */
#ifndef KK_ADDED_TOKENS_H
#define KK_ADDED_TOKENS_H

#include "kk_prefix.h"

#include <stdint.h>

#include "kk_tokenizer.h"

/* An added token in the text. */
typedef struct kk_found {
    const unsigned char *begin, *end;
    uint32_t added;
} kk_found;

/* The next added token of the text from `begin` to `end`, looked for from *at on, which moves behind it. root: 0 for
   the tokens of the raw text, 1 for those of the normalized text. done: the end of the token before; spaces before it
   are taken already. Returns 0 when there is none. */
int kk_added_token_next(const kk_tokenizer *tokenizer, uint32_t root, const unsigned char *begin,
                        const unsigned char *done, const unsigned char **at, const unsigned char *end, kk_found *found);

#endif
