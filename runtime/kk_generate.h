/* Generation: a model is fed a prompt, a token is chosen, handed out and fed back, until something stops it.
   Nothing is allocated; the model is whatever the four members of kk_language_model say. */
#ifndef KK_GENERATE_H
#define KK_GENERATE_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_sampler.h"
#include "kk_status.h"
#include "kk_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A language model with a cache. */
typedef struct kk_language_model {
    void *model; /* passed to both functions */
    /* Appends `count` ids (1 or more) to the cache and writes the logits after the last of them: [vocabulary].
       Returns a kk_status. */
    int (*feed)(void *model, const int64_t *ids, int64_t count, float *logits);
    int64_t (*position)(void *model); /* how many ids the cache holds */
    int64_t capacity;                 /* how many it can hold */
    int64_t vocabulary;               /* ids are 0 to vocabulary - 1 */
} kk_language_model;

/* Receives each chosen token as soon as it is chosen.
   id: the token, or -1 when only text that had been held back is left to give, at the end.
   text: `bytes` bytes that are new, whole UTF-8 characters, without a terminating zero; often none, because a
   character or a possible stop string is not complete yet. Without a tokenizer always none. Not null.
   user: kk_generate_options.user. Returns 0 to go on, anything else to stop. */
typedef int (*kk_token_callback)(int64_t id, const char *text, size_t bytes, void *user);

typedef struct kk_generate_options {
    int64_t max_new_tokens; /* at least 0 */
    kk_sampler_options sampler;
    const int64_t *stop_ids; /* a chosen one of these ends the text and is not handed out; may be null if none */
    size_t stop_id_count;
    const char *const *stop_strings; /* ends the text before the first of these to be complete; not empty, UTF-8 */
    size_t stop_string_count;
    int keep_special;           /* not 0 to give the text of special tokens too */
    kk_token_callback callback; /* may be null */
    void *user;
} kk_generate_options;

/* 128 tokens, greedy, nothing that stops earlier, no callback. */
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
} kk_generate_result;

/* Bytes of scratch memory, aligned to 8 bytes, that a call with these arguments needs. The tokenizer may be null.
   0 when an argument is not valid. */
size_t kk_generate_scratch(const kk_language_model *model, const kk_tokenizer *tokenizer,
                           const kk_generate_options *options);

/* Feeds the prompt and generates.
   tokenizer: gives the callback its text; null for ids only (then there can be no stop strings).
   prompt: [prompt_count] ids, 1 or more; what the cache already holds stays and comes before them. The repetition
   penalty sees the prompt and what is generated.
   result: also filled, as far as it got, when the status is not KK_OK.
   KK_ERROR_ARGUMENT for null or misaligned pointers, an empty prompt, empty stop strings or stop strings without a
   tokenizer; KK_ERROR_RANGE for a prompt id outside the vocabulary or an option outside its bounds;
   KK_ERROR_CAPACITY for too little scratch or a prompt that the cache cannot take; KK_ERROR_TEXT for a stop string
   that is no UTF-8; KK_ERROR_NUMBER for logits that are NaN; whatever feed returns. */
kk_status kk_generate(const kk_language_model *model, const kk_tokenizer *tokenizer, const int64_t *prompt,
                      size_t prompt_count, const kk_generate_options *options, void *scratch, size_t scratch_bytes,
                      kk_generate_result *result);

#ifdef __cplusplus
}
#endif

#endif
