/* Text to ids. Included by kk_tokenizer.h. */
#ifndef KK_TOKENIZER_ENCODE_H
#define KK_TOKENIZER_ENCODE_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_status.h"
#include "kk_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of scratch memory, aligned to 8 bytes, that encoding a text of `bytes` bytes needs: about 17 times `bytes`.
   SIZE_MAX where no memory would do. */
size_t kk_tokenizer_scratch(size_t bytes);

/* Encodes a text.
   special: not 0 to add the ids that the tokenizer's post-processor puts around a text.
   scratch: kk_tokenizer_scratch(bytes) bytes or more.
   ids: [capacity], receives the ids; may be null when capacity is 0.
   count: receives the number of ids of the text, also when that is more than capacity.
   KK_ERROR_CAPACITY when ids (count says how many are needed) or scratch is too small; KK_ERROR_TEXT when the text
   is not valid UTF-8 (nothing is replaced silently); KK_ERROR_RANGE for more than 2^30 bytes. */
kk_status kk_tokenizer_encode(const kk_tokenizer *tokenizer, const char *text, size_t bytes, int special,
                              void *scratch, size_t scratch_bytes, int64_t *ids, size_t capacity, size_t *count);

#ifdef __cplusplus
}
#endif

#endif
