<% e = m.embedding %>
/* How the checkpoint makes one vector of a text's, and the most ids that it takes of one. */
enum { usual_pooling = ${"0" if not e.pooling.mode else "%s_POOLING_%s" % (m.upper, e.pooling.mode.upper())}, usual_length_1 = ${int(e.pooling.normalize)}, longest_text = ${e.pooling.max_length or "INT32_MAX"} };

/* A call on ids whose mask lies in embed_inputs, and with it other inputs that a caller need not give: [batch][length] each. */
static ${m.name}_arguments embed_arguments(${m.name} *m, int64_t batch, int64_t length, const int64_t *ids)
{
    ${m.name}_arguments a;
% if e.types or e.positions:
    int64_t *made = m->embed_inputs;
% endif

    memset(&a, 0, sizeof a);
    a.${e.batch} = batch;
    a.${e.sequence} = length;
    a.${e.ids} = ids;
% if e.mask:
    a.${e.mask} = m->embed_inputs;
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
            made[b * length + s] = m->embed_inputs[b * length + s] ? tokens++ : 0;
    a.${e.positions} = made;
% endif
% for kept in e.kept:
    a.${kept.c_name} = (${kept.c_type} *)(void *)m->slot[${kept.slot}];
% endfor
    return a;
}

static const float *token_vectors(const ${m.name}_arguments *a)
{
    return a->${e.hidden.c_name};
}

${m.fixed("embed.c")}
% if m.tokenizer:
${m.fixed("embed_text.c")}
% endif
