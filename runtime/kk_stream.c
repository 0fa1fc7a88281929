/* Text that is held back, because a character or a stop string may not be complete yet. */
#include "kk_prefix.h"

#include "kk_stream.h"

#include "kk_unicode.h"

#include <string.h>

kk_status kk_stream_check(const kk_stream_options *o, const kk_tokenizer *tokenizer)
{
    if (o->stop_string_count > 0 && (o->stop_strings == NULL || tokenizer == NULL))
        return KK_ERROR_ARGUMENT;
    for (size_t i = 0; i < o->stop_string_count; i++) {
        const char *stop = o->stop_strings[i];
        if (stop == NULL || stop[0] == '\0')
            return KK_ERROR_ARGUMENT;
        if (!kk_utf8_valid((const unsigned char *)stop, strlen(stop)))
            return KK_ERROR_TEXT;
    }
    return KK_OK;
}

/* What is held back is shorter than the longest stop string; a push or flush comes on top. */
size_t kk_stream_scratch(const kk_stream_options *options, const kk_tokenizer *tokenizer)
{
    size_t longest = 0;
    for (size_t i = 0; i < options->stop_string_count; i++) {
        size_t bytes = strlen(options->stop_strings[i]);
        longest = bytes > longest ? bytes : longest;
    }
    return longest + kk_decoder_capacity(tokenizer);
}

kk_status kk_stream_open(kk_stream *stream, const kk_stream_options *options, const kk_tokenizer *tokenizer, int64_t row,
                         char *scratch)
{
    memset(stream, 0, sizeof *stream);
    stream->options = options;
    stream->tokenizer = tokenizer;
    stream->row = row;
    stream->pending = scratch;
    stream->pending_capacity = kk_stream_scratch(options, tokenizer);
    return tokenizer == NULL ? KK_OK : kk_decoder_open(&stream->decoder, tokenizer, !options->keep_special);
}

/* Looks for the stop string that is complete first, the longest of those that end together. Text before `known` has
   been looked at. Returns where it begins, or pending_bytes when there is none. */
static size_t kk_find_stop(const kk_stream *s, size_t known)
{
    for (size_t end = known + 1; end <= s->pending_bytes; end++) {
        size_t begin = s->pending_bytes;
        for (size_t i = 0; i < s->options->stop_string_count; i++) {
            const char *stop = s->options->stop_strings[i];
            size_t bytes = strlen(stop);
            if (bytes <= end && end - bytes < begin && memcmp(s->pending + end - bytes, stop, bytes) == 0)
                begin = end - bytes;
        }
        if (begin < s->pending_bytes)
            return begin;
    }
    return s->pending_bytes;
}

/* How much of the end of the pending text could become a stop string. */
static size_t kk_held_back(const kk_stream *s)
{
    size_t held = 0;
    for (size_t i = 0; i < s->options->stop_string_count; i++) {
        const char *stop = s->options->stop_strings[i];
        size_t bytes = strlen(stop) - 1;
        for (bytes = bytes < s->pending_bytes ? bytes : s->pending_bytes; bytes > held; bytes--)
            if (memcmp(s->pending + s->pending_bytes - bytes, stop, bytes) == 0)
                held = bytes;
    }
    return held;
}

/* Gives a token and the first `bytes` of the pending text to the callback; returns what the callback does. */
static int kk_hand_out(kk_stream *s, int64_t id, size_t bytes)
{
    int stop = 0;
    if (s->options->callback != NULL)
        stop = s->options->callback(s->row, id, bytes > 0 ? s->pending : "", bytes, s->options->user) != 0;
    if (bytes > 0)
        memmove(s->pending, s->pending + bytes, s->pending_bytes - bytes);
    s->pending_bytes -= bytes;
    return stop;
}

kk_status kk_stream_push(kk_stream *s, int64_t id, kk_stream_end *end)
{
    size_t known = s->pending_bytes, bytes = 0;
    if (s->tokenizer != NULL) {
        kk_status status = kk_decoder_push(&s->decoder, id, s->pending + known, s->pending_capacity - known, &bytes);
        if (status != KK_OK)
            return status;
    }
    s->pending_bytes += bytes;
    size_t stop = kk_find_stop(s, known);
    int is_stop = stop < s->pending_bytes;
    int asked = kk_hand_out(s, id, is_stop ? stop : s->pending_bytes - kk_held_back(s));
    *end = is_stop ? KK_STREAM_STRING : asked ? KK_STREAM_ASKED : KK_STREAM_OPEN;
    return KK_OK;
}

kk_status kk_stream_finish(kk_stream *s)
{
    size_t known = s->pending_bytes, bytes = 0;
    if (s->tokenizer == NULL)
        return KK_OK;
    kk_status status = kk_decoder_flush(&s->decoder, s->pending + known, s->pending_capacity - known, &bytes);
    s->pending_bytes += bytes;
    size_t rest = kk_find_stop(s, known);
    if (status == KK_OK && rest > 0)
        (void)kk_hand_out(s, -1, rest);
    return status;
}
