/* The generation loops: prompts, then greedy or sampled texts, or a beam search for each prompt. */
#include "kk_prefix.h"

#include "kk_generate.h"

#include <string.h>

/* One text that is generated token by token; of a search only `open` and `limit` are used, for each prompt. */
typedef struct kk_text_row {
    kk_sampler sampler;
    kk_stream stream;
    kk_logits_text text;
    int64_t *ids; /* those of `text` */
    int open;
    kk_stop_reason limit; /* why it cannot become longer than it may */
} kk_text_row;

/* One call's state. width: rows a prompt; count: rows in all. */
typedef struct kk_generation {
    const kk_language_model *model;
    const kk_tokenizer *tokenizer;
    const kk_generate_options *options;
    const kk_generate_request *request;
    int64_t width, count, length;
    size_t text_bytes;
    kk_text_row *rows;    /* [count] */
    kk_beam *beams;       /* [count]; the first `batch` are used */
    unsigned char *texts; /* what the rows' ids, or the beams, lie in */
    float *logits;        /* [count][vocabulary] */
    float *scores;        /* [vocabulary] */
    unsigned char *sampling;
    uint32_t *seen;
    int64_t *slot;  /* [count]: where the logits of a prompt are */
    int64_t *which; /* [count]: rows that are fed */
    int64_t *next;  /* [count]: a row's token that is fed next */
    int64_t *from;  /* [count] */
    const int64_t **ids; /* [count] */
    char *pending;
} kk_generation;

kk_generate_options kk_generate_defaults(void)
{
    kk_generate_options options;
    memset(&options, 0, sizeof options);
    options.max_new_tokens = 128;
    options.num_beams = options.num_return_sequences = 1;
    options.length_penalty = 1.0;
    options.decoder_start_id = -1;
    options.logits = kk_logits_defaults();
    options.sampler = kk_sampler_defaults();
    return options;
}

/* Takes the next bytes of the scratch memory; with a null base only counts them. */
static void *kk_take(unsigned char *base, size_t *used, size_t count, size_t size)
{
    const size_t at = *used;
    *used += (count * size + 7) / 8 * 8;
    return base != NULL ? base + at : NULL;
}

/* Gives every part its place; returns the bytes of all. */
static size_t kk_lay_out(kk_generation *g, int64_t vocabulary, void *scratch)
{
    const size_t n = (size_t)g->count, words = (size_t)vocabulary;
    size_t used = 0;
    g->rows = kk_take(scratch, &used, n, sizeof *g->rows);
    g->beams = kk_take(scratch, &used, n, sizeof *g->beams);
    g->texts = kk_take(scratch, &used, kk_beam_scratch(g->count, g->length), 1);
    g->sampling = kk_take(scratch, &used, kk_sampler_scratch(vocabulary), 1);
    g->slot = kk_take(scratch, &used, n, sizeof *g->slot);
    g->which = kk_take(scratch, &used, n, sizeof *g->which);
    g->next = kk_take(scratch, &used, n, sizeof *g->next);
    g->from = kk_take(scratch, &used, n, sizeof *g->from);
    g->ids = kk_take(scratch, &used, n, sizeof *g->ids);
    g->logits = kk_take(scratch, &used, n * words, sizeof *g->logits);
    g->scores = kk_take(scratch, &used, words, sizeof *g->scores);
    g->seen = kk_take(scratch, &used, kk_logits_scratch(vocabulary), sizeof *g->seen);
    g->pending = kk_take(scratch, &used, n, g->text_bytes);
    return used;
}

size_t kk_generate_scratch_for(int64_t rows, int64_t length, int64_t vocabulary, size_t text_bytes)
{
    kk_generation g;
    memset(&g, 0, sizeof g);
    g.count = rows;
    g.length = length;
    g.text_bytes = text_bytes;
    return kk_lay_out(&g, vocabulary, NULL);
}

static int64_t kk_prompt_count(const kk_generation *g, int64_t i)
{
    return g->request->prompts != NULL ? (int64_t)g->request->prompt_counts[i] : 1;
}

static const int64_t *kk_prompt(const kk_generation *g, int64_t i)
{
    return g->request->prompts != NULL ? g->request->prompts[i] : &g->options->decoder_start_id;
}

