## The stateless call: its arguments checked, then every stage.
<%! from textwrap import fill %>\
static void forward_run(void *argument, kk_thread *t)
{
    const ${m.name}_call *c = argument;
% if m.states:
    /* What the caller kept of earlier positions goes into the cache; the longer cache comes back out. */
% for s in m.state_pairs:
    kk_cache_import(t, &c->m->cache[${s.index}], cache_shapes[${s.index}], ${m.batch_of("c->a.")}, c->a.${i.past}, c->a.${s.past_keys}, c->a.${s.past_values});
% endfor
    kk_barrier(t, ${m.steps.imported});
% if i.encode:
    encode(c, t);
    kk_barrier(t, KK_NO_STEP);
% endif
    forward(c, t);
    kk_barrier(t, KK_NO_STEP);
% for s in m.state_pairs:
    kk_cache_export(t, &c->m->cache[${s.index}], cache_shapes[${s.index}], ${m.batch_of("c->a.")}, c->a.${i.past} + c->a.${i.seq}, c->a.${s.present_keys}, c->a.${s.present_values});
% endfor
    kk_step(t, ${m.steps.imported + 1});
% else:
    forward(c, t);
% endif
}

${m.name}_status ${m.name}_run(${m.name} *m, const ${m.name}_arguments *a)
{
    ${m.name}_call c;

    if (!m || !a)
        return ${m.upper}_ERROR_ARGUMENT;
% for d in i.dims:
    if (a->${d.name} < ${d.lower} || a->${d.name} > ${d.limit})
        return ${m.upper}_ERROR_RANGE;
% endfor
% if m.states:
    if (a->${i.past} + a->${i.seq} > m->sizes.context)
        return ${m.upper}_ERROR_CAPACITY;
% endif
% for count, names in m.demanded:
    if (${"(%s) > 0 && " % count if count else ""}${fill(names, 124, subsequent_indent=" " * 8, break_long_words=False)})
        return ${m.upper}_ERROR_ARGUMENT;
% endfor
% for v in m.binary_inputs:
    if (!kk_binary_${v.dtype}(a->${v.c_name}, ${v.count}))
        return ${m.upper}_ERROR_RANGE;
% endfor
% for check in m.checks:
    if (!kk_valid_${check.dtype}_indices(${check.first}, ${check.count}, ${check.step}, ${check.extent}))
        return ${m.upper}_ERROR_RANGE;
% endfor
    memset(&c, 0, sizeof c);
    c.m = m;
    c.a = *a;
% if m.tail:
    c.logit_rows = a->${i.seq};
% endif
% for v in i.encoder_outputs:
    if (!a->${v.c_name})
        c.a.${v.c_name} = m->unwanted_${v.c_name};
% endfor
% if m.states:
    kk_rows_reset(&m->rows);
    for (int64_t b = 0; b < ${m.batch_of("a->")}; b++)
        m->rows.call_length[b] = a->${i.past};
% endif
% if i.encode:
    kk_rows_forget_inputs(&m->rows);
% endif
% for n, o in enumerate(m.cache_offsets):
    for (int64_t b = 0; b < ${o.batch}; b++)
        m->offset[${n}][b] = ${o.value};
% endfor
% if m.may_stop:
    kk_status stopped = KK_OK;
    c.status = &stopped;
% endif
    m->call = &c;
% if i.encode or m.may_stop:
    const kk_status status = kk_pool_run(m->pool, forward_run, &c);
% if i.encode:
    kk_rows_forget_inputs(&m->rows);
% endif
    return (${m.name}_status)${"(status == KK_OK ? stopped : status)" if m.may_stop else "status"};
% else:
    return (${m.name}_status)kk_pool_run(m->pool, forward_run, &c);
% endif
}
