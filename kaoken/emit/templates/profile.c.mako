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
