
enum { id_limit = ${m.id_limit}, state_caches = ${len(m.state_pairs)} };

/* A call on `rows` rows of which each appends the `count` ids that the handle holds. */
static ${m.name}_arguments piece(const ${m.name} *m, int64_t rows, int64_t count, float *logits)
{
    ${m.name}_arguments a;
% if i.encode:
    a = m->encoded;
% else:
    memset(&a, 0, sizeof a);
% endif
% if i.batch:
    a.${i.batch} = rows;
% else:
    (void)rows;
% endif
    a.${i.seq} = count;
    a.${i.past} = m->rows.call_length[0];
    a.${i.logits} = logits;
    a.${i.ids} = m->ids;
% if i.positions:
    a.${i.positions} = m->positions;
% endif
    return a;
}

${m.fixed("feed.c")}
<%include file="generate.c.mako"/>\
${m.fixed("generate.c")}
