/* ${m.name}.c: entry points of ${m.name}, its memory plan, and its table of contents (forward, below).
 * Made by Kaoken ${m.version} from ${m.source}. */
#include "${m.name}.h"

#include "kaoken/kk_arguments.h"
#include "kaoken/kk_cache.h"
% if m.states:
#include "kaoken/kk_rows.h"
% endif
#include "kaoken/kk_integer.h"
#include "kaoken/kk_layout.h"
#include "kaoken/kk_platform.h"
% for header in sorted(m.program.routines - {"kk_threads.h"}):
#include "kaoken/${header}"
% endfor
#include "kaoken/kk_threads.h"
#include "kaoken/kk_weights.h"
#include "${m.name}_kernels.h"
% if i.feed:
#include "kaoken/kk_generate.h"
% endif
% if m.embedding:
#include "kaoken/kk_pooling.h"
% endif
% if m.tokenizer or i.feed:
#include "kaoken/kk_tokenizer.h"
% endif
% if m.tokenizer:
#include "kaoken/kk_tokenizer_batch.h"
% endif

#include <string.h>
% for block in m.blocks:

/* A layer's first step, and where its constants lie in the weights: ${block.title}. */
typedef struct ${block.name}_weights {
    int64_t first_step;
% for group in block.field_groups:
    int64_t ${", ".join(group)};
% endfor
} ${block.name}_weights;

static const ${block.name}_weights ${block.name}_layers[${block.count}] = {
% for row in block.rows:
    {${row}},
% endfor
};
% endfor
% if m.states:

/* A layer's cache: heads, floats of a key and of a value. */
static const kk_cache_shape cache_shapes[${len(m.caches)}] = {${", ".join("{%d, %d, %d}" % c for c in m.caches)}};
% endif

struct ${m.name} {
    const ${m.name}_kernels *kernels;
    const unsigned char *weights; /* the section of packed constants */
    kk_pool *pool;
    unsigned char *slot[${max(1, len(m.slots))}]; /* the arena: places that activations share */
% if m.caches:
    kk_cache cache[${len(m.caches)}];
% endif
% if m.cache_offsets:
    int64_t *offset[${len(m.cache_offsets)}]; /* [batch]: where the first query stands among the keys */
% endif
% if m.states:
    kk_rows rows; /* where in the caches each row lies, and how many positions it holds */
% if i.encode:
    ${m.name}_arguments encoded; /* sizes of what was encoded, and the inputs of it that are kept */
% for v in i.encoder_outputs:
    ${v.c_type} *unwanted_${v.c_name}; /* where it goes when the caller does not want it */
% endfor
% endif
    int64_t *positions, *ids; /* [batch][sequence]: a piece of what feed is given */
% endif
% if m.tokenizer:
    kk_tokenizer tokenizer;
    unsigned char *text_scratch;
    size_t text_scratch_size;
% endif
% if i.feed:
    unsigned char *generate_scratch;
    kk_generate_result *results; /* [batch] */
    const kk_tokenizer *texts; /* null: ids alone */
% endif
% if m.embedding:
    int64_t *embed_inputs, texts_at_once, ids_of_text;
% if m.tokenizer:
    int64_t *text_inputs; /* ids and mask of texts */
% endif
% endif
    ${m.name}_sizes sizes;
    kk_profile profile;
    ${m.name}_step *steps; /* the caller's, while the handle is profiled */
    int64_t last_step;
    const struct ${m.name}_call *call; /* the one that runs */
    kk_weights file;
    void *owned; /* what create allocated, or null */
};

/* One call, as every thread sees it. */
typedef struct ${m.name}_call {
    ${m.name} *m;
    ${m.name}_arguments a;
% if m.tail:
    int64_t logit_rows; /* positions at the end that logits are wanted of */
% endif
% if m.may_stop:
    kk_status *status; /* what becomes of the call */
% endif
} ${m.name}_call;

<%include file="profile.c.mako"/>
<%include file="memory.c.mako"/>
${m.fixed("handle.c")}
% for block in m.blocks:

/* ${block.title} */
static void ${block.name}(const ${m.name}_call *c, kk_thread *t, const ${block.name}_weights *w${"".join(f", const kk_cache *{name}" for name in block.caches)}${"".join(f", int64_t {name}" for name in block.found)})
{
% for line in block.locals:
    ${line}
% endfor

% for line in block.lines:
    ${line}
% endfor
}
% endfor

% if m.may_stop:
/* Ends a call early: every thread comes here for the same reason, and returns. */
static void stop(const ${m.name}_call *c, const kk_thread *t, kk_status status)
{
    if (t->index == 0)
        *c->status = status;
}

% endif
% if m.encode:
/* The encoder, and the keys and values of cross-attention, run by every thread of the pool. */
static void encode(const ${m.name}_call *c, kk_thread *t)
{
% for line in m.encode.locals:
    ${line}
% endfor

% for line in m.encode.lines:
    ${line}
% endfor
}

/* The decoder, run by every thread of the pool. */
% else:
/* The whole model, run by every thread of the pool. */
% endif
static void forward(const ${m.name}_call *c, kk_thread *t)
{
% for line in m.forward.locals:
    ${line}
% endfor

% for line in m.forward.lines:
    ${line}
% endfor
}

<%include file="run.c.mako"/>\
% if i.encode:
<%include file="encode.c.mako"/>\
% endif
% if i.feed:
<%include file="feed.c.mako"/>\
% endif
% if m.embedding:
<%include file="embed.c.mako"/>\
% endif
% if m.tokenizer:

${m.fixed("text.c")}
% endif
