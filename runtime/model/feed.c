static void forward_feed(void *argument, kk_thread *t)
{
    forward(argument, t);
}

/* Appends ids to some rows. which: their numbers, null for the first ones; ids: [rows], or null and all in `flat`: [rows][count]. */
static kk_status feed_rows(kk_model *m, const int64_t *which, int64_t rows, int64_t count, const int64_t *const *ids, const int64_t *flat,
    float *logits)
{
    kk_status status = kk_rows_may_append(&m->rows, which, rows, count, m->sizes.context);
    for (int64_t b = 0; status == KK_OK && b < rows; b++) {
        const int64_t *own = ids ? ids[b] : flat + b * count;
        for (int64_t i = 0; i < count; i++)
            if (own[i] < 0 || own[i] >= id_limit)
                status = KK_ERROR_RANGE;
    }
    for (int64_t done = 0, n; status == KK_OK && done < count; done += n) {
        kk_model_call c;
        n = count - done < m->sizes.sequence ? count - done : m->sizes.sequence;
        kk_rows_select(&m->rows, which, rows);
        for (int64_t b = 0; b < rows; b++) {
            memcpy(m->ids + b * n, (ids ? ids[b] : flat + b * count) + done, (size_t)n * sizeof *m->ids);
            for (int64_t s = 0; s < n; s++)
                m->positions[b * n + s] = m->rows.call_length[b] + s;
        }
        memset(&c, 0, sizeof c);
        c.m = m;
        c.a = piece(m, rows, n, logits);
        c.logit_rows = logits && done + n == count;
        m->call = &c;
        status = kk_pool_run(m->pool, forward_feed, &c);
        for (int64_t b = 0; status == KK_OK && b < rows; b++)
            m->rows.length[which ? which[b] : b] += n;
    }
    return status;
}

kk_model_status kk_model_feed(kk_model *m, int64_t batch, int64_t count, const int64_t *ids, float *logits)
{
    if (!m || !ids)
        return KK_MODEL_ERROR_ARGUMENT;
    return (kk_model_status)feed_rows(m, 0, batch, count, 0, ids, logits);
}

int64_t kk_model_position(const kk_model *m, int64_t row)
{
    return m && row >= 0 && row < m->sizes.batch ? m->rows.length[row] : -1;
}

int64_t kk_model_capacity(const kk_model *m)
{
    return m ? m->sizes.context : 0;
}

kk_model_status kk_model_reset(kk_model *m)
{
    if (!m)
        return KK_MODEL_ERROR_ARGUMENT;
    kk_rows_reset(&m->rows);
    kk_rows_forget_inputs(&m->rows);
    return KK_MODEL_OK;
}

kk_model_status kk_model_truncate(kk_model *m, int64_t row, int64_t length)
{
    if (!m)
        return KK_MODEL_ERROR_ARGUMENT;
    return (kk_model_status)kk_rows_truncate(&m->rows, row, length);
}

kk_model_status kk_model_reorder(kk_model *m, const int64_t *rows, int64_t count)
{
    int64_t copies;
    kk_status status;

    if (!m || !rows)
        return KK_MODEL_ERROR_ARGUMENT;
    status = kk_rows_reorder(&m->rows, rows, count, &copies);
    for (int64_t n = 0; n < copies; n++) {
        const kk_row_copy copy = m->rows.copy[n];
        for (int i = 0; i < state_caches; i++)
            kk_cache_copy(&m->cache[i], cache_shapes[i], copy.from, copy.to, copy.first, copy.end);
    }
    return (kk_model_status)status;
}
