/* The text of one generated row as its tokens come: decoded, searched for stop strings, handed to a callback. */
#ifndef KK_STREAM_H
#define KK_STREAM_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_status.h"
#include "kk_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Receives each chosen token as soon as it is chosen.
   row: which of the texts that are generated together.
   id: the token, or -1 when only text that had been held back is left to give, at the end.
   text: `bytes` bytes that are new, whole UTF-8 characters, without a terminating zero; often none, because a
   character or a possible stop string is not complete yet. Without a tokenizer always none. Not null.
   user: kk_generate_options.user. Returns 0 to go on, anything else to stop that row. */
typedef int (*kk_token_callback)(int64_t row, int64_t id, const char *text, size_t bytes, void *user);

/* What ends a text, and who hears of it. */
typedef struct kk_stream_options {
    const char *const *stop_strings; /* [stop_string_count], not empty, UTF-8; may be null if none */
    size_t stop_string_count;
    int keep_special;           /* not 0 to give the text of special tokens too */
    kk_token_callback callback; /* may be null */
    void *user;
} kk_stream_options;

/* One row's text. pending: what was decoded and not given out yet. Members are private. */
typedef struct kk_stream {
    const kk_stream_options *options;
    const kk_tokenizer *tokenizer;
    kk_decoder decoder;
    int64_t row;
    char *pending;
    size_t pending_bytes, pending_capacity;
} kk_stream;

typedef enum kk_stream_end {
    KK_STREAM_OPEN,   /* the text goes on */
    KK_STREAM_STRING, /* a stop string is complete */
    KK_STREAM_ASKED   /* the callback asked to stop */
} kk_stream_end;

/* KK_ERROR_ARGUMENT for null or empty stop strings, or any without a tokenizer; KK_ERROR_TEXT for one that is no UTF-8. */
kk_status kk_stream_check(const kk_stream_options *options, const kk_tokenizer *tokenizer);

/* Bytes of scratch memory for checked options. The tokenizer may be null. */
size_t kk_stream_scratch(const kk_stream_options *options, const kk_tokenizer *tokenizer);

/* Begins a row's text. options and tokenizer have to stay where they are. scratch: [kk_stream_scratch()]. */
kk_status kk_stream_open(kk_stream *stream, const kk_stream_options *options, const kk_tokenizer *tokenizer, int64_t row,
                         char *scratch);

/* Decodes a token and hands out what is certain. *end receives whether that ends the text. */
kk_status kk_stream_push(kk_stream *stream, int64_t id, kk_stream_end *end);

/* Ends the text: hands out what was held back. */
kk_status kk_stream_finish(kk_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
