/* The generation loop, and the text that it holds back for stop strings. */
#include "kk_prefix.h"

#include "kk_generate.h"

#include "kk_unicode.h"

#include <string.h>

/* One call's state. pending: text that was decoded and not given out yet. */
typedef struct kk_generation {
    const kk_tokenizer *tokenizer;
    const kk_generate_options *options;
    kk_sampler sampler;
    kk_decoder decoder;
    float *logits;
    char *pending;
    size_t pending_bytes;
    size_t pending_capacity;
} kk_generation;

kk_generate_options kk_generate_defaults(void)
{
    kk_generate_options options;
    memset(&options, 0, sizeof options);
    options.max_new_tokens = 128;
    options.sampler = kk_sampler_defaults();
    return options;
}

static kk_status kk_check_stop_strings(const kk_generate_options *o, const kk_tokenizer *tokenizer)
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

static kk_status kk_check_generate(const kk_language_model *model, const kk_tokenizer *tokenizer,
                                   const kk_generate_options *options)
{
    if (model == NULL || model->feed == NULL || model->position == NULL || options == NULL)
        return KK_ERROR_ARGUMENT;
    if (options->stop_id_count > 0 && options->stop_ids == NULL)
        return KK_ERROR_ARGUMENT;
    if (options->max_new_tokens < 0 || kk_sampler_scratch(model->vocabulary) == 0)
        return KK_ERROR_RANGE;
    return kk_check_stop_strings(options, tokenizer);
}

static size_t kk_logits_bytes(int64_t vocabulary)
{
    return ((size_t)vocabulary * sizeof(float) + 7) / 8 * 8;
}

/* What is held back is shorter than the longest stop string; a push or flush comes on top. */
static size_t kk_pending_capacity(const kk_tokenizer *tokenizer, const kk_generate_options *options)
{
    size_t longest = 0;
    for (size_t i = 0; i < options->stop_string_count; i++) {
        size_t bytes = strlen(options->stop_strings[i]);
        longest = bytes > longest ? bytes : longest;
    }
    return longest + kk_decoder_capacity(tokenizer);
}

size_t kk_generate_scratch(const kk_language_model *model, const kk_tokenizer *tokenizer,
                           const kk_generate_options *options)
{
    if (kk_check_generate(model, tokenizer, options) != KK_OK)
        return 0;
    return kk_sampler_scratch(model->vocabulary) + kk_logits_bytes(model->vocabulary) +
           kk_pending_capacity(tokenizer, options);
}

/* Looks for the stop string that is complete first, the longest of those that end together. Text before `known` has
   been looked at. Returns where it begins, or pending_bytes when there is none. */
static size_t kk_find_stop(const kk_generation *g, size_t known)
{
    for (size_t end = known + 1; end <= g->pending_bytes; end++) {
        size_t begin = g->pending_bytes;
        for (size_t i = 0; i < g->options->stop_string_count; i++) {
            const char *stop = g->options->stop_strings[i];
            size_t bytes = strlen(stop);
            if (bytes <= end && end - bytes < begin && memcmp(g->pending + end - bytes, stop, bytes) == 0)
                begin = end - bytes;
        }
        if (begin < g->pending_bytes)
            return begin;
    }
    return g->pending_bytes;
}

/* How much of the end of the pending text could become a stop string. */
static size_t kk_held_back(const kk_generation *g)
{
    size_t held = 0;
    for (size_t i = 0; i < g->options->stop_string_count; i++) {
        const char *stop = g->options->stop_strings[i];
        size_t bytes = strlen(stop) - 1;
        for (bytes = bytes < g->pending_bytes ? bytes : g->pending_bytes; bytes > held; bytes--)
            if (memcmp(g->pending + g->pending_bytes - bytes, stop, bytes) == 0)
                held = bytes;
    }
    return held;
}

/* Gives a token and the first `bytes` of the pending text to the callback; returns what the callback does. */
static int kk_hand_out(kk_generation *g, int64_t id, size_t bytes)
{
    int stop = 0;
    if (g->options->callback != NULL)
        stop = g->options->callback(id, g->pending != NULL ? g->pending : "", bytes, g->options->user) != 0;
    if (bytes > 0)
        memmove(g->pending, g->pending + bytes, g->pending_bytes - bytes);
    g->pending_bytes -= bytes;
    return stop;
}

/* Decodes a chosen token and hands out what is certain. *stopped receives 1 when that ends the generation. */
static kk_status kk_give_token(kk_generation *g, int64_t id, kk_generate_result *result, int *stopped)
{
    size_t known = g->pending_bytes, bytes = 0;
    if (g->tokenizer != NULL) {
        kk_status status = kk_decoder_push(&g->decoder, id, g->pending + known, g->pending_capacity - known, &bytes);
        if (status != KK_OK)
            return status;
    }
    g->pending_bytes += bytes;
    size_t stop = kk_find_stop(g, known);
    int is_stop = stop < g->pending_bytes;
    result->tokens++;
    int asked = kk_hand_out(g, id, is_stop ? stop : g->pending_bytes - kk_held_back(g));
    *stopped = is_stop || asked;
    if (*stopped)
        result->reason = is_stop ? KK_STOP_STRING : KK_STOP_CALLBACK;
    return KK_OK;
}

