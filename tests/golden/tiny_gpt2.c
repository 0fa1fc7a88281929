/* tiny_gpt2.c: entry points of tiny_gpt2, its memory plan, and its table of contents (forward, below).
 * Made by Kaoken 0.1.0 from model.onnx. */
#include "tiny_gpt2.h"

#include "kaoken/kk_arguments.h"
#include "kaoken/kk_cache.h"
#include "kaoken/kk_rows.h"
#include "kaoken/kk_integer.h"
#include "kaoken/kk_layout.h"
#include "kaoken/kk_platform.h"
#include "kaoken/kk_threads.h"
#include "kaoken/kk_weights.h"
#include "tiny_gpt2_kernels.h"
#include "kaoken/kk_generate.h"
#include "kaoken/kk_tokenizer.h"
#include "kaoken/kk_tokenizer_batch.h"

#include <string.h>

/* A layer's first step, and where its constants lie in the weights: transformer.h.0 to transformer.h.1. */
typedef struct transformer_h_weights {
    int64_t first_step;
    int64_t ln_1_scale, ln_1_shift;
    int64_t attn_c_attn_weight, attn_c_attn_bias;
    int64_t attn_c_proj_weight, attn_c_proj_bias;
    int64_t ln_2_scale, ln_2_shift;
    int64_t mlp_c_fc_weight, mlp_c_fc_bias;
    int64_t mlp_c_proj_weight, mlp_c_proj_bias;
} transformer_h_weights;

static const transformer_h_weights transformer_h_layers[2] = {
    {1, 163840, 164096, 164352, 213504, 214272, 230656, 230912, 231168, 231424, 296960, 297984, 363520},
    {8, 363776, 364032, 364288, 413440, 414208, 430592, 430848, 431104, 431360, 496896, 497920, 563456},
};

/* A layer's cache: heads, floats of a key and of a value. */
static const kk_cache_shape cache_shapes[2] = {{4, 16, 16}, {4, 16, 16}};

struct tiny_gpt2 {
    const tiny_gpt2_kernels *kernels;
    const unsigned char *weights; /* the section of packed constants */
    kk_pool *pool;
    unsigned char *slot[3]; /* the arena: places that activations share */
    kk_cache cache[2];
    kk_rows rows; /* where in the caches each row lies, and how many positions it holds */
    int64_t *positions, *ids; /* [batch][sequence]: a piece of what feed is given */
    kk_tokenizer tokenizer;
    unsigned char *text_scratch;
    size_t text_scratch_size;
    unsigned char *generate_scratch;
    kk_generate_result *results; /* [batch] */
    const kk_tokenizer *texts; /* null: ids alone */
    tiny_gpt2_sizes sizes;
    kk_profile profile;
    tiny_gpt2_step *steps; /* the caller's, while the handle is profiled */
    int64_t last_step;
    const struct tiny_gpt2_call *call; /* the one that runs */
    kk_weights file;
    void *owned; /* what create allocated, or null */
};

/* One call, as every thread sees it. */
typedef struct tiny_gpt2_call {
    tiny_gpt2 *m;
    tiny_gpt2_arguments a;
    int64_t logit_rows; /* positions at the end that logits are wanted of */
} tiny_gpt2_call;

/* The steps of a layer of transformer.h.0 to transformer.h.1. */
#define transformer_h_steps(layer) \
    {layer ".ln_1", "layer_norm_64", 2}, \
    {layer ".attn.c_attn", "linear_64x192_queries_keys_values", 3}, \
    {layer ".attn", "attention_4x16_causal", 4}, \
    {layer ".attn.c_proj", "linear_64x64_residual", 5}, \
    {layer ".ln_2", "layer_norm_64", 2}, \
    {layer ".mlp.c_fc", "linear_64x256_gelu_tanh", 6}, \
    {layer ".mlp.c_proj", "linear_256x64_residual", 6}

/* Every step of a call by number: its layer, the function that does it, and its case of step_cost. */
static const struct {
    const char *layer, *kernel;
    int cost;
} steps[TINY_GPT2_STEPS] = {
    {"transformer.wte", "embed_64", 1},
    transformer_h_steps("transformer.h.0"),
    transformer_h_steps("transformer.h.1"),
    {"transformer.ln_f", "layer_norm_64", 7},
    {"lm_head", "linear_64x512", 8},
    {"past_key_values", "kk_cache_import", 0},
    {"present", "kk_cache_export", 0},
};

