
static void forward_encode(void *argument, kk_thread *t)
{
    encode(argument, t);
}

${m.name}_status ${m.name}_encode(${m.name} *m${i.encode_parameters})
{
    ${m.name}_arguments *a = m ? &m->encoded : 0;
    ${m.name}_call c;
    kk_status status;

    if (!m)
        return ${m.upper}_ERROR_ARGUMENT;
% for v in i.encoder_inputs:
% if v not in i.optional_masks:
    if (!${v.c_name})
        return ${m.upper}_ERROR_ARGUMENT;
% endif
% endfor
% for d in i.encode_dims:
    if (${d.name} < ${max(1, d.lower)} || ${d.name} > ${d.limit})
        return ${m.upper}_ERROR_RANGE;
% endfor
    kk_rows_forget_inputs(&m->rows);
% for d in i.encode_dims:
    a->${d.name} = ${d.name};
% endfor
% for v in i.encoder_inputs:
% if v in i.kept_inputs:
    {
        ${v.c_type} *const kept = (${v.c_type} *)(uintptr_t)a->${v.c_name};
        const int64_t count = ${v.count};
% if v in i.optional_masks:
        for (int64_t n = 0; n < count; n++)
            kept[n] = ${v.c_name} ? ${v.c_name}[n] : 1;
% else:
        memcpy(kept, ${v.c_name}, (size_t)count * sizeof *kept);
% endif
    }
% else:
    a->${v.c_name} = ${v.c_name};
% endif
% endfor
% for check in m.encoder_checks:
    if (!kk_valid_${check.dtype}_indices(${check.first}, ${check.count}, ${check.step}, ${check.extent}))
        return ${m.upper}_ERROR_RANGE;
% endfor
% for v in m.binary_inputs:
    if (!kk_binary_${v.dtype}(a->${v.c_name}, ${v.count}))
        return ${m.upper}_ERROR_RANGE;
% endfor
    memset(&c, 0, sizeof c);
    c.m = m;
    c.a = *a;
% for v in i.encoder_outputs:
    c.a.${v.c_name} = ${v.c_name} ? ${v.c_name} : m->unwanted_${v.c_name};
% endfor
    kk_rows_reset(&m->rows);
    m->call = &c;
    status = kk_pool_run(m->pool, forward_encode, &c);
    for (int64_t b = 0; b < m->sizes.batch; b++)
        m->rows.input[b] = status == KK_OK && b < ${i.batch or i.fixed_batch} ? b : -1;
    return (${m.name}_status)status;
}
