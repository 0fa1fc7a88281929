
static void forward_feed(void *argument, kk_thread *t)
{
    forward(argument, t);
}

${m.name}_status ${m.name}_feed(${m.name} *m, int64_t batch, int64_t count, const int64_t *ids, float *logits)
{
    if (!m || !ids)
        return ${m.upper}_ERROR_ARGUMENT;
    if (batch < ${i.fixed_batch or 1} || batch > m->sizes.batch || count < 1)
        return ${m.upper}_ERROR_RANGE;
    for (int64_t b = 0; b < batch; b++) {
% if i.encode:
        if (m->encoded_row[b] < 0)
            return ${m.upper}_ERROR_ORDER;
% endif
        if (count > m->sizes.context - m->past[b])
            return ${m.upper}_ERROR_CAPACITY;
% if m.uniform_past:
        if (m->past[b] != m->past[0])
            return ${m.upper}_ERROR_RANGE; /* this model's rows advance together */
% endif
    }
    for (int64_t i = 0; i < batch * count; i++)
        if (ids[i] < 0 || ids[i] >= ${m.id_limit})
            return ${m.upper}_ERROR_RANGE;
    for (int64_t done = 0, n; done < count; done += n) {
        ${m.name}_call c;
        kk_status status;

        n = count - done < m->sizes.sequence ? count - done : m->sizes.sequence;
        memset(&c, 0, sizeof c);
        c.m = m;
% if i.batch:
        c.${i.batch} = batch;
% endif
        c.${i.seq} = n;
        c.${i.past} = m->past[0];
% for d in i.encoder_dims:
        c.${d.name} = m->encoded.${d.name};
% endfor
% for v in i.kept_inputs:
        c.${v.c_name} = m->encoded.${v.c_name};
% endfor
% if m.tail:
        c.logit_rows = logits && done + n == count;
% endif
        c.${i.logits} = logits;
        c.${i.ids} = m->ids;
% if i.positions:
        c.${i.positions} = m->positions;
% endif
        for (int64_t b = 0; b < batch; b++) {
            memcpy(m->ids + b * n, ids + b * count + done, (size_t)n * sizeof *ids);
            for (int64_t s = 0; s < n; s++)
                m->positions[b * n + s] = m->past[b] + s;
        }
        status = kk_pool_run(m->pool, forward_feed, &c);
        if (status != KK_OK)
            return (${m.name}_status)status;
        for (int64_t b = 0; b < batch; b++)
            m->past[b] += n;
    }
    return ${m.upper}_OK;
}

int64_t ${m.name}_position(const ${m.name} *m, int64_t row)
{
    return m && row >= 0 && row < m->sizes.batch ? m->past[row] : -1;
}

int64_t ${m.name}_capacity(const ${m.name} *m)
{
    return m ? m->sizes.context : 0;
}

${m.name}_status ${m.name}_reset(${m.name} *m)
{
    if (!m)
        return ${m.upper}_ERROR_ARGUMENT;
    memset(m->past, 0, sizeof *m->past * (size_t)m->sizes.batch);
% if i.encode:
    forget_encoded(m);
% endif
    return ${m.upper}_OK;
}

${m.name}_status ${m.name}_truncate(${m.name} *m, int64_t row, int64_t length)
{
    if (!m)
        return ${m.upper}_ERROR_ARGUMENT;
    if (row < 0 || row >= m->sizes.batch || length < 0 || length > m->past[row])
        return ${m.upper}_ERROR_RANGE;
    m->past[row] = length;
    return ${m.upper}_OK;
}

static void copy_row(${m.name} *m, int64_t from, int64_t to)
{
    for (int i = 0; i < ${len(m.state_pairs)}; i++)
        kk_cache_copy_row(&m->cache[i], cache_shapes[i], from, to, m->past[from]);
    m->past[to] = m->past[from];
% if i.encode:
    m->encoded_row[to] = m->encoded_row[from];
% endif
}