/* At the end nothing can become a stop string any more. */
static kk_status kk_give_rest(kk_generation *g)
{
    size_t known = g->pending_bytes, bytes = 0;
    if (g->tokenizer == NULL)
        return KK_OK;
    kk_status status = kk_decoder_flush(&g->decoder, g->pending + known, g->pending_capacity - known, &bytes);
    g->pending_bytes += bytes;
    size_t rest = kk_find_stop(g, known);
    if (status == KK_OK && rest > 0)
        (void)kk_hand_out(g, -1, rest);
    return status;
}

static int kk_is_stop_id(const kk_generate_options *options, int64_t id)
{
    for (size_t i = 0; i < options->stop_id_count; i++)
        if (options->stop_ids[i] == id)
            return 1;
    return 0;
}

/* Lays the scratch memory out and puts the parts into their first state. */
static kk_status kk_generation_open(kk_generation *g, const kk_language_model *model, const kk_tokenizer *tokenizer,
                                    const kk_generate_options *options, unsigned char *scratch)
{
    size_t sampler_bytes = kk_sampler_scratch(model->vocabulary);
    memset(g, 0, sizeof *g);
    g->tokenizer = tokenizer;
    g->options = options;
    g->logits = (float *)(void *)(scratch + sampler_bytes);
    if (tokenizer != NULL) {
        g->pending = (char *)(scratch + sampler_bytes + kk_logits_bytes(model->vocabulary));
        g->pending_capacity = kk_pending_capacity(tokenizer, options);
        kk_status status = kk_decoder_open(&g->decoder, tokenizer, !options->keep_special);
        if (status != KK_OK)
            return status;
    }
    return kk_sampler_open(&g->sampler, &options->sampler, model->vocabulary, scratch, sampler_bytes);
}

/* Chooses, hands out and feeds tokens after the prompt has been fed. */
static kk_status kk_generate_tokens(kk_generation *g, const kk_language_model *model, kk_generate_result *result)
{
    int stopped = 0;
    while (result->tokens < g->options->max_new_tokens) {
        int64_t id;
        kk_status status = kk_sampler_sample(&g->sampler, g->logits, &id);
        if (status != KK_OK)
            return status;
        result->last_id = id;
        if (kk_is_stop_id(g->options, id)) {
            result->reason = KK_STOP_ID;
            return kk_give_rest(g);
        }
        status = kk_sampler_accept(&g->sampler, &id, 1);
        if (status == KK_OK)
            status = kk_give_token(g, id, result, &stopped);
        if (status != KK_OK || stopped)
            return status;
        if (result->tokens == g->options->max_new_tokens)
            break;
        if (model->position(model->model) >= model->capacity) {
            result->reason = KK_STOP_CONTEXT;
            return kk_give_rest(g);
        }
        status = (kk_status)model->feed(model->model, &id, 1, g->logits);
        if (status != KK_OK)
            return status;
    }
    result->reason = KK_STOP_LENGTH;
    return kk_give_rest(g);
}

kk_status kk_generate(const kk_language_model *model, const kk_tokenizer *tokenizer, const int64_t *prompt,
                      size_t prompt_count, const kk_generate_options *options, void *scratch, size_t scratch_bytes,
                      kk_generate_result *result)
{
    kk_generation g;
    if (result == NULL)
        return KK_ERROR_ARGUMENT;
    result->reason = KK_STOP_LENGTH;
    result->tokens = 0;
    result->last_id = -1;
    kk_status status = kk_check_generate(model, tokenizer, options);
    if (status != KK_OK)
        return status;
    if (prompt == NULL || prompt_count == 0 || scratch == NULL || (uintptr_t)scratch % 8 != 0)
        return KK_ERROR_ARGUMENT;
    if (scratch_bytes < kk_generate_scratch(model, tokenizer, options))
        return KK_ERROR_CAPACITY;
    status = kk_generation_open(&g, model, tokenizer, options, scratch);
    if (status == KK_OK)
        status = kk_sampler_accept(&g.sampler, prompt, prompt_count);
    if (status != KK_OK)
        return status;
    int64_t position = model->position(model->model);
    if (position < 0 || position > model->capacity)
        return KK_ERROR_RANGE;
    if (prompt_count > (uint64_t)(model->capacity - position))
        return KK_ERROR_CAPACITY;
    status = (kk_status)model->feed(model->model, prompt, (int64_t)prompt_count, g.logits);
    return status == KK_OK ? kk_generate_tokens(&g, model, result) : status;
}