/* How many tokens text `i` may get: what is asked for, or what the cache has room for; the last token is not fed. */
static int64_t kk_new_tokens(const kk_generation *g, int64_t i, kk_stop_reason *limit)
{
    const int64_t count = kk_prompt_count(g, i), o = g->options->max_new_tokens;
    const int64_t asked = o >= 0 ? o : g->options->max_length > count ? g->options->max_length - count : 0;
    const int64_t room = g->model->capacity - g->model->position(g->model->model, i) - count + 1;
    *limit = room < asked ? KK_STOP_CONTEXT : KK_STOP_LENGTH;
    return room < asked ? room : asked;
}

static kk_status kk_check_options(const kk_language_model *model, const kk_tokenizer *tokenizer, const kk_generate_options *o)
{
    const int search = o->num_beams > 1;
    if ((o->stop_id_count > 0 && o->stop_ids == NULL) || o->num_beams < 1 || o->num_return_sequences < 1 ||
        (search && (o->sampler.temperature != 0.0 || o->stream.stop_string_count > 0)))
        return KK_ERROR_ARGUMENT;
    if (o->num_return_sequences > 1 && (search ? o->num_return_sequences > o->num_beams : o->sampler.temperature == 0.0))
        return KK_ERROR_ARGUMENT;
    if ((search || o->num_return_sequences > 1) && model->reorder == NULL)
        return KK_ERROR_ARGUMENT;
    if (o->max_new_tokens < -1 || (o->max_new_tokens == -1 && o->max_length < 1) || kk_sampler_scratch(model->vocabulary) == 0)
        return KK_ERROR_RANGE;
    kk_status status = kk_logits_check(&o->logits, model->vocabulary);
    return status == KK_OK ? kk_stream_check(&o->stream, tokenizer) : status;
}

/* The prompts, whether the cache takes them, and how long the texts get. */
static kk_status kk_check_prompts(kk_generation *g)
{
    const kk_generate_request *request = g->request;
    const kk_language_model *model = g->model;
    for (int64_t i = 0; i < request->batch; i++) {
        const int64_t position = model->position(model->model, i), *ids = kk_prompt(g, i);
        kk_stop_reason limit;
        if (request->prompts != NULL && (ids == NULL || request->prompt_counts[i] == 0))
            return KK_ERROR_ARGUMENT;
        if (position < 0 || position > model->capacity)
            return KK_ERROR_RANGE;
        if (request->prompts != NULL && request->prompt_counts[i] > (uint64_t)(model->capacity - position))
            return KK_ERROR_CAPACITY;
        const int64_t count = kk_prompt_count(g, i), made = kk_new_tokens(g, i, &limit);
        if (count > model->capacity - position)
            return KK_ERROR_CAPACITY;
        for (int64_t k = 0; k < count; k++)
            if (ids[k] < 0 || ids[k] >= model->vocabulary)
                return KK_ERROR_RANGE;
        if (request->ids != NULL && made > request->ids_capacity)
            return KK_ERROR_CAPACITY;
        g->length = count + made > g->length ? count + made : g->length;
    }
    return KK_OK;
}

/* Checks everything and finds the sizes. */
static kk_status kk_begin(kk_generation *g, const kk_language_model *model, const kk_tokenizer *tokenizer,
                          const kk_generate_request *request)
{
    memset(g, 0, sizeof *g);
    if (model == NULL || model->feed == NULL || model->position == NULL || request == NULL || request->options == NULL ||
        request->batch < 1 || (request->prompts != NULL && request->prompt_counts == NULL))
        return KK_ERROR_ARGUMENT;
    const kk_generate_options *o = request->options;
    kk_status status = kk_check_options(model, tokenizer, o);
    if (status != KK_OK)
        return status;
    if (request->prompts == NULL && o->decoder_start_id < 0)
        return KK_ERROR_ARGUMENT;
    g->model = model;
    g->tokenizer = tokenizer;
    g->request = request;
    g->options = o;
    g->width = o->num_beams > o->num_return_sequences ? o->num_beams : o->num_return_sequences;
    if (request->batch > model->rows || g->width > model->rows / request->batch)
        return KK_ERROR_CAPACITY;
    g->count = request->batch * g->width;
    g->text_bytes = tokenizer != NULL ? kk_stream_scratch(&o->stream, tokenizer) : 0;
    return kk_check_prompts(g);
}