/* FLOP, and bytes of weights and caches that are read, at the sizes of a call. */
static void step_cost(const tiny_gpt2_call *c, int cost, int64_t *flop, int64_t *bytes)
{
    const int64_t batch_size = c->a.batch_size, sequence_length = c->a.sequence_length, past_sequence_length = c->a.past_sequence_length, logit_rows = c->logit_rows;

    *flop = *bytes = 0;
    switch (cost) {
    case 1:
        *flop = batch_size*sequence_length*64;
        *bytes = kk_min_i64(131072, batch_size*sequence_length*256) + kk_min_i64(32768, batch_size*sequence_length*256);
        break;
    case 2:
        *flop = batch_size*sequence_length*448;
        *bytes = 0;
        break;
    case 3:
        *flop = batch_size*sequence_length*24576;
        *bytes = 49152;
        break;
    case 4:
        *flop = batch_size*past_sequence_length*sequence_length*256 + batch_size*((sequence_length*sequence_length + sequence_length) / 2)*256;
        *bytes = batch_size*past_sequence_length*512;
        break;
    case 5:
        *flop = batch_size*sequence_length*8192;
        *bytes = 16384;
        break;
    case 6:
        *flop = batch_size*sequence_length*32768;
        *bytes = 65536;
        break;
    case 7:
        *flop = batch_size*logit_rows*448;
        *bytes = 0;
        break;
    case 8:
        *flop = batch_size*logit_rows*65536;
        *bytes = 131072;
        break;
    default:
        (void)c;
    }
}

static const uint64_t constants_size = 564224;
enum { thread_scratch = 17920 };

/* Scratch of generate: logits, texts and beams, and a row's text that is held back for stop strings. */
static size_t generate_bytes(const tiny_gpt2_sizes *sizes)
{
    return kk_generate_scratch_for(sizes->batch, sizes->context + 1, TINY_GPT2_VOCABULARY, 1 << 16);
}

/* Fills in defaults and checks bounds; 0 if a size is outside. */
static int complete_sizes(const tiny_gpt2_sizes *given, tiny_gpt2_sizes *sizes)
{
    static const tiny_gpt2_sizes nothing;
    *sizes = given ? *given : nothing;
    return kk_complete_size(&sizes->batch, 1, 1, 8) &&
           kk_complete_size(&sizes->context, 128, 1, 128) &&
           kk_complete_size(&sizes->sequence, sizes->context < 128 ? sizes->context : 128, 1, 128) &&
           kk_complete_size(&sizes->text_bytes, 65536, 1, 1073741824) &&
           kk_complete_size(&sizes->threads, 1, 1, KK_THREADS_MAX);
}

/* Gives everything of a handle its place in memory, by its sizes, and returns the bytes; without memory it only measures. */
static size_t lay_out(tiny_gpt2 *m, unsigned char *memory, size_t *arena)
{
    const tiny_gpt2_sizes *const sizes = &m->sizes;
    kk_layout l = {memory, 0};
    size_t slot[3];

    slot[0] = kk_cover(&l, 0, sizes->batch*sizes->sequence*256); /* /transformer/Add_1_output_0, /transformer/h.0/Add_output_0, /transformer/h.0/Add_1_output_0, ... */
    slot[1] = kk_cover(&l, kk_behind(slot[0], sizes->batch*sizes->sequence*256), sizes->batch*sizes->sequence*256); /* /transformer/h.0/ln_1/LayerNormalization_output_0, /transformer/h.0/attn/MatMul_1_output_0, /transformer/h.0/ln_2/LayerNormalization_output_0, ... */
    slot[2] = kk_cover(&l, kk_behind(slot[1], sizes->batch*sizes->sequence*256), sizes->batch*sizes->sequence*1024); /* /transformer/h.0/attn/MatMul_1_output_0.Gemm_output_0, /transformer/h.0/mlp/act/Mul_3_output_0, /transformer/h.1/attn/MatMul_1_output_0.Gemm_output_0, ... */
    for (int i = 0; memory && i < 3; i++)
        m->slot[i] = memory + slot[i];
    *arena = l.end;
    void *const rows = kk_place(&l, (int64_t)kk_rows_bytes(sizes->batch));
    if (rows)
        kk_rows_open(&m->rows, sizes->batch, rows);
    m->positions = kk_place(&l, 8 * sizes->batch * sizes->sequence);
    m->ids = kk_place(&l, 8 * sizes->batch * sizes->sequence);
    kk_cache_place(m->cache, cache_shapes, 2, sizes->batch, sizes->context, m->rows.call_length, m->rows.call_place, &l);
    static const kk_text_demand text_demand = {1, 1, 0, 0}; /* what the tables ask of the memory that a text is encoded in */
    m->text_scratch_size = kk_text_scratch(&text_demand, (size_t)sizes->text_bytes);
    m->text_scratch = kk_place(&l, (int64_t)m->text_scratch_size);
    m->generate_scratch = kk_place(&l, (int64_t)generate_bytes(sizes));
    m->results = kk_place(&l, (int64_t)sizeof(kk_generate_result) * sizes->batch);
    m->pool = kk_place(&l, (int64_t)kk_pool_bytes((int)sizes->threads, thread_scratch));
    return l.end;
}

