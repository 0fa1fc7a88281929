/* Generation: a model is fed prompts, tokens are chosen, handed out and fed back, until something stops each text.

   Several texts are generated side by side, each as if it were alone: of its own length, with its own end. A text that
   has ended is not computed any more. Nothing is allocated; the model is whatever the members of kk_language_model say.

   An encoder-decoder takes part as its decoder: after the encoder has filled what row i attends to with input i
   (kk_rows.input, 0 to batch - 1), its rows are empty and kk_generate is called without prompts, or with the decoder's
   own. Beams need nothing else: `reorder` carries a row's input along. */
#ifndef KK_GENERATE_H
#define KK_GENERATE_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_beam.h"
#include "kk_logits.h"
#include "kk_sampler.h"
#include "kk_status.h"
#include "kk_stream.h"
#include "kk_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A language model with a cache for some rows of text. */
typedef struct kk_language_model {
    void *model; /* passed to the functions */
    /* Appends ids[i][0..count-1] to row rows[i], for i below row_count (1 or more, none twice), count 1 or
       more, and writes the logits after the last of them: [row_count][vocabulary]. Returns a kk_status. */
    int (*feed)(void *model, const int64_t *rows, int64_t row_count, int64_t count, const int64_t *const *ids, float *logits);
    /* Row i becomes what row from[i] was, for i below count. May be null; then there can be one text a prompt. */
    int (*reorder)(void *model, const int64_t *from, int64_t count);
    int64_t (*position)(void *model, int64_t row); /* how many ids a row holds */
    int64_t rows;                                  /* rows are 0 to rows - 1 */
    int64_t capacity;                              /* how many ids a row can hold */
    int64_t vocabulary;                            /* ids are 0 to vocabulary - 1 */
    int uniform; /* not 0: rows that are fed together must hold equally many ids */
} kk_language_model;

typedef struct kk_generate_options {
    int64_t max_new_tokens; /* tokens of a text after its prompt; -1: as max_length says */
    int64_t max_length;     /* where max_new_tokens is -1: tokens of a text with its prompt, 1 or more */
    int64_t num_beams;      /* 1: one text a prompt, chosen token by token; more: beam search */
    int64_t num_return_sequences; /* texts a prompt: at most num_beams; or, at random, any number */
    double length_penalty;        /* of beam search, see kk_beam.h */
    kk_early_stopping early_stopping;
    int64_t decoder_start_id; /* what a text without prompt begins with; -1: nothing, there have to be prompts */
    kk_logits_options logits;
    kk_sampler_options sampler; /* text n draws from its own sequence of numbers, that of seed + n times a constant */
    const int64_t *stop_ids; /* a chosen one of these ends the text and is not handed out; may be null if none */
    size_t stop_id_count;
    kk_stream_options stream; /* during a beam search the callback is called with id -1 and no text once a step, so that it
                                 can end it; the tokens of the texts that are found come at the end */
} kk_generate_options;

/* 128 tokens, greedy, one text a prompt, nothing that stops earlier, no callback. */
kk_generate_options kk_generate_defaults(void);

typedef enum kk_stop_reason {
    KK_STOP_LENGTH,   /* max_new_tokens were given */
    KK_STOP_ID,       /* a stop id was chosen */
    KK_STOP_STRING,   /* a stop string was complete */
    KK_STOP_CALLBACK, /* the callback asked for it */
    KK_STOP_CONTEXT   /* the model's cache is full */
} kk_stop_reason;

typedef struct kk_generate_result {
    kk_stop_reason reason;
    int64_t tokens;  /* tokens handed out: a stop id is not counted, the last token of a stop string is */
    int64_t last_id; /* the last id that was chosen, a stop id too; -1 for none. It has not been fed to the model. */
    double score;    /* of beam search: sum of log probabilities by length^length_penalty (-1e9: none found), else 0 */
} kk_generate_result;

/* What is to be generated from, and where it goes. */
typedef struct kk_generate_request {
    const int64_t *const *prompts; /* [batch]; null: every text begins with decoder_start_id */
    const size_t *prompt_counts;   /* [batch], each 1 or more; not looked at without prompts */
    int64_t batch;                 /* prompts, 1 or more */
    const kk_generate_options *options;
    int64_t *ids;        /* [batch][num_return_sequences][ids_capacity]; the tokens handed out; may be null */
    int64_t ids_capacity;
    kk_generate_result *results; /* [batch][num_return_sequences], best first; may be null */
} kk_generate_request;

/* Bytes of scratch memory, aligned to 8 bytes, that this request needs. The tokenizer may be null. 0 when an argument is
   not valid. */
size_t kk_generate_scratch(const kk_language_model *model, const kk_tokenizer *tokenizer, const kk_generate_request *request);

/* Enough for any request with at most so many rows (batch times beams or texts a prompt), tokens of a text with its
   prompt, and bytes of text held back a row. */
size_t kk_generate_scratch_for(int64_t rows, int64_t length, int64_t vocabulary, size_t text_bytes);

/* Feeds prompt i to row i, where it comes after what the row holds already, and generates. Text n of a prompt i is then
   row i * width + n, width being the larger of num_beams and num_return_sequences; with width above 1 the rows behind
   the prompts are overwritten. Penalties see the prompt and what is generated, not what the row held before.
   tokenizer: gives the callback its text; null for ids only (then there can be no stop strings).
   results: also filled, as far as it got, when the model or the logits gave an error.
   KK_ERROR_ARGUMENT for null or misaligned pointers, an empty prompt, a count below 1, empty stop strings or any without
   a tokenizer or in a beam search, a temperature in a beam search, more texts than beams, several texts a prompt or
   beams of a model that cannot reorder; KK_ERROR_RANGE for a prompt id outside the vocabulary or an option outside its
   bounds; KK_ERROR_CAPACITY for too little scratch, more rows than the model has, a prompt that the cache cannot take,
   or texts that may become longer than ids_capacity; KK_ERROR_TEXT for a stop string that is no UTF-8; KK_ERROR_NUMBER
   for logits that are NaN; whatever feed and reorder return. */
kk_status kk_generate(const kk_language_model *model, const kk_tokenizer *tokenizer, const kk_generate_request *request,
                      void *scratch, size_t scratch_bytes);

#ifdef __cplusplus
}
#endif

#endif
