/* Rows of ids for a model that takes several texts at once. Included by callers that need it. */
#ifndef KK_TOKENIZER_BATCH_H
#define KK_TOKENIZER_BATCH_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_status.h"
#include "kk_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Encodes a text or a pair into a row of `length` ids, special ones among them; texts that are too long are cut. What
   follows the ids is -1, until kk_tokenizer_pack_rows makes it padding.
   ids: [length]; types: [length] or null. Statuses as in kk_tokenizer_encode_pair. */
kk_status kk_tokenizer_encode_row(const kk_tokenizer *tokenizer, const kk_text_pair *texts, void *scratch,
                                  size_t scratch_bytes, int64_t *ids, int64_t *types, size_t length);

/* Shortens `rows` rows to the longest of them (1 at least) and pads the others.
   ids, types: [rows][*length], in place; types may be null. mask: room for as many or null, receives 1 for an id, 0 for
   padding. *length: the rows' length before, and after. */
void kk_tokenizer_pack_rows(const kk_tokenizer *tokenizer, size_t rows, int64_t *ids, int64_t *mask, int64_t *types,
                            size_t *length);

#ifdef __cplusplus
}
#endif

#endif
