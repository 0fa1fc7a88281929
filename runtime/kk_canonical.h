/* Canonical order and composition of the Unicode standard (section 3.11). Part of the tokenizer; not for callers. */
#ifndef KK_CANONICAL_H
#define KK_CANONICAL_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_normal_output.h"
#include "kk_tokenizer.h"

/* The first place where combining marks are not in canonical order, or end. classes: the table of combining classes. */
const unsigned char *kk_find_disorder(const kk_tokenizer *tokenizer, uint32_t classes, const unsigned char *begin,
                                      const unsigned char *end);

/* Writes the text with every run of combining marks sorted by class, equal ones in their order. */
void kk_reorder(const kk_tokenizer *tokenizer, uint32_t classes, const unsigned char *begin, const unsigned char *end,
                kk_normal_output *out);

/* Writes the text, in canonical order, with pairs that have a composite composed. */
void kk_compose(const kk_tokenizer *tokenizer, uint32_t classes, const unsigned char *begin, const unsigned char *end,
                kk_normal_output *out);

/* Writes the letters of a Hangul syllable (section 3.12). */
void kk_decompose_syllable(uint32_t syllable, kk_normal_output *out);

#endif