static kk_status open_weights(kk_weights *file, const char *path)
{
    return kk_weights_open(file, path, model_hash);
}

/* What else the weights file holds. */
static kk_status open_tables(tiny_gpt2 *m)
{
    size_t size = 0;
    const void *const tables = kk_weights_find(&m->file, "tokenizer", &size);
    m->texts = &m->tokenizer;
    return tables ? kk_tokenizer_open(tables, size, &m->tokenizer) : KK_ERROR_WEIGHTS;
}

static const tiny_gpt2_kernels *choose_kernels(void)
{
#ifdef TINY_GPT2_X86_LEVELS
    const kk_cpu level = kk_cpu_level();
    if (level >= KK_CPU_AVX512)
        return &tiny_gpt2_kernels_avx512;
    if (level >= KK_CPU_AVX2)
        return &tiny_gpt2_kernels_avx2;
#endif
    return &tiny_gpt2_kernels_baseline;
}

/* Bytes of a handle and of its arena for these sizes; 0 where one is out of its bounds. */
static size_t measured(const tiny_gpt2_sizes *sizes, size_t *arena)
{
    tiny_gpt2 m;
    memset(&m, 0, sizeof m);
    return complete_sizes(sizes, &m.sizes) ? kk_behind(0, sizeof m) + lay_out(&m, 0, arena) : 0;
}

size_t tiny_gpt2_arena_size(const tiny_gpt2_sizes *sizes)
{
    size_t arena;
    return measured(sizes, &arena) ? arena : 0;
}

size_t tiny_gpt2_memory_size(const tiny_gpt2_sizes *sizes)
{
    size_t arena;
    return measured(sizes, &arena);
}

/* Makes the handle in `memory`; the weights are open already and are the handle's from here on, or closed on error. */
static tiny_gpt2_status open_handle(tiny_gpt2 **handle, kk_weights *file, const tiny_gpt2_sizes *sizes, void *memory)
{
    tiny_gpt2 *m = memory;
    size_t size = 0, arena;
    kk_status status;

    memset(m, 0, sizeof *m);
    m->sizes = *sizes;
    m->file = *file;
    m->weights = kk_weights_find(file, "weights", &size);
    m->kernels = choose_kernels();
    lay_out(m, (unsigned char *)memory + kk_behind(0, sizeof *m), &arena);
    status = size == constants_size ? open_tables(m) : KK_ERROR_WEIGHTS;
    if (status == KK_OK)
        status = kk_pool_create(m->pool, kk_pool_bytes((int)sizes->threads, thread_scratch), (int)sizes->threads, thread_scratch, &m->pool);
    if (status != KK_OK) {
        kk_weights_close(file);
        return (tiny_gpt2_status)status;
    }
    *handle = m;
    return TINY_GPT2_OK;
}

tiny_gpt2_status tiny_gpt2_create(tiny_gpt2 **handle, const char *weights_path, const tiny_gpt2_sizes *sizes)
{
    tiny_gpt2_sizes complete;
    kk_weights file;
    kk_status status;
    void *memory;

    if (!handle)
        return TINY_GPT2_ERROR_ARGUMENT;
    *handle = 0;
    if (!complete_sizes(sizes, &complete))
        return TINY_GPT2_ERROR_RANGE;
    status = kk_cpu_check();
    if (status != KK_OK)
        return (tiny_gpt2_status)status;
    status = open_weights(&file, weights_path);
    if (status != KK_OK)
        return (tiny_gpt2_status)status;
    memory = kk_allocate(tiny_gpt2_memory_size(&complete));
    if (!memory) {
        kk_weights_close(&file);
        return TINY_GPT2_ERROR_MEMORY;
    }
    status = (kk_status)open_handle(handle, &file, &complete, memory);
    if (status == KK_OK)
        (*handle)->owned = memory;
    else
        kk_free(memory);
    return (tiny_gpt2_status)status;
}

tiny_gpt2_status tiny_gpt2_create_in(tiny_gpt2 **handle, const void *weights, size_t weights_size,
    const tiny_gpt2_sizes *sizes, void *memory, size_t memory_size)
{
    tiny_gpt2_sizes complete;
    kk_weights file;
    kk_status status;

    if (!handle)
        return TINY_GPT2_ERROR_ARGUMENT;
    *handle = 0;
    if (!memory || (uintptr_t)memory % 64 != 0)
        return TINY_GPT2_ERROR_ARGUMENT;
    if (!complete_sizes(sizes, &complete))
        return TINY_GPT2_ERROR_RANGE;
    if (memory_size < tiny_gpt2_memory_size(&complete))
        return TINY_GPT2_ERROR_CAPACITY;
    status = kk_cpu_check();
    if (status == KK_OK)
        status = kk_weights_view(&file, weights, weights_size, model_hash);
    return status == KK_OK ? open_handle(handle, &file, &complete, memory) : (tiny_gpt2_status)status;
}

