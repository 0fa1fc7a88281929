## What every step of a call takes.
% for block in m.blocks:
% if block.steps:
/* The steps of a layer of ${block.title}. */
#define ${block.name}_steps(layer) ${"\\"}
% for step in block.steps:
    {layer "${m.quoted(step.layer)}", "${step.kernel}", ${step.cost}}${"" if loop.last else ", \\"}
% endfor

% endif
% endfor
/* Every step of a call by number: its layer, the function that does it, and its case of step_cost. */
static const struct {
    const char *layer, *kernel;
    int cost;
} steps[${m.upper}_STEPS] = {
% for line in m.step_lines:
    ${line},
% endfor
};

/* FLOP, and bytes of weights and caches that are read, at the sizes of a call. */
static void step_cost(const ${m.name}_call *c, int cost, int64_t *flop, int64_t *bytes)
{
% for line in m.cost_locals:
    ${line}
% endfor

    *flop = *bytes = 0;
    switch (cost) {
% for n, (flop, read) in enumerate(m.steps.costs):
% if n:
    case ${n}:
        *flop = ${flop};
        *bytes = ${read};
        break;
% endif
% endfor
    default:
        (void)c;
    }
}

/* A step has ended: adds to its row. Only the thread of the caller comes here. */
static void note_step(void *argument, int64_t number, uint64_t nanoseconds, uint64_t waiting)
{
    ${m.name} *m = argument;
    ${m.name}_step *s = m->steps + m->last_step;
    int64_t flop, bytes;

    if (number != KK_NO_STEP) {
        s = m->steps + number;
        m->last_step = number;
        step_cost(m->call, steps[number].cost, &flop, &bytes);
        s->calls++;
        s->flop += (double)flop;
        s->bytes += (double)bytes;
    }
    s->nanoseconds += (int64_t)nanoseconds;
    s->waiting += (int64_t)waiting;
}

${m.name}_status ${m.name}_profile(${m.name} *m, ${m.name}_step *rows)
{
    if (!m)
        return ${m.upper}_ERROR_ARGUMENT;
    m->steps = rows;
    m->profile.note = note_step;
    m->profile.argument = m;
    kk_pool_profile(m->pool, rows ? &m->profile : 0);
    for (int n = 0; rows && n < ${m.upper}_STEPS; n++) {
        memset(&rows[n], 0, sizeof rows[n]);
        rows[n].layer = steps[n].layer;
        rows[n].kernel = steps[n].kernel;
    }
    return ${m.upper}_OK;
}
