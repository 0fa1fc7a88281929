/* ${m.name}.c: entry points of ${m.name}, its memory plan, and its table of contents (forward, below).
 * Made by Kaoken ${m.version} from ${m.source}. */
#include "${m.name}.h"

#include "kaoken/kk_cache.h"
% if m.states:
#include "kaoken/kk_rows.h"
% endif
#include "kaoken/kk_integer.h"
#include "kaoken/kk_platform.h"
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

/* Where the constants of a layer lie in the weights: ${block.title}. */
typedef struct ${block.name}_weights {
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
% endif
% if m.embedding:
    int64_t *embed_inputs;
% endif
    ${m.name}_sizes sizes;
    kk_weights file;
    void *owned; /* what create allocated, or null */
};

/* One call: its sizes and the caller's tensors. */
typedef struct ${m.name}_call {
    ${m.name} *m;
% for d in m.call_dims:
    int64_t ${d};
% endfor
% for v in i.inputs:
    const ${v.c_type} *${v.c_name};
% endfor
% for v in i.outputs:
    ${v.c_type} *${v.c_name};
% endfor
% for f in i.found:
    int64_t *${f.name};
% endfor
% if m.may_stop:
    kk_status *status; /* what becomes of the call */
% endif
} ${m.name}_call;

% if i.feed:
/* Scratch of generate: logits, texts and beams, and a row's text that is held back for stop strings. */
#define GENERATE_TEXT (1 << 16)
#define GENERATE_BYTES(sizes) kk_generate_scratch_for((sizes)->batch, (sizes)->context + 1, ${m.upper}_VOCABULARY, GENERATE_TEXT)

% endif
% if m.tokenizer:
/* What the tokenizer's tables ask of the memory that a text is encoded in. */
static const kk_text_demand text_demand = {${", ".join(map(str, m.tokenizer))}};

% endif
/* Memory: offsets of everything in one block, for given sizes. */
typedef struct layout {
    size_t slot[${max(1, len(m.slots))}], arena_end;
% if m.states:
    size_t cache[${len(m.caches)}][2], rows, positions, ids;
% endif
% if i.encode:
% for v in [f"kept_{v.c_name}" for v in i.kept_inputs] + [f"unwanted_{v.c_name}" for v in i.encoder_outputs]:
    size_t ${v};
% endfor
% endif
% if m.cache_offsets:
    size_t offset[${len(m.cache_offsets)}];
% endif
% if m.tokenizer:
    size_t text_scratch;
% endif
% if i.feed:
    size_t generate_scratch, results;
% endif
% if m.embedding:
    size_t embed_inputs;
% endif
    size_t pool, total;
} layout;

static size_t behind(size_t at, int64_t bytes)
{
    return (at + (size_t)bytes + 63) / 64 * 64;
}

static size_t place(size_t *end, int64_t bytes)
{
    const size_t at = *end;
    *end = behind(at, bytes);
    return at;
}
% if m.slots:

static size_t farther(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* A slot of the arena may overlap others: their values are never alive together. */
static size_t cover(size_t *end, size_t at, int64_t bytes)
{
    *end = farther(*end, behind(at, bytes));
    return at;
}
% endif

/* Fills in defaults and checks bounds; 0 if a size is outside. */
static int complete_sizes(const ${m.name}_sizes *given, ${m.name}_sizes *sizes)
{
    static const ${m.name}_sizes nothing;
    *sizes = given ? *given : nothing;
% for size in i.sizes:
    if (sizes->${size.name} == 0)
        sizes->${size.name} = ${size.default_code};
    if (sizes->${size.name} < ${size.lower} || sizes->${size.name} > ${size.upper})
        return 0;
% endfor
    if (sizes->threads == 0)
        sizes->threads = 1;
    return sizes->threads >= 1 && sizes->threads <= KK_THREADS_MAX;
}

static layout plan_memory(const ${m.name}_sizes *sizes)
{
    layout l;
    size_t end = 0;
    (void)sizes;
    memset(&l, 0, sizeof l);
% for slot in m.slots:
    l.slot[${slot.index}] = cover(&end, ${slot.offset}, ${slot.size}); /* ${slot.text} */
% endfor
    l.arena_end = end;
% if m.states:
    const int64_t capacity = (sizes->context + 15) / 16 * 16;
    for (int i = 0; i < ${len(m.state_pairs)}; i++) {
        l.cache[i][0] = place(&end, 4 * kk_cache_floats(sizes->batch, cache_shapes[i].heads, capacity, cache_shapes[i].key_dim));
        l.cache[i][1] = place(&end, 4 * kk_cache_floats(sizes->batch, cache_shapes[i].heads, capacity, cache_shapes[i].value_dim));
    }
% if i.encode:
    const int64_t encoded_capacity = (${m.encoded_caches[2]} + 15) / 16 * 16;
    for (int i = ${m.encoded_caches[0]}; i < ${m.encoded_caches[1]}; i++) {
        l.cache[i][0] = place(&end, 4 * kk_cache_floats(sizes->batch, cache_shapes[i].heads, encoded_capacity, cache_shapes[i].key_dim));
        l.cache[i][1] = place(&end, 4 * kk_cache_floats(sizes->batch, cache_shapes[i].heads, encoded_capacity, cache_shapes[i].value_dim));
    }
% for v in i.kept_inputs:
    l.kept_${v.c_name} = place(&end, ${m.bytes_of(v)});
% endfor
% for v in i.encoder_outputs:
    l.unwanted_${v.c_name} = place(&end, ${m.bytes_of(v)});
% endfor
% endif
    l.rows = place(&end, (int64_t)kk_rows_bytes(sizes->batch));
    l.positions = place(&end, 8 * sizes->batch * sizes->sequence);
    l.ids = place(&end, 8 * sizes->batch * sizes->sequence);
% endif
% for n, o in enumerate(m.cache_offsets):
    l.offset[${n}] = place(&end, 8 * (${o.rows}));
% endfor
% if m.tokenizer:
    l.text_scratch = place(&end, (int64_t)kk_text_scratch(&text_demand, (size_t)sizes->text_bytes));
% endif
% if i.feed:
    l.generate_scratch = place(&end, (int64_t)GENERATE_BYTES(sizes));
    l.results = place(&end, (int64_t)sizeof(kk_generate_result) * sizes->batch);
% endif
% if m.embedding:
    l.embed_inputs = place(&end, ${8 * (m.embedding.made_up + (2 if m.tokenizer else 0))} * sizes->${m.embedding.batch} * sizes->${m.embedding.sequence});
% endif
    l.pool = place(&end, (int64_t)kk_pool_bytes((int)sizes->threads, ${m.scratch}));
    l.total = end;
    return l;
}

size_t ${m.name}_arena_size(const ${m.name}_sizes *sizes)
{
    ${m.name}_sizes complete;
    return complete_sizes(sizes, &complete) ? plan_memory(&complete).arena_end : 0;
}

size_t ${m.name}_memory_size(const ${m.name}_sizes *sizes)
{
    ${m.name}_sizes complete;
    if (!complete_sizes(sizes, &complete))
        return 0;
    return (sizeof(${m.name}) + 63) / 64 * 64 + plan_memory(&complete).total;
}

static const ${m.name}_kernels *choose_kernels(void)
{
#ifdef ${m.upper}_X86_LEVELS
    const kk_cpu level = kk_cpu_level();
    if (level >= KK_CPU_AVX512)
        return &${m.name}_kernels_avx512;
    if (level >= KK_CPU_AVX2)
        return &${m.name}_kernels_avx2;
#endif
    return &${m.name}_kernels_baseline;
}

static const unsigned char model_hash[32] = {${", ".join(str(b) for b in m.hash)}};

% if i.encode:
/* No row attends to anything. */
static void forget_encoded(${m.name} *m)
{
    for (int64_t b = 0; b < m->sizes.batch; b++)
        m->rows.input[b] = -1;
}

% endif
/* Lays the handle out in `memory`; the weights are open already and are the handle's from here on, or closed on error. */
static ${m.name}_status lay_out(${m.name} **handle, kk_weights *file, const ${m.name}_sizes *sizes, void *memory)
{
    ${m.name} *m = memory;
    unsigned char *base = (unsigned char *)memory + (sizeof *m + 63) / 64 * 64;
    const layout l = plan_memory(sizes);
    size_t size = 0;
    kk_status status;

    memset(m, 0, sizeof *m);
    m->sizes = *sizes;
    m->file = *file;
    m->weights = kk_weights_find(file, "weights", &size);
    m->kernels = choose_kernels();
    for (int i = 0; i < ${max(1, len(m.slots))}; i++)
        m->slot[i] = base + l.slot[i];
% if m.states:
    kk_rows_open(&m->rows, sizes->batch, base + l.rows);
    m->positions = (int64_t *)(void *)(base + l.positions);
    m->ids = (int64_t *)(void *)(base + l.ids);
    for (int i = 0; i < ${len(m.state_pairs)}; i++) {
        m->cache[i].keys = (float *)(void *)(base + l.cache[i][0]);
        m->cache[i].values = (float *)(void *)(base + l.cache[i][1]);
        m->cache[i].capacity = (sizes->context + 15) / 16 * 16;
        m->cache[i].past = m->rows.call_length;
        m->cache[i].row = m->rows.call_place;
    }
% endif
% if i.encode:
    forget_encoded(m);
    for (int i = ${m.encoded_caches[0]}; i < ${m.encoded_caches[1]}; i++) {
        m->cache[i].keys = (float *)(void *)(base + l.cache[i][0]);
        m->cache[i].values = (float *)(void *)(base + l.cache[i][1]);
        m->cache[i].capacity = (${m.encoded_caches[2]} + 15) / 16 * 16;
        m->cache[i].row = m->rows.call_input;
    }
% for v in i.kept_inputs:
    m->encoded.${v.c_name} = (const ${v.c_type} *)(const void *)(base + l.kept_${v.c_name});
% endfor
% for v in i.encoder_outputs:
    m->unwanted_${v.c_name} = (${v.c_type} *)(void *)(base + l.unwanted_${v.c_name});
% endfor
% endif
% for n, keys, values, capacity in m.arena_caches:
    m->cache[${n}].keys = (float *)(void *)m->slot[${keys}];
    m->cache[${n}].values = (float *)(void *)m->slot[${values}];
    m->cache[${n}].capacity = (${capacity} + 15) / 16 * 16;
% endfor
% for n, o in enumerate(m.cache_offsets):
    m->cache[${o.index}].past = m->offset[${n}] = (int64_t *)(void *)(base + l.offset[${n}]);
% endfor
    status = size == ${m.weights_size} ? KK_OK : KK_ERROR_WEIGHTS;
% if m.tokenizer:
    if (status == KK_OK) {
        const void *tables = kk_weights_find(file, "tokenizer", &size);
        status = tables ? kk_tokenizer_open(tables, size, &m->tokenizer) : KK_ERROR_WEIGHTS;
    }
    m->text_scratch = base + l.text_scratch;
    m->text_scratch_size = kk_text_scratch(&text_demand, (size_t)sizes->text_bytes);
% endif
% if i.feed:
    m->generate_scratch = base + l.generate_scratch;
    m->results = (kk_generate_result *)(void *)(base + l.results);
% endif
% if m.embedding:
    m->embed_inputs = (int64_t *)(void *)(base + l.embed_inputs);
% endif
    if (status == KK_OK)
        status = kk_pool_create(base + l.pool, kk_pool_bytes((int)sizes->threads, ${m.scratch}), (int)sizes->threads, ${m.scratch}, &m->pool);
    if (status != KK_OK) {
        kk_weights_close(file);
        return (${m.name}_status)status;
    }
    *handle = m;
    return ${m.upper}_OK;
}
% if m.embedded:

extern const unsigned char ${m.name}_embedded_weights[];
extern const uint64_t ${m.name}_embedded_weights_size;
% endif

${m.name}_status ${m.name}_create(${m.name} **handle, const char *weights_path, const ${m.name}_sizes *sizes)
{
    ${m.name}_sizes complete;
    kk_weights file;
    kk_status status;
    void *memory;

    if (!handle)
        return ${m.upper}_ERROR_ARGUMENT;
    *handle = 0;
    if (!complete_sizes(sizes, &complete))
        return ${m.upper}_ERROR_RANGE;
    status = kk_cpu_check();
    if (status != KK_OK)
        return (${m.name}_status)status;
% if m.embedded:
    status = weights_path ? kk_weights_open(&file, weights_path, model_hash)
                          : kk_weights_view(&file, ${m.name}_embedded_weights, (size_t)${m.name}_embedded_weights_size, model_hash);
% else:
    status = kk_weights_open(&file, weights_path, model_hash);
% endif
    if (status != KK_OK)
        return (${m.name}_status)status;
    memory = kk_allocate(${m.name}_memory_size(&complete));
    if (!memory) {
        kk_weights_close(&file);
        return ${m.upper}_ERROR_MEMORY;
    }
    status = (kk_status)lay_out(handle, &file, &complete, memory);
    if (status == KK_OK)
        (*handle)->owned = memory;
    else
        kk_free(memory);
    return (${m.name}_status)status;
}

${m.name}_status ${m.name}_create_in(${m.name} **handle, const void *weights, size_t weights_size,
    const ${m.name}_sizes *sizes, void *memory, size_t memory_size)
{
    ${m.name}_sizes complete;
    kk_weights file;
    kk_status status;

    if (!handle)
        return ${m.upper}_ERROR_ARGUMENT;
    *handle = 0;
    if (!memory || (uintptr_t)memory % 64 != 0)
        return ${m.upper}_ERROR_ARGUMENT;
    if (!complete_sizes(sizes, &complete))
        return ${m.upper}_ERROR_RANGE;
    if (memory_size < ${m.name}_memory_size(&complete))
        return ${m.upper}_ERROR_CAPACITY;
    status = kk_cpu_check();
    if (status == KK_OK)
        status = kk_weights_view(&file, weights, weights_size, model_hash);
    return status == KK_OK ? lay_out(handle, &file, &complete, memory) : (${m.name}_status)status;
}

<%include file="handle.c.mako"/>\
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

static void forward_run(void *argument, kk_thread *t)
{
    const ${m.name}_call *c = argument;
% if m.states:
    /* What the caller kept of earlier positions goes into the cache; the longer cache comes back out. */
% for s in m.state_pairs:
    kk_cache_import(t, &c->m->cache[${s.index}], cache_shapes[${s.index}], ${m.batch_of("c->")}, c->${i.past}, c->${s.past_keys}, c->${s.past_values});
% endfor
    kk_barrier(t);
% if i.encode:
    encode(c, t);
    kk_barrier(t);
% endif
    forward(c, t);
    kk_barrier(t);
% for s in m.state_pairs:
    kk_cache_export(t, &c->m->cache[${s.index}], cache_shapes[${s.index}], ${m.batch_of("c->")}, c->${i.past} + c->${i.seq}, c->${s.present_keys}, c->${s.present_values});
% endfor
% else:
    forward(c, t);
% endif
}

% for dtype in sorted({v.dtype for v in m.binary_inputs}):
/* Whether every element is 0 or 1. */
static int binary_${dtype}(const ${dtype}_t *mask, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (mask[i] != 0 && mask[i] != 1)
            return 0;
    return 1;
}

% endfor
% for dtype in m.index_types:
/* Whether every step-th element is an index into an axis of `extent`; negative ones count from its end. */
static int valid_${dtype}_indices(const ${dtype}_t *indices, int64_t count, int64_t step, int64_t extent)
{
    for (int64_t i = 0; i < count; i++)
        if (indices[i * step] < -extent || indices[i * step] >= extent)
            return 0;
    return 1;
}

% endfor
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
    memset(&c, 0, sizeof c);
    c.m = m;
% for d in i.dims:
    c.${d.name} = a->${d.name};
% endfor
% if m.tail:
    c.logit_rows = a->${i.seq};
% endif
% for v in i.inputs:
    if (!a->${v.c_name}${" && (%s) > 0" % v.count if v.may_be_empty else ""})
        return ${m.upper}_ERROR_ARGUMENT;
    c.${v.c_name} = a->${v.c_name};
% endfor
% for v in i.outputs:
% if v in i.encoder_outputs:
    c.${v.c_name} = a->${v.c_name} ? a->${v.c_name} : m->unwanted_${v.c_name};
% else:
% if not v.is_state:
    if (!a->${v.c_name}${" && (%s) > 0" % v.count if v.may_be_empty else ""})
        return ${m.upper}_ERROR_ARGUMENT;
% endif
    c.${v.c_name} = a->${v.c_name};
% endif
% endfor
% for v in m.binary_inputs:
    if (!binary_${v.dtype}(a->${v.c_name}, ${v.count}))
        return ${m.upper}_ERROR_RANGE;
% endfor
% for f in i.found:
    c.${f.name} = a->${f.name};
% endfor
% for check in m.checks:
    if (!valid_${check.dtype}_indices(${check.first}, ${check.count}, ${check.step}, ${check.extent}))
        return ${m.upper}_ERROR_RANGE;
% endfor
% if m.states:
    kk_rows_reset(&m->rows);
    for (int64_t b = 0; b < ${m.batch_of("a->")}; b++)
        m->rows.call_length[b] = a->${i.past};
% endif
% if i.encode:
    forget_encoded(m);
% endif
% for n, o in enumerate(m.cache_offsets):
    for (int64_t b = 0; b < ${o.batch}; b++)
        m->offset[${n}][b] = ${o.value};
% endfor
% if m.may_stop:
    kk_status stopped = KK_OK;
    c.status = &stopped;
% endif
% if i.encode or m.may_stop:
    const kk_status status = kk_pool_run(m->pool, forward_run, &c);
% if i.encode:
    forget_encoded(m);
% endif
    return (${m.name}_status)${"(status == KK_OK ? stopped : status)" if m.may_stop else "status"};
% else:
    return (${m.name}_status)kk_pool_run(m->pool, forward_run, &c);
% endif
}
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
<%include file="tokenize.c.mako"/>\
% endif
