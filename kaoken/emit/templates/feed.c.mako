
static void forward_feed(void *argument, kk_thread *t)
{
    forward(argument, t);
}

/* Appends ids to some rows. which: their numbers, null for the first ones; ids: [rows], or null and all in `flat`: [rows][count]. */
static kk_status feed_rows(${m.name} *m, const int64_t *which, int64_t rows, int64_t count, const int64_t *const *ids, const int64_t *flat,
    float *logits)
{
    if (rows < ${i.fixed_batch or 1} || rows > m->sizes.batch || count < 1)
        return KK_ERROR_RANGE;
    for (int64_t b = 0; b < rows; b++) {
        const int64_t row = which ? which[b] : b, past = m->rows.length[row];
% if i.encode:
        if (m->rows.input[row] < 0)
            return KK_ERROR_ORDER;
% endif
        if (count > m->sizes.context - past)
            return KK_ERROR_CAPACITY;
% if m.uniform_past:
        if (past != m->rows.length[which ? which[0] : 0])
            return KK_ERROR_RANGE; /* this model's rows advance together */
% endif
    }
    for (int64_t b = 0; b < rows; b++) {
        const int64_t *own = ids ? ids[b] : flat + b * count;
        for (int64_t i = 0; i < count; i++)
            if (own[i] < 0 || own[i] >= ${m.id_limit})
                return KK_ERROR_RANGE;
    }
    for (int64_t done = 0, n; done < count; done += n) {
        ${m.name}_call c;
        kk_status status;

        n = count - done < m->sizes.sequence ? count - done : m->sizes.sequence;
        kk_rows_select(&m->rows, which, rows);
        memset(&c, 0, sizeof c);
        c.m = m;
% if i.encode:
        c.a = m->encoded;
% endif
% if i.batch:
        c.a.${i.batch} = rows;
% endif
        c.a.${i.seq} = n;
        c.a.${i.past} = m->rows.call_length[0];
        c.a.${i.logits} = logits;
        c.a.${i.ids} = m->ids;
% if i.positions:
        c.a.${i.positions} = m->positions;
% endif
% if m.tail:
        c.logit_rows = logits && done + n == count;
% endif
        for (int64_t b = 0; b < rows; b++) {
            memcpy(m->ids + b * n, (ids ? ids[b] : flat + b * count) + done, (size_t)n * sizeof *m->ids);
            for (int64_t s = 0; s < n; s++)
                m->positions[b * n + s] = m->rows.call_length[b] + s;
        }
        m->call = &c;
        status = kk_pool_run(m->pool, forward_feed, &c);
        if (status != KK_OK)
            return status;
        for (int64_t b = 0; b < rows; b++)
            m->rows.length[which ? which[b] : b] += n;
    }
    return KK_OK;
}

${m.name}_status ${m.name}_feed(${m.name} *m, int64_t batch, int64_t count, const int64_t *ids, float *logits)
{
    if (!m || !ids)
        return ${m.upper}_ERROR_ARGUMENT;
    return (${m.name}_status)feed_rows(m, 0, batch, count, 0, ids, logits);
}

int64_t ${m.name}_position(const ${m.name} *m, int64_t row)
{
    return m && row >= 0 && row < m->sizes.batch ? m->rows.length[row] : -1;
}

int64_t ${m.name}_capacity(const ${m.name} *m)
{
    return m ? m->sizes.context : 0;
}

${m.name}_status ${m.name}_reset(${m.name} *m)
{
    if (!m)
        return ${m.upper}_ERROR_ARGUMENT;
    kk_rows_reset(&m->rows);
% if i.encode:
    forget_encoded(m);
% endif
    return ${m.upper}_OK;
}

${m.name}_status ${m.name}_truncate(${m.name} *m, int64_t row, int64_t length)
{
    if (!m)
        return ${m.upper}_ERROR_ARGUMENT;
    return (${m.name}_status)kk_rows_truncate(&m->rows, row, length);
}

${m.name}_status ${m.name}_reorder(${m.name} *m, const int64_t *rows, int64_t count)
{
    int64_t copies;
    kk_status status;

    if (!m || !rows)
        return ${m.upper}_ERROR_ARGUMENT;
    status = kk_rows_reorder(&m->rows, rows, count, &copies);
    for (int64_t n = 0; n < copies; n++) {
        const kk_row_copy copy = m->rows.copy[n];
        for (int i = 0; i < ${len(m.state_pairs)}; i++)
            kk_cache_copy(&m->cache[i], cache_shapes[i], copy.from, copy.to, copy.first, copy.end);
    }
    return (${m.name}_status)status;
}
<%include file="generate.c.mako"/>\
