/* Ids to text, whole or as they come. Included by kk_tokenizer.h. */
#ifndef KK_TOKENIZER_DECODE_H
#define KK_TOKENIZER_DECODE_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_status.h"
#include "kk_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Decodes ids to text. Bytes of byte-level tokens that are no UTF-8 become U+FFFD, one for each longest beginning of a
   character (as the Unicode standard recommends and Python's errors="replace" does); of a run of byte tokens (<0x00> to
   <0xFF>) that is no UTF-8 as a whole, every byte does. An id without a token decodes to nothing.
   skip_special: not 0 to leave out special tokens.
   text: [capacity], receives the text, without a terminating zero; may be null when capacity is 0.
   bytes: receives the length of the text, also when that is more than capacity.
   KK_ERROR_CAPACITY when text is too small (bytes says how much is needed); KK_ERROR_RANGE for an id below 0 or
   above 2^32 - 1. */
kk_status kk_tokenizer_decode(const kk_tokenizer *tokenizer, const int64_t *ids, size_t count, int skip_special,
                              char *text, size_t capacity, size_t *bytes);

/* Decodes ids one at a time. Texts of the pushes and of the flush, one after the other, are the text of
   kk_tokenizer_decode (but for runs of byte tokens that are no UTF-8: here their whole characters stay). The caller owns the struct; its members are private. */
typedef struct kk_decoder {
    const kk_tokenizer *tokenizer;
    int skip_special;
    unsigned char held[4]; /* the beginning of a character that is not complete yet */
    unsigned held_bytes;
    int begun;      /* whether a token has been decoded; the first may have another text */
    uint32_t strip; /* how many characters may still be taken off the beginning */
} kk_decoder;

/* Begins a text. The tokenizer must stay where it is as long as the decoder is used. */
kk_status kk_decoder_open(kk_decoder *decoder, const kk_tokenizer *tokenizer, int skip_special);

/* The most bytes that one push or flush can give. 0 for a null pointer. */
size_t kk_decoder_capacity(const kk_tokenizer *tokenizer);

/* Decodes one more id. A character whose last bytes are still to come is held back.
   text: [capacity], receives whole characters only; capacity must be kk_decoder_capacity() or more, or nothing
   happens and the status is KK_ERROR_CAPACITY. bytes: receives how many bytes were written. */
kk_status kk_decoder_push(kk_decoder *decoder, int64_t id, char *text, size_t capacity, size_t *bytes);

/* Ends the text: what was held back becomes U+FFFD. The decoder can then begin another text. */
kk_status kk_decoder_flush(kk_decoder *decoder, char *text, size_t capacity, size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif
