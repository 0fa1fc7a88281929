/* One embed: what is pooled, how, and where to. */
typedef struct kk_model_embed_call {
    int64_t batch, length;
    kk_pooling pooling;
    int normalize;
    const float *hidden;
    const int64_t *mask;
    float *y;
} kk_model_embed_call;

static void pool(void *argument, kk_thread *t)
{
    const kk_model_embed_call *c = argument;
    kk_pooling_rows(t, c->pooling, c->batch, c->length, KK_MODEL_EMBEDDING, c->hidden, c->mask, c->y);
    if (!c->normalize)
        return;
    kk_barrier(t, KK_NO_STEP);
    kk_pooling_normalize(t, c->batch, KK_MODEL_EMBEDDING, c->y);
}

kk_model_status kk_model_embed(kk_model *m, int64_t batch, int64_t length, const int64_t *ids, const int64_t *mask,
    const kk_model_embed_options *options, float *embeddings)
{
    static const kk_model_embed_options defaults;
    const kk_model_embed_options *o = options ? options : &defaults;
    const kk_model_pooling pooling = o->pooling == KK_MODEL_POOLING_DEFAULT ? (kk_model_pooling)usual_pooling : o->pooling;
    kk_model_arguments a;
    kk_model_embed_call c;
    kk_model_status status;

    if (!m || !ids || !embeddings || pooling < KK_MODEL_POOLING_MEAN || pooling > KK_MODEL_POOLING_LAST)
        return KK_MODEL_ERROR_ARGUMENT;
    if (o->normalize < -1 || o->normalize > 1)
        return KK_MODEL_ERROR_ARGUMENT;
    if (batch < 1 || batch > m->texts_at_once || length < 1 || length > m->ids_of_text)
        return KK_MODEL_ERROR_RANGE;
    for (int64_t i = 0; i < batch * length; i++)
        m->embed_inputs[i] = !mask || mask[i] != 0;
    memset(&c, 0, sizeof c);
    c.batch = batch;
    c.length = length;
    c.pooling = (kk_pooling)pooling;
    c.normalize = o->normalize ? o->normalize > 0 : usual_length_1;
    c.mask = m->embed_inputs;
    c.y = embeddings;
    a = embed_arguments(m, batch, length, ids);
    c.hidden = token_vectors(&a);
    status = kk_model_run(m, &a);
    return status == KK_MODEL_OK ? (kk_model_status)kk_pool_run(m->pool, pool, &c) : status;
}
