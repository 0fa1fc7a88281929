<%
g = m.generation
M, c = m.upper, m.name
lists = [("stop", g.stop_ids), ("suppress", g.suppress_ids), ("begin_suppress", g.begin_suppress_ids)]
%>
${c}_generate_options ${c}_generate_defaults(void)
{
% for name, ids in lists:
% if ids:
    static const int64_t ${name}_ids[${len(ids)}] = {${", ".join(map(str, ids))}};
% endif
% endfor
% for n, word in enumerate(g.bad_words):
    static const int64_t bad_word_${n}[${len(word)}] = {${", ".join(map(str, word))}};
% endfor
% if g.bad_words:
    static const int64_t *const bad_words[${len(g.bad_words)}] = {${", ".join(f"bad_word_{n}" for n in range(len(g.bad_words)))}};
    static const size_t bad_word_lengths[${len(g.bad_words)}] = {${", ".join(str(len(w)) for w in g.bad_words)}};
% endif
    ${c}_generate_options o;
    memset(&o, 0, sizeof o);
    o.max_new_tokens = ${g.max_new_tokens};
    o.max_length = ${g.max_length};
    o.num_beams = ${g.num_beams};
    o.num_return_sequences = 1;
    o.length_penalty = ${repr(g.length_penalty)};
    o.early_stopping = ${M}_EARLY_STOPPING_${g.early_stopping};
    o.temperature = ${repr(g.temperature)};
    o.top_k = ${g.top_k};
    o.top_p = ${repr(g.top_p)};
    o.min_p = ${repr(g.min_p)};
    o.repetition_penalty = ${repr(g.repetition_penalty)};
    o.no_repeat_ngram_size = ${g.no_repeat_ngram_size};
    o.min_length = ${g.min_length};
    o.min_new_tokens = ${g.min_new_tokens};
    o.forced_bos_id = ${g.forced_bos_id};
    o.forced_eos_id = ${g.forced_eos_id};
    o.decoder_start_id = ${g.decoder_start_id};
% for name, ids in lists:
% if ids:
    o.${name}_ids = ${name}_ids;
    o.${name}_id_count = ${len(ids)};
% endif
% endfor
% if g.bad_words:
    o.bad_words = bad_words;
    o.bad_word_lengths = bad_word_lengths;
    o.bad_word_count = ${len(g.bad_words)};
% endif
    return o;
}

static int generate_feed(void *model, const int64_t *rows, int64_t row_count, int64_t count, const int64_t *const *ids, float *logits)
{
    return (int)feed_rows(model, rows, row_count, count, ids, 0, logits);
}

static int generate_reorder(void *model, const int64_t *from, int64_t count)
{
    return (int)${c}_reorder(model, from, count);
}

static int64_t generate_position(void *model, int64_t row)
{
    return ${c}_position(model, row);
}

static kk_generate_options runtime_options(const ${c}_generate_options *o)
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

${c}_status ${c}_generate_batch(${c} *m, const int64_t *const *prompts, const size_t *prompt_counts, int64_t batch,
    const ${c}_generate_options *o, int64_t *ids, int64_t ids_capacity, ${c}_generate_result *results)
{
    kk_language_model model;
    kk_generate_request request;
    kk_generate_options options;
    kk_status status;

    if (!m || !o)
        return ${M}_ERROR_ARGUMENT;
    options = runtime_options(o);
    memset(&model, 0, sizeof model);
    model.model = m;
    model.feed = generate_feed;
    model.reorder = generate_reorder;
    model.position = generate_position;
    model.rows = m->sizes.batch;
    model.capacity = m->sizes.context;
    model.vocabulary = ${M}_VOCABULARY;
    model.uniform = ${1 if m.uniform_past else 0};
    memset(&request, 0, sizeof request);
    request.prompts = prompts;
    request.prompt_counts = prompt_counts;
    request.batch = batch;
    request.options = &options;
    request.ids = ids;
    request.ids_capacity = ids_capacity;
    request.results = m->results;
    status = kk_generate(&model, ${"&m->tokenizer" if m.tokenizer else "0"}, &request, m->generate_scratch, GENERATE_BYTES(&m->sizes));
    if (!results || batch < 1 || batch > m->sizes.batch || o->num_return_sequences < 1 || o->num_return_sequences > m->sizes.batch / batch)
        return (${c}_status)status;
    for (int64_t i = 0; i < batch * o->num_return_sequences; i++) {
        results[i].reason = (${c}_stop_reason)m->results[i].reason;
        results[i].tokens = m->results[i].tokens;
        results[i].last_id = m->results[i].last_id;
        results[i].score = m->results[i].score;
    }
    return (${c}_status)status;
}

${c}_status ${c}_generate(${c} *m, const int64_t *prompt, size_t prompt_count, const ${c}_generate_options *o,
    ${c}_generate_result *result)
{
    if (!o || o->num_return_sequences != 1)
        return ${M}_ERROR_ARGUMENT;
    return ${c}_generate_batch(m, prompt ? &prompt : 0, &prompt_count, 1, o, 0, 0, result);
}