size_t kk_generate_scratch(const kk_language_model *model, const kk_tokenizer *tokenizer, const kk_generate_request *request)
{
    kk_generation g;
    return kk_begin(&g, model, tokenizer, request) == KK_OK ? kk_lay_out(&g, model->vocabulary, NULL) : 0;
}

static kk_generate_result *kk_result(const kk_generation *g, int64_t text)
{
    return g->request->results != NULL ? &g->request->results[text] : NULL;
}

static void kk_clear_results(const kk_generation *g)
{
    const kk_generate_result none = {KK_STOP_LENGTH, 0, -1, 0.0};
    for (int64_t i = 0; g->request->results != NULL && i < g->request->batch * g->options->num_return_sequences; i++)
        g->request->results[i] = none;
}

/* Feeds `count` ids to each of n rows. Where rows have to agree in length, those that do, side by side, go together. */
static kk_status kk_feed(const kk_generation *g, const int64_t *rows, int64_t n, int64_t count, const int64_t *const *ids)
{
    const kk_language_model *model = g->model;
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n; end++)
            if (model->uniform && model->position(model->model, rows[end]) != model->position(model->model, rows[i]))
                break;
        const int status = model->feed(model->model, rows + i, end - i, count, ids + i, g->logits + i * model->vocabulary);
        if (status != KK_OK)
            return (kk_status)status;
    }
    return KK_OK;
}

/* Feeds prompt i to row i. Prompts go in together as long as they last, the longest first, so that logits stay where they
   were written when a prompt is over; slot[i] says where. */