${m.name}_status ${m.name}_reorder(${m.name} *m, const int64_t *rows, int64_t count)
{
    const int64_t spare = m ? m->sizes.batch : 0;
    int64_t *const from = m ? m->positions : 0;

    if (!m || !rows)
        return ${m.upper}_ERROR_ARGUMENT;
    if (count < 0 || count > m->sizes.batch)
        return ${m.upper}_ERROR_RANGE;
    for (int64_t i = 0; i < count; i++) {
        if (rows[i] < 0 || rows[i] >= m->sizes.batch)
            return ${m.upper}_ERROR_RANGE;
        from[i] = rows[i];
    }
    for (;;) {
        int64_t next = -1;
        /* A row that nobody waits for can be overwritten; if all are waited for, one cycle is opened through the spare row. */
        for (int64_t i = 0; i < count; i++) {
            int waited = 0;
            if (from[i] == i)
                continue;
            for (int64_t j = 0; j < count; j++)
                waited |= j != i && from[j] == i;
            if (!waited) {
                copy_row(m, from[i], i);
                from[i] = i;
                next = -2;
                break;
            }
            if (next == -1)
                next = i;
        }
        if (next == -1)
            return ${m.upper}_OK;
        if (next >= 0) {
            copy_row(m, next, spare);
            for (int64_t j = 0; j < count; j++)
                if (from[j] == next)
                    from[j] = spare;
        }
    }
}

${m.name}_generate_options ${m.name}_generate_defaults(void)
{
    const kk_generate_options defaults = kk_generate_defaults();
    ${m.name}_generate_options o;
    memset(&o, 0, sizeof o);
    o.max_new_tokens = defaults.max_new_tokens;
    o.temperature = defaults.sampler.temperature;
    o.top_k = defaults.sampler.top_k;
    o.top_p = defaults.sampler.top_p;
    o.min_p = defaults.sampler.min_p;
    o.repetition_penalty = defaults.sampler.repetition_penalty;
    o.seed = defaults.sampler.seed;
    return o;
}

static int feed_row(void *model, const int64_t *ids, int64_t count, float *logits)
{
    return (int)${m.name}_feed(model, 1, count, ids, logits);
}

static int64_t row_position(void *model)
{
    return ${m.name}_position(model, 0);
}

${m.name}_status ${m.name}_generate(${m.name} *m, const int64_t *prompt, size_t prompt_count,
    const ${m.name}_generate_options *o, ${m.name}_generate_result *result)
{
    kk_language_model model;
    kk_generate_options options = kk_generate_defaults();
    kk_generate_result out;
    kk_status status;

    if (!m || !prompt || !o)
        return ${m.upper}_ERROR_ARGUMENT;
    model.model = m;
    model.feed = feed_row;
    model.position = row_position;
    model.capacity = m->sizes.context;
    model.vocabulary = ${m.upper}_VOCABULARY;
    options.max_new_tokens = o->max_new_tokens;
    options.sampler.temperature = o->temperature;
    options.sampler.top_k = o->top_k;
    options.sampler.top_p = o->top_p;
    options.sampler.min_p = o->min_p;
    options.sampler.repetition_penalty = o->repetition_penalty;
    options.sampler.seed = o->seed;
    options.stop_ids = o->stop_ids;
    options.stop_id_count = o->stop_id_count;
    options.stop_strings = o->stop_strings;
    options.stop_string_count = o->stop_string_count;
    options.keep_special = o->keep_special;
    options.callback = o->callback;
    options.user = o->user;
    memset(&out, 0, sizeof out);
    status = kk_generate(&model, ${"&m->tokenizer" if m.tokenizer else "0"}, prompt, prompt_count, &options, m->generate_scratch, (size_t)GENERATE_BYTES, &out);
    if (result) {
        result->reason = (${m.name}_stop_reason)out.reason;
        result->tokens = out.tokens;
        result->last_id = out.last_id;
    }
    return (${m.name}_status)status;
}
