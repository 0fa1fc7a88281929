static int generate_feed(void *model, const int64_t *rows, int64_t row_count, int64_t count, const int64_t *const *ids, float *logits)
{
    return (int)feed_rows(model, rows, row_count, count, ids, 0, logits);
}

static int generate_reorder(void *model, const int64_t *from, int64_t count)
{
    return (int)kk_model_reorder(model, from, count);
}

static int64_t generate_position(void *model, int64_t row)
{
    return kk_model_position(model, row);
}

static kk_generate_options runtime_options(const kk_model_generate_options *o)
{
    kk_generate_options r = kk_generate_defaults();
    r.max_new_tokens = o->max_new_tokens;
    r.max_length = o->max_length;
    r.num_beams = o->num_beams;
    r.num_return_sequences = o->num_return_sequences;
    r.length_penalty = o->length_penalty;
    r.early_stopping = (kk_early_stopping)o->early_stopping;
    r.decoder_start_id = o->decoder_start_id;
    r.sampler.temperature = o->temperature;
    r.sampler.top_k = o->top_k;
    r.sampler.top_p = o->top_p;
    r.sampler.min_p = o->min_p;
    r.sampler.seed = o->seed;
    r.logits.repetition_penalty = o->repetition_penalty;
    r.logits.no_repeat_ngram_size = o->no_repeat_ngram_size;
    r.logits.min_length = o->min_length;
    r.logits.min_new_tokens = o->min_new_tokens;
    r.logits.forced_bos_id = o->forced_bos_id;
    r.logits.forced_eos_id = o->forced_eos_id;
    r.logits.suppress_ids = o->suppress_ids;
    r.logits.suppress_id_count = o->suppress_id_count;
    r.logits.begin_suppress_ids = o->begin_suppress_ids;
    r.logits.begin_suppress_id_count = o->begin_suppress_id_count;
    r.logits.bad_words = o->bad_words;
    r.logits.bad_word_lengths = o->bad_word_lengths;
    r.logits.bad_word_count = o->bad_word_count;
    r.stop_ids = o->stop_ids;
    r.stop_id_count = o->stop_id_count;
    r.stream.stop_strings = o->stop_strings;
    r.stream.stop_string_count = o->stop_string_count;
    r.stream.keep_special = o->keep_special;
    r.stream.callback = o->callback;
    r.stream.user = o->user;
    return r;
}

kk_model_status kk_model_generate_batch(kk_model *m, const int64_t *const *prompts, const size_t *prompt_counts, int64_t batch,
    const kk_model_generate_options *o, int64_t *ids, int64_t ids_capacity, kk_model_generate_result *results)
{
    kk_language_model model;
    kk_generate_request request;
    kk_generate_options options;
    kk_status status;

    if (!m || !o)
        return KK_MODEL_ERROR_ARGUMENT;
    options = runtime_options(o);
    memset(&model, 0, sizeof model);
    model.model = m;
    model.feed = generate_feed;
    model.reorder = generate_reorder;
    model.position = generate_position;
    model.rows = m->sizes.batch;
    model.capacity = m->sizes.context;
    model.vocabulary = KK_MODEL_VOCABULARY;
    model.uniform = m->rows.uniform;
    memset(&request, 0, sizeof request);
    request.prompts = prompts;
    request.prompt_counts = prompt_counts;
    request.batch = batch;
    request.options = &options;
    request.ids = ids;
    request.ids_capacity = ids_capacity;
    request.results = m->results;
    status = kk_generate(&model, m->texts, &request, m->generate_scratch, generate_bytes(&m->sizes));
    if (!results || batch < 1 || batch > m->sizes.batch || o->num_return_sequences < 1 || o->num_return_sequences > m->sizes.batch / batch)
        return (kk_model_status)status;
    for (int64_t i = 0; i < batch * o->num_return_sequences; i++) {
        results[i].reason = (kk_model_stop_reason)m->results[i].reason;
        results[i].tokens = m->results[i].tokens;
        results[i].last_id = m->results[i].last_id;
        results[i].score = m->results[i].score;
    }
    return (kk_model_status)status;
}

kk_model_status kk_model_generate(kk_model *m, const int64_t *prompt, size_t prompt_count, const kk_model_generate_options *o,
    kk_model_generate_result *result)
{
    if (!o || o->num_return_sequences != 1)
        return KK_MODEL_ERROR_ARGUMENT;
    return kk_model_generate_batch(m, prompt ? &prompt : 0, &prompt_count, 1, o, 0, 0, result);
}
