## A handle's memory: where everything lies for given sizes.
static const unsigned char model_hash[32] = {${", ".join(str(b) for b in m.hash)}};
static const uint64_t constants_size = ${m.program.weights.total};
enum { thread_scratch = ${m.scratch} };
% if i.feed:

/* Scratch of generate: logits, texts and beams, and a row's text that is held back for stop strings. */
static size_t generate_bytes(const ${m.name}_sizes *sizes)
{
    return kk_generate_scratch_for(sizes->batch, sizes->context + 1, ${m.upper}_VOCABULARY, 1 << 16);
}
% endif

/* Fills in defaults and checks bounds; 0 if a size is outside. */
static int complete_sizes(const ${m.name}_sizes *given, ${m.name}_sizes *sizes)
{
    static const ${m.name}_sizes nothing;
    *sizes = given ? *given : nothing;
    return ${" &&\n           ".join(f"kk_complete_size(&sizes->{s.name}, {s.default_code}, {s.lower}, {s.upper})" for s in i.sizes)}${" &&" if i.sizes else ""}
           kk_complete_size(&sizes->threads, 1, 1, KK_THREADS_MAX);
}

/* Gives everything of a handle its place in memory, by its sizes, and returns the bytes; without memory it only measures. */
static size_t lay_out(${m.name} *m, unsigned char *memory, size_t *arena)
{
    const ${m.name}_sizes *const sizes = &m->sizes;
    kk_layout l = {memory, 0};
% if m.slots:
    size_t slot[${len(m.slots)}];

% for slot in m.slots:
    slot[${slot.index}] = kk_cover(&l, ${slot.offset}, ${slot.size}); /* ${slot.text} */
% endfor
    for (int i = 0; memory && i < ${len(m.slots)}; i++)
        m->slot[i] = memory + slot[i];
% endif
    *arena = l.end;
% if m.states:
    void *const rows = kk_place(&l, (int64_t)kk_rows_bytes(sizes->batch));
    if (rows)
        kk_rows_open(&m->rows, sizes->batch, rows);
% if i.fixed_batch:
    m->rows.whole = 1;
% endif
% if m.uniform_past:
    m->rows.uniform = 1;
% endif
    m->positions = kk_place(&l, 8 * sizes->batch * sizes->sequence);
    m->ids = kk_place(&l, 8 * sizes->batch * sizes->sequence);
    kk_cache_place(m->cache, cache_shapes, ${len(m.state_pairs)}, sizes->batch, sizes->context, m->rows.call_length, m->rows.call_place, &l);
% endif
% if i.encode:
    m->rows.encoded = 1;
    if (rows)
        kk_rows_forget_inputs(&m->rows);
<% first, end, positions = m.encoded_caches %>\
    kk_cache_place(m->cache + ${first}, cache_shapes + ${first}, ${end - first}, sizes->batch, ${positions}, 0, m->rows.call_input, &l);
% for v in i.kept_inputs:
    m->encoded.${v.c_name} = kk_place(&l, ${m.bytes_of(v)});
% endfor
% for v in i.encoder_outputs:
    m->unwanted_${v.c_name} = kk_place(&l, ${m.bytes_of(v)});
% endfor
% endif
% for n, keys, values, capacity in m.arena_caches:
    m->cache[${n}].keys = (float *)(void *)m->slot[${keys}];
    m->cache[${n}].values = (float *)(void *)m->slot[${values}];
    m->cache[${n}].capacity = (${capacity} + 15) / 16 * 16;
% endfor
% for n, o in enumerate(m.cache_offsets):
    m->cache[${o.index}].past = m->offset[${n}] = kk_place(&l, 8 * (${o.rows}));
% endfor
% if m.tokenizer:
    static const kk_text_demand text_demand = {${", ".join(map(str, m.tokenizer))}}; /* what the tables ask of the memory that a text is encoded in */
    m->text_scratch_size = kk_text_scratch(&text_demand, (size_t)sizes->text_bytes);
    m->text_scratch = kk_place(&l, (int64_t)m->text_scratch_size);
% endif
% if i.feed:
    m->generate_scratch = kk_place(&l, (int64_t)generate_bytes(sizes));
    m->results = kk_place(&l, (int64_t)sizeof(kk_generate_result) * sizes->batch);
% endif
% if m.embedding:
    m->texts_at_once = sizes->${m.embedding.batch};
    m->ids_of_text = sizes->${m.embedding.sequence};
    m->embed_inputs = kk_place(&l, ${8 * m.embedding.made_up} * m->texts_at_once * m->ids_of_text);
% if m.tokenizer:
    m->text_inputs = kk_place(&l, 16 * m->texts_at_once * m->ids_of_text);
% endif
% endif
    m->pool = kk_place(&l, (int64_t)kk_pool_bytes((int)sizes->threads, thread_scratch));
    return l.end;
}

static kk_status open_weights(kk_weights *file, const char *path)
{
% if m.embedded:
    extern const unsigned char ${m.name}_embedded_weights[];
    extern const uint64_t ${m.name}_embedded_weights_size;
    if (!path)
        return kk_weights_view(file, ${m.name}_embedded_weights, (size_t)${m.name}_embedded_weights_size, model_hash);
% endif
    return kk_weights_open(file, path, model_hash);
}

/* What else the weights file holds. */
static kk_status open_tables(${m.name} *m)
{
% if m.tokenizer:
    size_t size = 0;
    const void *const tables = kk_weights_find(&m->file, "tokenizer", &size);
% if i.feed:
    m->texts = &m->tokenizer;
% endif
    return tables ? kk_tokenizer_open(tables, size, &m->tokenizer) : KK_ERROR_WEIGHTS;
% else:
    (void)m;
    return KK_OK;
% endif
}