static kk_status kk_feed_prompts(const kk_generation *g)
{
    const int64_t batch = g->request->batch;
    int64_t fed = 0, active = batch, *const order = g->from;
    for (int64_t i = 0; i < batch; i++) {
        int64_t at = i;
        for (; at > 0 && kk_prompt_count(g, order[at - 1]) < kk_prompt_count(g, i); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (int64_t i = 0; i < batch; i++)
        g->slot[order[i]] = i;
    while (active > 0) {
        const int64_t until = kk_prompt_count(g, order[active - 1]);
        for (int64_t i = 0; i < active; i++) {
            g->which[i] = order[i];
            g->ids[i] = kk_prompt(g, order[i]) + fed;
        }
        const kk_status status = kk_feed(g, g->which, active, until - fed, g->ids);
        if (status != KK_OK)
            return status;
        for (fed = until; active > 0 && kk_prompt_count(g, order[active - 1]) == fed; active--)
            continue;
    }
    return KK_OK;
}

/* Every prompt's row becomes `width` rows. */
static kk_status kk_fan_out(const kk_generation *g)
{
    for (int64_t i = 0; i < g->count; i++)
        g->from[i] = i / g->width;
    return g->width > 1 ? (kk_status)g->model->reorder(g->model->model, g->from, g->count) : KK_OK;
}

/* The text of a prompt before anything is fed, how long it may become, and why not longer. */
static kk_logits_text kk_first_text(const kk_generation *g, int64_t prompt, kk_stop_reason *limit)
{
    const int64_t count = kk_prompt_count(g, prompt), most = count + kk_new_tokens(g, prompt, limit);
    const kk_logits_text text = {kk_prompt(g, prompt), count, count, most, g->options->stop_ids, g->options->stop_id_count};
    return text;
}

static int kk_is_stop_id(const kk_generate_options *options, int64_t id)
{
    for (size_t i = 0; i < options->stop_id_count; i++)
        if (options->stop_ids[i] == id)
            return 1;
    return 0;
}

static void kk_close(const kk_generation *g, int64_t n, kk_stop_reason reason)
{
    kk_generate_result *result = kk_result(g, n);
    g->rows[n].open = 0;
    if (result != NULL)
        result->reason = reason;
}

/* Chooses a row's next token and hands it out; it is in next[n] if the row is still open then. */
static kk_status kk_choose(const kk_generation *g, int64_t n, const float *logits)
{
    kk_text_row *row = &g->rows[n];
    kk_generate_result *result = kk_result(g, n);
    kk_stream_end end = KK_STREAM_OPEN;
    int64_t id;
    memcpy(g->scores, logits, (size_t)g->model->vocabulary * sizeof *logits);
    kk_logits_process(&g->options->logits, &row->text, g->scores, g->model->vocabulary, g->seen);
    kk_status status = kk_sampler_sample(&row->sampler, g->scores, &id);
    if (status != KK_OK)
        return status;
    if (result != NULL)
        result->last_id = id;
    if (kk_is_stop_id(g->options, id)) {
        kk_close(g, n, KK_STOP_ID);
        return kk_stream_finish(&row->stream);
    }
    const int64_t made = row->text.count - row->text.prompt_count;
    if (g->request->ids != NULL)
        g->request->ids[n * g->request->ids_capacity + made] = id;
    row->ids[row->text.count++] = g->next[n] = id;
    if (result != NULL)
        result->tokens = made + 1;
    status = kk_stream_push(&row->stream, id, &end);
    if (status != KK_OK || end != KK_STREAM_OPEN) {
        kk_close(g, n, end == KK_STREAM_STRING ? KK_STOP_STRING : KK_STOP_CALLBACK);
        return status;
    }
    if (row->text.count < row->text.max_length)
        return KK_OK;
    kk_close(g, n, row->limit);
    return kk_stream_finish(&row->stream);
}

static kk_status kk_open_row(const kk_generation *g, int64_t n)
{
    kk_text_row *row = &g->rows[n];
    kk_sampler_options sampler = g->options->sampler;
    sampler.seed += (uint64_t)n * 0xD1342543DE82EF95u; /* an odd number, so that no two of them meet */
    row->text = kk_first_text(g, n / g->width, &row->limit);
    row->ids = (int64_t *)(void *)g->texts + n * g->length;
    memcpy(row->ids, row->text.ids, (size_t)row->text.count * sizeof *row->ids);
    row->text.ids = row->ids;
    row->open = row->text.max_length > row->text.count;
    kk_status status = kk_stream_open(&row->stream, &g->options->stream, g->tokenizer, n, g->pending + (size_t)n * g->text_bytes);
    if (status != KK_OK)
        return status;
    return kk_sampler_open(&row->sampler, &sampler, g->model->vocabulary, g->sampling, kk_sampler_scratch(g->model->vocabulary));
}

/* Feeds the next token of the rows of `which`. */
static kk_status kk_feed_next(const kk_generation *g, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        g->ids[i] = &g->next[g->which[i]];
    return n > 0 ? kk_feed(g, g->which, n, 1, g->ids) : KK_OK;
}

/* Token by token. The logits of rows that are open lie one after the other; at first, where those of their prompt are. */
static kk_status kk_continue(const kk_generation *g)
{
    kk_status status = KK_OK;
    for (int64_t first = 1, open = 1; status == KK_OK && open > 0; first = 0) {
        int64_t at = 0;
        open = 0;
        for (int64_t n = 0; n < g->count && status == KK_OK; n++) {
            if (!g->rows[n].open)
                continue;
            status = kk_choose(g, n, g->logits + (first ? g->slot[n / g->width] : at++) * g->model->vocabulary);
            if (g->rows[n].open)
                g->which[open++] = n;
        }
        if (status == KK_OK)
            status = kk_feed_next(g, open);
    }
    return status;
}

static kk_status kk_open_search(const kk_generation *g, int64_t i)
{
    const kk_beam_options options = {g->width, g->options->length_penalty, g->options->early_stopping};
    const kk_logits_text text = kk_first_text(g, i, &g->rows[i].limit);
    const size_t bytes = kk_beam_scratch(g->width, g->length);
    g->rows[i].open = text.max_length > text.count;
    g->beams[i].finished = 0;
    if (!g->rows[i].open)
        return KK_OK;
    return kk_beam_open(&g->beams[i], &options, &g->options->logits, &text, g->model->vocabulary, g->seen,
                        g->texts + (size_t)i * bytes, bytes);
}

/* A step of every search that is open. Returns how many rows go on, their numbers in `which`; *status says if one failed. */
static int64_t kk_step_searches(const kk_generation *g, int first, kk_status *status)
{
    int64_t at = 0, going = 0;
    for (int64_t n = 0; n < g->count; n++)
        g->from[n] = n;
    for (int64_t i = 0; i < g->request->batch && *status == KK_OK; i++) {
        const int64_t begin = i * g->width;
        int done = 0;
        if (!g->rows[i].open)
            continue;
        float *logits = g->logits + (first ? g->slot[i] : at) * g->model->vocabulary;
        *status = kk_beam_step(&g->beams[i], logits, g->from + begin, g->next + begin, &done);
        at += g->width;
        g->rows[i].open = !done;
        for (int64_t n = begin; n < begin + g->width && *status == KK_OK; n++) {
            g->from[n] = done ? n : g->from[n] + begin;
            if (!done)
                g->which[going++] = n;
        }
    }
    return going;
}

static kk_status kk_search(const kk_generation *g, int *asked)
{
    const kk_stream_options *stream = &g->options->stream;
    kk_status status = KK_OK;
    for (int first = 1;; first = 0) {
        const int64_t going = kk_step_searches(g, first, &status);
        if (status != KK_OK || going == 0)
            return status;
        *asked = stream->callback != NULL && stream->callback(0, -1, "", 0, stream->user) != 0;
        if (*asked)
            return KK_OK;
        status = (kk_status)g->model->reorder(g->model->model, g->from, g->count);
        if (status == KK_OK)
            status = kk_feed_next(g, going);
        if (status != KK_OK)
            return status;
    }
}

/* Hands out the n-th text of all. */
static kk_status kk_give(const kk_generation *g, int64_t n, const kk_hypothesis *text, kk_stop_reason reason)
{
    kk_generate_result made = {reason, text->count, -1, text->score};
    kk_stream_end end = KK_STREAM_OPEN;
    kk_stream stream;
    kk_status status = kk_stream_open(&stream, &g->options->stream, g->tokenizer, n, g->pending);
    if (text->count > 0)
        made.last_id = text->ids[text->count - 1];
    if (text->count > 0 && kk_is_stop_id(g->options, made.last_id)) {
        made.reason = KK_STOP_ID;
        made.tokens--;
    }
    if (g->request->ids != NULL && made.tokens > 0)
        memcpy(g->request->ids + n * g->request->ids_capacity, text->ids, (size_t)made.tokens * sizeof *text->ids);
    for (int64_t i = 0; i < made.tokens && status == KK_OK && end == KK_STREAM_OPEN; i++)
        status = kk_stream_push(&stream, text->ids[i], &end);
    if (status == KK_OK && end == KK_STREAM_OPEN)
        status = kk_stream_finish(&stream);
    if (kk_result(g, n) != NULL)
        *kk_result(g, n) = made;
    return status;
}

static kk_status kk_give_searches(const kk_generation *g, int asked)
{
    static const kk_hypothesis none = {-1.0e9f, 0, NULL};
    const int64_t texts = g->options->num_return_sequences;
    kk_status status = KK_OK;
    for (int64_t n = 0; n < g->request->batch * texts && status == KK_OK; n++) {
        const kk_beam *beam = &g->beams[n / texts];
        const kk_stop_reason reason = asked && g->rows[n / texts].open ? KK_STOP_CALLBACK : g->rows[n / texts].limit;
        status = kk_give(g, n, n % texts < beam->finished ? &beam->best[n % texts] : &none, reason);
    }
    return status;
}

kk_status kk_generate(const kk_language_model *model, const kk_tokenizer *tokenizer, const kk_generate_request *request,
                      void *scratch, size_t scratch_bytes)
{
    kk_generation g;
    int asked = 0;
    kk_status status = kk_begin(&g, model, tokenizer, request);
    if (status != KK_OK)
        return status;
    if (scratch == NULL || (uintptr_t)scratch % 8 != 0)
        return KK_ERROR_ARGUMENT;
    if (scratch_bytes < kk_lay_out(&g, model->vocabulary, NULL))
        return KK_ERROR_CAPACITY;
    (void)kk_lay_out(&g, model->vocabulary, scratch);
    kk_clear_results(&g);
    const int search = g.options->num_beams > 1;
    for (int64_t n = 0; n < (search ? request->batch : g.count) && status == KK_OK; n++)
        status = search ? kk_open_search(&g, n) : kk_open_row(&g, n);
    if (status == KK_OK)
        status = kk_feed_prompts(&g);
    if (status == KK_OK)
        status = kk_fan_out(&g);
    if (status != KK_OK || !search)
        return status == KK_OK ? kk_continue(&g) : status;
    status = kk_search(&g, &asked);
    return status == KK_OK ? kk_give_searches(&g, asked) : status;
}
