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

/* Bytes of scratch memory, aligned to 8 bytes, that encoding a text of `bytes` bytes needs (of two texts, the longer
   one's): a multiple of `bytes` that depends on the tokenizer. SIZE_MAX where no memory would do, 0 for a null pointer. */
size_t kk_tokenizer_scratch(const kk_tokenizer *tokenizer, size_t bytes);

/* The same before the tokenizer is open; the compiler knows what its tables will demand. */
size_t kk_text_scratch(const kk_text_demand *demand, size_t bytes);

/* Encodes a text.
   special: not 0 to add the ids that the tokenizer's post-processor puts around a text.
   scratch: kk_tokenizer_scratch(tokenizer, bytes) bytes or more.
   ids: [capacity], receives the ids; may be null when capacity is 0.
   count: receives the number of ids of the text, also when that is more than capacity.
   KK_ERROR_CAPACITY when ids (count says how many are needed) or scratch is too small; KK_ERROR_TEXT when the text
   is not valid UTF-8 (nothing is replaced silently); KK_ERROR_RANGE for more than 2^30 bytes. */
kk_status kk_tokenizer_encode(const kk_tokenizer *tokenizer, const char *text, size_t bytes, int special,
                              void *scratch, size_t scratch_bytes, int64_t *ids, size_t capacity, size_t *count);

/* A text, and a second one that goes with it; null: there is none. */
typedef struct kk_text_pair {
    const char *text;
    size_t bytes;
    const char *second;
    size_t second_bytes;
} kk_text_pair;

/* SPECIAL adds the ids that the post-processor puts around texts. CUT shortens the texts so that all ids fit in capacity:
   one text at its end; of two the longer, and both to one half where that is not enough (longest first). */
enum kk_encode_choice { KK_ENCODE_SPECIAL = 1, KK_ENCODE_CUT = 2 };

/* Encodes a text or a pair of texts, with the type of each id, as BERT takes them.
   choices: a sum of kk_encode_choice. types: [capacity] or null, receives for each id which text it belongs to, in the
   post-processor's numbers. Everything else as in kk_tokenizer_encode. */
kk_status kk_tokenizer_encode_pair(const kk_tokenizer *tokenizer, const kk_text_pair *texts, int choices, void *scratch,
                                   size_t scratch_bytes, int64_t *ids, int64_t *types, size_t capacity, size_t *count);

#ifdef __cplusplus
}
#endif

#endif
