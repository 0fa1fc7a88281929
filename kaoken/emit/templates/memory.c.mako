## A handle's memory: where everything lies for given sizes, and laying it out.
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
