/* Normalizes a text by the steps of the tokenizer. Part of the tokenizer; not for callers. */
#ifndef KK_NORMALIZER_H
#define KK_NORMALIZER_H

#include "kk_prefix.h"

#include <stddef.h>

#include "kk_status.h"
#include "kk_tokenizer.h"

/* A text from begin to end; up to first_end it comes from the character that the caller's whole text begins with. */
typedef struct kk_normal_text {
    const unsigned char *begin, *end, *first_end;
} kk_normal_text;

/* Does all steps. text: the text before, and after: then in one of the buffers or still where it was.
   buffers: two, of `capacity` bytes each; KK_ERROR_CAPACITY when the text grows beyond that. */
kk_status kk_normalize(const kk_tokenizer *tokenizer, kk_normal_text *text, unsigned char *const buffers[2],
                       size_t capacity);

/* What a step makes of an ASCII character: one ASCII character, or 0xFF when it has to be looked at. */
unsigned char kk_normalized_ascii(const kk_tokenizer *tokenizer, size_t step, unsigned char character);

#endif
