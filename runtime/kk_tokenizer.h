/* Text to token ids and back, as the tokenizers package of Hugging Face does it for byte-level BPE models
   (GPT-2 and its relatives), from tables that Kaoken compiles out of tokenizer.json (docs/text.md).

   Nothing here allocates, prints or keeps state of its own. A kk_tokenizer is read only once it is open: any
   number of threads may share one, each with its own scratch memory. Texts are UTF-8 with a length in bytes,
   need no terminating zero and may contain zeros. Ids are int64_t, as the models take them. */
#ifndef KK_TOKENIZER_H
#define KK_TOKENIZER_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KK_TOKENIZER_ARRAYS 15

/* An open tokenizer. The caller owns the struct; its members are private to the runtime. */
typedef struct kk_tokenizer {
    const unsigned char *array[KK_TOKENIZER_ARRAYS]; /* where each array of the section begins */
    uint32_t length[KK_TOKENIZER_ARRAYS];            /* and how many elements it has */
    uint32_t flags;
    uint32_t tokens;
    uint32_t unknown;
    uint32_t longest_token;
    uint32_t longest_word;
    uint32_t property_table;
    uint32_t first_bytes[2][8]; /* for each trie, the set of bytes that an added token begins with */
    int first_byte[2];          /* that byte where there is only one; -1 for none, 256 for several */
} kk_tokenizer;

/* Opens a tokenizer on a section of tables, which must stay where it is as long as the tokenizer is used.
   section: the bytes that tokenizer_tables() made; they are read in place and need no alignment.
   bytes: their number; more than the section holds is allowed.
   Every count, offset, id and state in the tables is checked, after a checksum: a damaged or hostile section gives
   KK_ERROR_TEXT here, and no later call can read outside it. */
kk_status kk_tokenizer_open(const void *section, size_t bytes, kk_tokenizer *tokenizer);

/* Bytes of a kk_tokenizer, for callers that cannot see the struct. */
size_t kk_tokenizer_size(void);

/* The number of ids: every id that encoding gives is below it. 0 for a null pointer. */
int64_t kk_tokenizer_tokens(const kk_tokenizer *tokenizer);

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

/* Decodes ids to text. Bytes that are no UTF-8 become U+FFFD, one for each longest beginning of a character (as
   the Unicode standard recommends and Python's errors="replace" does). An id without a token decodes to nothing.
   skip_special: not 0 to leave out special tokens.
   text: [capacity], receives the text, without a terminating zero; may be null when capacity is 0.
   bytes: receives the length of the text, also when that is more than capacity.
   KK_ERROR_CAPACITY when text is too small (bytes says how much is needed); KK_ERROR_RANGE for an id below 0 or
   above 2^32 - 1. */
kk_status kk_tokenizer_decode(const kk_tokenizer *tokenizer, const int64_t *ids, size_t count, int skip_special,
                              char *text, size_t capacity, size_t *bytes);

/* Decodes ids one at a time. Texts of the pushes and of the flush, one after the other, are the text of
   kk_tokenizer_decode. The caller owns the struct; its members are private. */
typedef struct kk_decoder {
    const kk_tokenizer *tokenizer;
    int skip_special;
    unsigned char held[4]; /* the beginning of a character that is not complete yet */
    unsigned held_bytes;
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
