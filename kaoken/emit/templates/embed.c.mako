<% e = m.embedding %>

/* One embed: what is pooled, how, and where to. */
typedef struct ${m.name}_embed_call {
    int64_t batch, length;
    kk_pooling pooling;
    int normalize;
    const float *hidden;
    const int64_t *mask;
    float *y;
} ${m.name}_embed_call;

static void pool(void *argument, kk_thread *t)
{
    const ${m.name}_embed_call *c = argument;
    kk_pooling_rows(t, c->pooling, c->batch, c->length, ${e.width}, c->hidden, c->mask, c->y);
    if (!c->normalize)
        return;
    kk_barrier(t, KK_NO_STEP);
    kk_pooling_normalize(t, c->batch, ${e.width}, c->y);
}

${m.name}_status ${m.name}_embed(${m.name} *m, int64_t batch, int64_t length, const int64_t *ids, const int64_t *mask,
    const ${m.name}_embed_options *options, float *embeddings)
{
    static const ${m.name}_embed_options defaults;
    const ${m.name}_embed_options *o = options ? options : &defaults;
    const ${m.name}_pooling pooling = o->pooling == ${m.upper}_POOLING_DEFAULT ? ${"(%s_pooling)0" % m.name if not e.pooling.mode else "%s_POOLING_%s" % (m.upper, e.pooling.mode.upper())} : o->pooling;
    ${m.name}_arguments a;
    ${m.name}_embed_call c;
    ${m.name}_status status;
    int64_t *made;

    if (!m || !ids || !embeddings || pooling < ${m.upper}_POOLING_MEAN || pooling > ${m.upper}_POOLING_LAST)
        return ${m.upper}_ERROR_ARGUMENT;
    if (o->normalize < -1 || o->normalize > 1)
        return ${m.upper}_ERROR_ARGUMENT;
    if (batch < 1 || batch > m->sizes.${e.batch} || length < 1 || length > m->sizes.${e.sequence})
        return ${m.upper}_ERROR_RANGE;
    made = m->embed_inputs; /* inputs that a caller need not give: [batch][length] each */
    for (int64_t i = 0; i < batch * length; i++)
        made[i] = !mask || mask[i] != 0;
    memset(&c, 0, sizeof c);
    c.batch = batch;
    c.length = length;
    c.pooling = (kk_pooling)pooling;
    c.normalize = o->normalize ? o->normalize > 0 : ${int(e.pooling.normalize)};
    c.mask = made;
    c.y = embeddings;
    memset(&a, 0, sizeof a);
    a.${e.batch} = batch;
    a.${e.sequence} = length;
    a.${e.ids} = ids;
% if e.mask:
    a.${e.mask} = made;
% endif
% if e.types:
    made += batch * length;
    memset(made, 0, sizeof *made * (size_t)(batch * length));
    a.${e.types} = made;
% endif
% if e.positions:
    made += batch * length; /* tokens are counted, padding is not */
    for (int64_t b = 0; b < batch; b++)
        for (int64_t s = 0, tokens = 0; s < length; s++)
            made[b * length + s] = c.mask[b * length + s] ? tokens++ : 0;
    a.${e.positions} = made;
% endif
% for kept in e.kept:
    a.${kept.c_name} = (${kept.c_type} *)(void *)m->slot[${kept.slot}];
% endfor
    c.hidden = a.${e.hidden.c_name};
    status = ${m.name}_run(m, &a);
    return status == ${m.upper}_OK ? (${m.name}_status)kk_pool_run(m->pool, pool, &c) : status;
}
% if m.tokenizer:

${m.name}_status ${m.name}_embed_text(${m.name} *m, int64_t batch, const ${m.name}_text *texts,
    const ${m.name}_embed_options *options, float *embeddings)
{
    ${m.name}_status status;
    int64_t length, *ids, *mask;

    if (!m || !texts || !embeddings)
        return ${m.upper}_ERROR_ARGUMENT;
    if (batch < 1 || batch > m->sizes.${e.batch})
        return ${m.upper}_ERROR_RANGE;
    for (int64_t b = 0; b < batch; b++)
        if (texts[b].second)
            return ${m.upper}_ERROR_ARGUMENT;
    length = m->sizes.${e.sequence};
% if e.longest:
    if (length > ${e.longest})
        length = ${e.longest};
% endif
    ids = m->embed_inputs + ${e.made_up} * m->sizes.${e.batch} * m->sizes.${e.sequence}; /* behind what embed makes up */
    mask = ids + m->sizes.${e.batch} * m->sizes.${e.sequence};
    status = ${m.name}_tokenize_batch(m, texts, batch, ids, mask, 0, &length);
    return status == ${m.upper}_OK ? ${m.name}_embed(m, batch, length, ids, mask, options, embeddings) : status;
}
% endif
