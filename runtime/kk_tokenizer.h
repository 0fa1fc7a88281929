/* Text to token ids and back, as the tokenizers package of Hugging Face does it: byte-pair encoding of bytes (GPT-2,
   RoBERTa, BART) and of characters (Llama 2), WordPiece (BERT) and Unigram (T5), from tables that Kaoken compiles out of
   tokenizer.json (docs/text.md).

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

#define KK_TOKENIZER_ARRAYS 27
#define KK_STEP_LIMIT 16

/* What decides how much scratch memory a text needs. kind: of the model. n bytes of text are never more than
   growth * n + extra bytes while they are normalized, for which there are `buffers` buffers. */
typedef struct kk_text_demand {
    uint32_t kind, growth, extra, buffers;
} kk_text_demand;

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
    uint32_t padding, padding_type;
    uint32_t mark;            /* the code point that spaces in the tables stand for */
    uint32_t most_characters; /* of a word that WordPiece takes */
    uint32_t continuation;    /* where its search for pieces that go on a word starts */
    uint32_t strip, strip_count;
    kk_text_demand demand;
    unsigned char ascii[KK_STEP_LIMIT][128]; /* what each step makes of ASCII, where that is one ASCII character; else 0xFF */
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

/* The id and the type that fill a row after a text; 0 for a null pointer. */
int64_t kk_tokenizer_padding(const kk_tokenizer *tokenizer);
int64_t kk_tokenizer_padding_type(const kk_tokenizer *tokenizer);

/* The number of ids: every id that encoding gives is below it. 0 for a null pointer. */
int64_t kk_tokenizer_tokens(const kk_tokenizer *tokenizer);

#ifdef __cplusplus
}
#endif

#include "kk_tokenizer_decode.h"
#include "kk_tokenizer_encode.h"

#endif