void tiny_gpt2_destroy(tiny_gpt2 *handle)
{
    if (!handle)
        return;
    kk_pool_destroy(handle->pool);
    kk_weights_close(&handle->file);
    kk_free(handle->owned);
}

tiny_gpt2_status tiny_gpt2_check_weights(const tiny_gpt2 *handle)
{
    return handle ? (tiny_gpt2_status)kk_weights_check(&handle->file) : TINY_GPT2_ERROR_ARGUMENT;
}

const char *tiny_gpt2_level(const tiny_gpt2 *handle)
{
    return handle ? handle->kernels->level : "";
}

const char *tiny_gpt2_status_text(tiny_gpt2_status status)
{
    return kk_status_text((kk_status)status);
}

/* A step has ended: adds to its row. Only the thread of the caller comes here. */
static void note_step(void *argument, int64_t number, uint64_t nanoseconds, uint64_t waiting)
{
    tiny_gpt2 *m = argument;
    tiny_gpt2_step *s = m->steps + m->last_step;
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

tiny_gpt2_status tiny_gpt2_profile(tiny_gpt2 *m, tiny_gpt2_step *rows)
{
    if (!m)
        return TINY_GPT2_ERROR_ARGUMENT;
    m->steps = rows;
    m->profile.note = note_step;
    m->profile.argument = m;
    kk_pool_profile(m->pool, rows ? &m->profile : 0);
    for (int n = 0; rows && n < TINY_GPT2_STEPS; n++) {
        memset(&rows[n], 0, sizeof rows[n]);
        rows[n].layer = steps[n].layer;
        rows[n].kernel = steps[n].kernel;
    }
    return TINY_GPT2_OK;
}

/* transformer.h.0 to transformer.h.1 */
static void transformer_h(const tiny_gpt2_call *c, kk_thread *t, const transformer_h_weights *w, const kk_cache *cache)
{
    const tiny_gpt2_kernels *const k = c->m->kernels;
    const unsigned char *const weights = c->m->weights;
    const int64_t batch_size = c->a.batch_size, sequence_length = c->a.sequence_length, past_sequence_length = c->a.past_sequence_length;
    float *const slot0 = (float *)(void *)c->m->slot[0], *const slot1 = (float *)(void *)c->m->slot[1], *const slot2 = (float *)(void *)c->m->slot[2];

    /* ln_1: [batch_size][sequence_length][64] */
    k->layer_norm_64(t, 1, batch_size*sequence_length, slot0, 0, 64, (const float *)(weights + w->ln_1_scale), (const float *)(weights + w->ln_1_shift), slot1);
    kk_barrier(t, w->first_step);
    /* attn.c_attn: [batch_size][sequence_length][64] */
    k->linear_64x192_queries_keys_values(t, batch_size, sequence_length, slot1, 64, (const float *)(weights + w->attn_c_attn_weight), (const float *)(weights + w->attn_c_attn_bias), slot2, 64, cache);
    kk_barrier(t, w->first_step + 1);
    /* attn: [batch_size][sequence_length][64] */
    k->attention_4x16_causal(t, batch_size, sequence_length, slot2, 64, cache, sequence_length, c->a.attention_mask, past_sequence_length + sequence_length, slot1, 64);
    kk_barrier(t, w->first_step + 2);
    /* attn.c_proj: [batch_size][sequence_length][64] */
    k->linear_64x64_residual(t, batch_size*sequence_length, slot1, 64, (const float *)(weights + w->attn_c_proj_weight), (const float *)(weights + w->attn_c_proj_bias), slot0, 64, slot0, 64);
    kk_step(t, w->first_step + 3);
    /* ln_2: [batch_size][sequence_length][64] */
    k->layer_norm_64(t, 1, batch_size*sequence_length, slot0, 0, 64, (const float *)(weights + w->ln_2_scale), (const float *)(weights + w->ln_2_shift), slot1);
    kk_barrier(t, w->first_step + 4);
    /* mlp.c_fc: [batch_size][sequence_length][256] */
    k->linear_64x256_gelu_tanh(t, batch_size*sequence_length, slot1, 64, (const float *)(weights + w->mlp_c_fc_weight), (const float *)(weights + w->mlp_c_fc_bias), slot2, 256);
    kk_barrier(t, w->first_step + 5);
    /* mlp.c_proj: [batch_size][sequence_length][64] */
    k->linear_256x64_residual(t, batch_size*sequence_length, slot2, 256, (const float *)(weights + w->mlp_c_proj_weight), (const float *)(weights + w->mlp_c_proj_bias), slot0, 64, slot0, 64);
    kk_barrier(t, w->first_step + 6);
}

/* The whole model, run by every thread of the pool. */
static void forward(const tiny_gpt2_call *c, kk_thread *t)
{
    const tiny_gpt2_kernels *const k = c->m->kernels;
    const unsigned char *const weights = c->m->weights;
    const int64_t batch_size = c->a.batch_size, sequence_length = c->a.sequence_length, logit_rows = c->logit_rows;
    float *const slot0 = (float *)(void *)c->m->slot[0], *const slot1 = (float *)(void *)c->m->slot[1];

    /* transformer.wte: [batch_size][sequence_length][64] */
    k->embed_64(t, batch_size, sequence_length, (const float *)(weights + 0), c->a.input_ids, (const float *)(weights + 131072), c->a.position_ids, slot0);
    kk_step(t, 0);
    transformer_h(c, t, &transformer_h_layers[0], c->m->cache + 0); /* transformer.h.0 */
    transformer_h(c, t, &transformer_h_layers[1], c->m->cache + 1); /* transformer.h.1 */
    if (logit_rows == 0)
        return; /* nobody asks for the head */
    /* transformer.ln_f: [batch_size][logit_rows][64] */
    k->layer_norm_64(t, batch_size, logit_rows, slot0 + sequence_length*64 - logit_rows*64, sequence_length*64, 64, (const float *)(weights + 563712), (const float *)(weights + 563968), slot1);
    kk_barrier(t, 15);
    /* lm_head: [batch_size][logit_rows][512] */
    k->linear_64x512(t, batch_size*logit_rows, slot1, 64, (const float *)(weights + 0), c->a.logits, 512);
    kk_step(t, 16);
}

static void forward_run(void *argument, kk_thread *t)
{
    const tiny_gpt2_call *c = argument;
    /* What the caller kept of earlier positions goes into the cache; the longer cache comes back out. */
    kk_cache_import(t, &c->m->cache[0], cache_shapes[0], c->a.batch_size, c->a.past_sequence_length, c->a.past_key_values_0_key, c->a.past_key_values_0_value);
    kk_cache_import(t, &c->m->cache[1], cache_shapes[1], c->a.batch_size, c->a.past_sequence_length, c->a.past_key_values_1_key, c->a.past_key_values_1_value);
    kk_barrier(t, 17);
    forward(c, t);
    kk_barrier(t, KK_NO_STEP);
    kk_cache_export(t, &c->m->cache[0], cache_shapes[0], c->a.batch_size, c->a.past_sequence_length + c->a.sequence_length, c->a.present_0_key, c->a.present_0_value);
    kk_cache_export(t, &c->m->cache[1], cache_shapes[1], c->a.batch_size, c->a.past_sequence_length + c->a.sequence_length, c->a.present_1_key, c->a.present_1_value);
    kk_step(t, 18);
}

tiny_gpt2_status tiny_gpt2_run(tiny_gpt2 *m, const tiny_gpt2_arguments *a)
{
    tiny_gpt2_call c;

    if (!m || !a)
        return TINY_GPT2_ERROR_ARGUMENT;
    if (a->batch_size < 1 || a->batch_size > m->sizes.batch)
        return TINY_GPT2_ERROR_RANGE;
    if (a->sequence_length < 1 || a->sequence_length > m->sizes.sequence)
        return TINY_GPT2_ERROR_RANGE;
    if (a->past_sequence_length < 0 || a->past_sequence_length > m->sizes.context)
        return TINY_GPT2_ERROR_RANGE;
    if (a->past_sequence_length + a->sequence_length > m->sizes.context)
        return TINY_GPT2_ERROR_CAPACITY;
    if (!a->input_ids || !a->attention_mask || !a->position_ids || !a->logits)
        return TINY_GPT2_ERROR_ARGUMENT;
    if ((a->batch_size*a->past_sequence_length*64) > 0 && (!a->past_key_values_0_key || !a->past_key_values_0_value || !a->past_key_values_1_key || !a->past_key_values_1_value))
        return TINY_GPT2_ERROR_ARGUMENT;
    if (!kk_valid_int64_indices(a->input_ids, a->batch_size*a->sequence_length, 1, 512))
        return TINY_GPT2_ERROR_RANGE;
    if (!kk_valid_int64_indices(a->position_ids, a->batch_size*a->sequence_length, 1, 128))
        return TINY_GPT2_ERROR_RANGE;
    memset(&c, 0, sizeof c);
    c.m = m;
    c.a = *a;
    c.logit_rows = a->sequence_length;
    kk_rows_reset(&m->rows);
    for (int64_t b = 0; b < a->batch_size; b++)
        m->rows.call_length[b] = a->past_sequence_length;
    m->call = &c;
    return (tiny_gpt2_status)kk_pool_run(m->pool, forward_run, &c);
}

enum { id_limit = 512, state_caches = 2 };

/* A call on `rows` rows of which each appends the `count` ids that the handle holds. */
static tiny_gpt2_arguments piece(const tiny_gpt2 *m, int64_t rows, int64_t count, float *logits)
{
    tiny_gpt2_arguments a;
    memset(&a, 0, sizeof a);
    a.batch_size = rows;
    a.sequence_length = count;
    a.past_sequence_length = m->rows.call_length[0];
    a.logits = logits;
    a.input_ids = m->ids;
    a.position_ids = m->positions;
    return a;
}

static void forward_feed(void *argument, kk_thread *t)
{
    forward(argument, t);
}

/* Appends ids to some rows. which: their numbers, null for the first ones; ids: [rows], or null and all in `flat`: [rows][count]. */
static kk_status feed_rows(tiny_gpt2 *m, const int64_t *which, int64_t rows, int64_t count, const int64_t *const *ids, const int64_t *flat,
    float *logits)
{
    kk_status status = kk_rows_may_append(&m->rows, which, rows, count, m->sizes.context);
    for (int64_t b = 0; status == KK_OK && b < rows; b++) {
        const int64_t *own = ids ? ids[b] : flat + b * count;
        for (int64_t i = 0; i < count; i++)
            if (own[i] < 0 || own[i] >= id_limit)
                status = KK_ERROR_RANGE;
    }
    for (int64_t done = 0, n; status == KK_OK && done < count; done += n) {
        tiny_gpt2_call c;
        n = count - done < m->sizes.sequence ? count - done : m->sizes.sequence;
        kk_rows_select(&m->rows, which, rows);
        for (int64_t b = 0; b < rows; b++) {
            memcpy(m->ids + b * n, (ids ? ids[b] : flat + b * count) + done, (size_t)n * sizeof *m->ids);
            for (int64_t s = 0; s < n; s++)
                m->positions[b * n + s] = m->rows.call_length[b] + s;
        }
        memset(&c, 0, sizeof c);
        c.m = m;
        c.a = piece(m, rows, n, logits);
        c.logit_rows = logits && done + n == count;
        m->call = &c;
        status = kk_pool_run(m->pool, forward_feed, &c);
        for (int64_t b = 0; status == KK_OK && b < rows; b++)
            m->rows.length[which ? which[b] : b] += n;
    }
    return status;
}

tiny_gpt2_status tiny_gpt2_feed(tiny_gpt2 *m, int64_t batch, int64_t count, const int64_t *ids, float *logits)
{
    if (!m || !ids)
        return TINY_GPT2_ERROR_ARGUMENT;
    return (tiny_gpt2_status)feed_rows(m, 0, batch, count, 0, ids, logits);
}

int64_t tiny_gpt2_position(const tiny_gpt2 *m, int64_t row)
{
    return m && row >= 0 && row < m->sizes.batch ? m->rows.length[row] : -1;
}

int64_t tiny_gpt2_capacity(const tiny_gpt2 *m)
{
    return m ? m->sizes.context : 0;
}

tiny_gpt2_status tiny_gpt2_reset(tiny_gpt2 *m)
{
    if (!m)
        return TINY_GPT2_ERROR_ARGUMENT;
    kk_rows_reset(&m->rows);
    kk_rows_forget_inputs(&m->rows);
    return TINY_GPT2_OK;
}

tiny_gpt2_status tiny_gpt2_truncate(tiny_gpt2 *m, int64_t row, int64_t length)
{
    if (!m)
        return TINY_GPT2_ERROR_ARGUMENT;
    return (tiny_gpt2_status)kk_rows_truncate(&m->rows, row, length);
}

tiny_gpt2_status tiny_gpt2_reorder(tiny_gpt2 *m, const int64_t *rows, int64_t count)
{
    int64_t copies;
    kk_status status;

    if (!m || !rows)
        return TINY_GPT2_ERROR_ARGUMENT;
    status = kk_rows_reorder(&m->rows, rows, count, &copies);
    for (int64_t n = 0; n < copies; n++) {
        const kk_row_copy copy = m->rows.copy[n];
        for (int i = 0; i < state_caches; i++)
            kk_cache_copy(&m->cache[i], cache_shapes[i], copy.from, copy.to, copy.first, copy.end);
    }
    return (tiny_gpt2_status)status;
}

tiny_gpt2_generate_options tiny_gpt2_generate_defaults(void)
{
    tiny_gpt2_generate_options o;
    memset(&o, 0, sizeof o);
    o.max_new_tokens = 128;
    o.max_length = 0;
    o.num_beams = 1;
    o.length_penalty = 1.0;
    o.temperature = 0.0;
    o.top_k = 0;
    o.top_p = 1.0;
    o.min_p = 0.0;
    o.repetition_penalty = 1.0;
    o.no_repeat_ngram_size = 0;
    o.min_length = 0;
    o.min_new_tokens = 0;
    o.forced_bos_id = -1;
    o.forced_eos_id = -1;
    o.decoder_start_id = -1;
    o.num_return_sequences = 1;
    o.early_stopping = TINY_GPT2_EARLY_STOPPING_FALSE;
    return o;
}

static int generate_feed(void *model, const int64_t *rows, int64_t row_count, int64_t count, const int64_t *const *ids, float *logits)
{
    return (int)feed_rows(model, rows, row_count, count, ids, 0, logits);
}

static int generate_reorder(void *model, const int64_t *from, int64_t count)
{
    return (int)tiny_gpt2_reorder(model, from, count);
}

static int64_t generate_position(void *model, int64_t row)
{
    return tiny_gpt2_position(model, row);
}

static kk_generate_options runtime_options(const tiny_gpt2_generate_options *o)
{
    kk_generate_options r = kk_generate_defaults();
    r.max_new_tokens = o->max_new_tokens;
    r.max_length = o->max_length;
    r.num_beams = o->num_beams;
    r.num_return_sequences = o->num_return_sequences;
    r.length_penalty = o->length_penalty;
    r.early_stopping = (kk_early_stopping)o->early_stopping;
    r.decoder_start_id = o->decoder_start_id;
    r.sampler.temperature = o->temperature;
    r.sampler.top_k = o->top_k;
    r.sampler.top_p = o->top_p;
    r.sampler.min_p = o->min_p;
    r.sampler.seed = o->seed;
    r.logits.repetition_penalty = o->repetition_penalty;
    r.logits.no_repeat_ngram_size = o->no_repeat_ngram_size;
    r.logits.min_length = o->min_length;
    r.logits.min_new_tokens = o->min_new_tokens;
    r.logits.forced_bos_id = o->forced_bos_id;
    r.logits.forced_eos_id = o->forced_eos_id;
    r.logits.suppress_ids = o->suppress_ids;
    r.logits.suppress_id_count = o->suppress_id_count;
    r.logits.begin_suppress_ids = o->begin_suppress_ids;
    r.logits.begin_suppress_id_count = o->begin_suppress_id_count;
    r.logits.bad_words = o->bad_words;
    r.logits.bad_word_lengths = o->bad_word_lengths;
    r.logits.bad_word_count = o->bad_word_count;
    r.stop_ids = o->stop_ids;
    r.stop_id_count = o->stop_id_count;
    r.stream.stop_strings = o->stop_strings;
    r.stream.stop_string_count = o->stop_string_count;
    r.stream.keep_special = o->keep_special;
    r.stream.callback = o->callback;
    r.stream.user = o->user;
    return r;
}

tiny_gpt2_status tiny_gpt2_generate_batch(tiny_gpt2 *m, const int64_t *const *prompts, const size_t *prompt_counts, int64_t batch,
    const tiny_gpt2_generate_options *o, int64_t *ids, int64_t ids_capacity, tiny_gpt2_generate_result *results)
{
    kk_language_model model;
    kk_generate_request request;
    kk_generate_options options;
    kk_status status;

    if (!m || !o)
        return TINY_GPT2_ERROR_ARGUMENT;
    options = runtime_options(o);
    memset(&model, 0, sizeof model);
    model.model = m;
    model.feed = generate_feed;
    model.reorder = generate_reorder;
    model.position = generate_position;
    model.rows = m->sizes.batch;
    model.capacity = m->sizes.context;
    model.vocabulary = TINY_GPT2_VOCABULARY;
    model.uniform = m->rows.uniform;
    memset(&request, 0, sizeof request);
    request.prompts = prompts;
    request.prompt_counts = prompt_counts;
    request.batch = batch;
    request.options = &options;
    request.ids = ids;
    request.ids_capacity = ids_capacity;
    request.results = m->results;
    status = kk_generate(&model, m->texts, &request, m->generate_scratch, generate_bytes(&m->sizes));
    if (!results || batch < 1 || batch > m->sizes.batch || o->num_return_sequences < 1 || o->num_return_sequences > m->sizes.batch / batch)
        return (tiny_gpt2_status)status;
    for (int64_t i = 0; i < batch * o->num_return_sequences; i++) {
        results[i].reason = (tiny_gpt2_stop_reason)m->results[i].reason;
        results[i].tokens = m->results[i].tokens;
        results[i].last_id = m->results[i].last_id;
        results[i].score = m->results[i].score;
    }
    return (tiny_gpt2_status)status;
}

tiny_gpt2_status tiny_gpt2_generate(tiny_gpt2 *m, const int64_t *prompt, size_t prompt_count, const tiny_gpt2_generate_options *o,
    tiny_gpt2_generate_result *result)
{
    if (!o || o->num_return_sequences != 1)
        return TINY_GPT2_ERROR_ARGUMENT;
    return tiny_gpt2_generate_batch(m, prompt ? &prompt : 0, &prompt_count, 1, o, 0, 0, result);
}

tiny_gpt2_status tiny_gpt2_tokenize(tiny_gpt2 *m, const char *text, size_t bytes, int64_t *ids, size_t capacity, size_t *count)
{
    if (!m || (!text && bytes) || (!ids && capacity) || !count)
        return TINY_GPT2_ERROR_ARGUMENT;
    if (bytes > (size_t)m->sizes.text_bytes)
        return TINY_GPT2_ERROR_CAPACITY;
    return (tiny_gpt2_status)kk_tokenizer_encode(&m->tokenizer, text, bytes, 1, m->text_scratch, m->text_scratch_size, ids, capacity, count);
}

tiny_gpt2_status tiny_gpt2_detokenize(const tiny_gpt2 *m, const int64_t *ids, size_t count, int keep_special, char *text, size_t capacity, size_t *bytes)
{
    if (!m || (!ids && count) || (!text && capacity) || !bytes)
        return TINY_GPT2_ERROR_ARGUMENT;
    return (tiny_gpt2_status)kk_tokenizer_decode(&m->tokenizer, ids, count, !keep_special, text, capacity, bytes);
}

/* What the runtime takes of a text or a pair that may be encoded. */
static tiny_gpt2_status text_pair(const tiny_gpt2 *m, const tiny_gpt2_text *text, kk_text_pair *pair)
{
    if ((!text->text && text->bytes) || (!text->second && text->second_bytes))
        return TINY_GPT2_ERROR_ARGUMENT;
    if (text->bytes > (size_t)m->sizes.text_bytes || text->second_bytes > (size_t)m->sizes.text_bytes)
        return TINY_GPT2_ERROR_CAPACITY;
    pair->text = text->text;
    pair->bytes = text->bytes;
    pair->second = text->second;
    pair->second_bytes = text->second_bytes;
    return TINY_GPT2_OK;
}

tiny_gpt2_status tiny_gpt2_tokenize_pair(tiny_gpt2 *m, const tiny_gpt2_text *text, int64_t *ids, int64_t *types, size_t capacity, size_t *count)
{
    kk_text_pair pair;
    tiny_gpt2_status status;
    if (!m || !text || (!ids && capacity) || !count)
        return TINY_GPT2_ERROR_ARGUMENT;
    status = text_pair(m, text, &pair);
    if (status != TINY_GPT2_OK)
        return status;
    return (tiny_gpt2_status)kk_tokenizer_encode_pair(&m->tokenizer, &pair, KK_ENCODE_SPECIAL, m->text_scratch, m->text_scratch_size,
        ids, types, capacity, count);
}

tiny_gpt2_status tiny_gpt2_tokenize_batch(tiny_gpt2 *m, const tiny_gpt2_text *texts, int64_t rows, int64_t *input_ids,
    int64_t *attention_mask, int64_t *token_type_ids, int64_t *length)
{
    size_t most;
    if (!m || !texts || !input_ids || !length)
        return TINY_GPT2_ERROR_ARGUMENT;
    if (rows < 1 || *length < 1 || (uint64_t)*length > SIZE_MAX / sizeof *input_ids / (uint64_t)rows)
        return TINY_GPT2_ERROR_RANGE;
    most = (size_t)*length;
    for (int64_t row = 0; row < rows; row++) {
        kk_text_pair pair;
        tiny_gpt2_status status = text_pair(m, texts + row, &pair);
        if (status == TINY_GPT2_OK)
            status = (tiny_gpt2_status)kk_tokenizer_encode_row(&m->tokenizer, &pair, m->text_scratch, m->text_scratch_size,
                input_ids + (size_t)row * most, token_type_ids ? token_type_ids + (size_t)row * most : 0, most);
        if (status != TINY_GPT2_OK)
            return status;
    }
    kk_tokenizer_pack_rows(&m->tokenizer, (size_t)rows, input_ids, attention_mask, token_type_ids, &most);
    *length = (int64_t)most;
    return TINY_GPT2_OK;
}
