/* tiny_bert.c: entry points of tiny_bert, its memory plan, and its table of contents (forward, below).
 * Made by Kaoken 0.1.0 from model.onnx. */
#include "tiny_bert.h"

#include "kaoken/kk_arguments.h"
#include "kaoken/kk_cache.h"
#include "kaoken/kk_integer.h"
#include "kaoken/kk_layout.h"
#include "kaoken/kk_platform.h"
#include "kaoken/kk_threads.h"
#include "kaoken/kk_weights.h"
#include "tiny_bert_kernels.h"
#include "kaoken/kk_pooling.h"
#include "kaoken/kk_tokenizer.h"
#include "kaoken/kk_tokenizer_batch.h"

#include <string.h>

/* A layer's first step, and where its constants lie in the weights: layer 0 to encoder.layer. */
typedef struct layer_0_weights {
    int64_t first_step;
    int64_t embeddings_LayerNorm_scale, embeddings_LayerNorm_shift;
    int64_t encoder_layer_0_attention_self_query_weight, encoder_layer_0_attention_self_query_bias;
    int64_t encoder_layer_0_attention_output_dense_weight, encoder_layer_0_attention_output_dense_bias;
    int64_t encoder_layer_0_attention_output_LayerNorm_scale, encoder_layer_0_attention_output_LayerNorm_shift;
    int64_t encoder_layer_0_intermediate_dense_weight, encoder_layer_0_intermediate_dense_bias;
    int64_t encoder_layer_0_output_dense_weight, encoder_layer_0_output_dense_bias;
} layer_0_weights;

static const layer_0_weights layer_0_layers[2] = {
    {1, 164352, 164608, 164864, 214016, 214784, 231168, 231424, 231680, 231936, 264704, 265216, 297984},
    {8, 298240, 298496, 298752, 347904, 348672, 365056, 365312, 365568, 365824, 398592, 399104, 431872},
};

struct tiny_bert {
    const tiny_bert_kernels *kernels;
    const unsigned char *weights; /* the section of packed constants */
    kk_pool *pool;
    unsigned char *slot[5]; /* the arena: places that activations share */
    kk_cache cache[2];
    kk_tokenizer tokenizer;
    unsigned char *text_scratch;
    size_t text_scratch_size;
    int64_t *embed_inputs, texts_at_once, ids_of_text;
    int64_t *text_inputs; /* ids and mask of texts */
    tiny_bert_sizes sizes;
    kk_profile profile;
    tiny_bert_step *steps; /* the caller's, while the handle is profiled */
    int64_t last_step;
    const struct tiny_bert_call *call; /* the one that runs */
    kk_weights file;
    void *owned; /* what create allocated, or null */
};

/* One call, as every thread sees it. */
typedef struct tiny_bert_call {
    tiny_bert *m;
    tiny_bert_arguments a;
} tiny_bert_call;

/* Every step of a call by number: its layer, the function that does it, and its case of step_cost. */
static const struct {
    const char *layer, *kernel;
    int cost;
} steps[TINY_BERT_STEPS] = {
    {"embeddings.word_embeddings", "embed_64", 1},
    {"embeddings.LayerNorm", "layer_norm_64", 2},
    {"encoder.layer.0.attention.self.query", "linear_64x192_queries_keys_values", 3},
    {"encoder.layer.0.attention.self", "attention_4x16", 4},
    {"encoder.layer.0.attention.output.dense", "linear_64x64_residual", 5},
    {"encoder.layer.0.attention.output.LayerNorm", "layer_norm_64", 2},
    {"encoder.layer.0.intermediate.dense", "linear_64x128_gelu", 6},
    {"encoder.layer.0.output.dense", "linear_128x64_residual", 6},
    {"encoder.layer.0.output.LayerNorm", "layer_norm_64", 2},
    {"encoder.layer.1.attention.self.query", "linear_64x192_queries_keys_values", 3},
    {"encoder.layer.1.attention.self", "attention_4x16", 4},
    {"encoder.layer.1.attention.output.dense", "linear_64x64_residual", 5},
    {"encoder.layer.1.attention.output.LayerNorm", "layer_norm_64", 2},
    {"encoder.layer.1.intermediate.dense", "linear_64x128_gelu", 6},
    {"encoder.layer.1.output.dense", "linear_128x64_residual", 6},
    {"encoder.layer.1.output.LayerNorm", "layer_norm_64", 2},
};

/* FLOP, and bytes of weights and caches that are read, at the sizes of a call. */
static void step_cost(const tiny_bert_call *c, int cost, int64_t *flop, int64_t *bytes)
{
    const int64_t batch_size = c->a.batch_size, sequence_length = c->a.sequence_length;

    *flop = *bytes = 0;
    switch (cost) {
    case 1:
        *flop = batch_size*sequence_length*128;
        *bytes = kk_min_i64(131072, batch_size*sequence_length*512) + kk_min_i64(32768, batch_size*sequence_length*512) + 512;
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
        *flop = batch_size*sequence_length*sequence_length*256;
        *bytes = 0;
        break;
    case 5:
        *flop = batch_size*sequence_length*8192;
        *bytes = 16384;
        break;
    case 6:
        *flop = batch_size*sequence_length*16384;
        *bytes = 32768;
        break;
    default:
        (void)c;
    }
}

static const uint64_t constants_size = 432640;
enum { thread_scratch = 17920 };

/* Fills in defaults and checks bounds; 0 if a size is outside. */
static int complete_sizes(const tiny_bert_sizes *given, tiny_bert_sizes *sizes)
{
    static const tiny_bert_sizes nothing;
    *sizes = given ? *given : nothing;
    return kk_complete_size(&sizes->batch_size, 1, 1, 8) &&
           kk_complete_size(&sizes->sequence_length, 128, 1, 128) &&
           kk_complete_size(&sizes->text_bytes, 65536, 1, 1073741824) &&
           kk_complete_size(&sizes->threads, 1, 1, KK_THREADS_MAX);
}

/* Gives everything of a handle its place in memory, by its sizes, and returns the bytes; without memory it only measures. */
static size_t lay_out(tiny_bert *m, unsigned char *memory, size_t *arena)
{
    const tiny_bert_sizes *const sizes = &m->sizes;
    kk_layout l = {memory, 0};
    size_t slot[5];

    slot[0] = kk_cover(&l, 0, sizes->batch_size*sizes->sequence_length*512); /* /encoder/layer.0/attention/self/query/Add_output_0, /encoder/layer.0/intermediate/intermediate_act_fn/Mul_1_output_0, /encoder/layer.1/attention/self/query/Add_output_0, ... */
    slot[1] = kk_cover(&l, kk_behind(slot[0], sizes->batch_size*sizes->sequence_length*256), sizes->batch_size*((sizes->sequence_length + 15) / 16)*4096); /* /encoder/layer.0/attention/self/MatMul_1_output_0.Add_output_0, /encoder/layer.1/attention/self/MatMul_1_output_0.Add_output_0 */
    slot[2] = kk_cover(&l, kk_farther(kk_behind(slot[0], sizes->batch_size*sizes->sequence_length*512), kk_behind(slot[1], sizes->batch_size*((sizes->sequence_length + 15) / 16)*4096)), sizes->batch_size*sizes->sequence_length*256); /* /embeddings/Add_1_output_0, /embeddings/LayerNorm/LayerNormalization_output_0, /encoder/layer.0/attention/output/Add_output_0, ... */
    slot[3] = kk_cover(&l, kk_behind(slot[2], sizes->batch_size*sizes->sequence_length*256), sizes->batch_size*((sizes->sequence_length + 15) / 16)*4096); /* /encoder/layer.0/attention/self/MatMul_1_output_0.Add_output_0, /encoder/layer.1/attention/self/MatMul_1_output_0.Add_output_0 */
    slot[4] = kk_cover(&l, kk_behind(slot[3], sizes->batch_size*((sizes->sequence_length + 15) / 16)*4096), sizes->batch_size*sizes->sequence_length*256); /* /encoder/layer.0/attention/self/MatMul_1_output_0, /encoder/layer.1/attention/self/MatMul_1_output_0 */
    for (int i = 0; memory && i < 5; i++)
        m->slot[i] = memory + slot[i];
    *arena = l.end;
    m->cache[0].keys = (float *)(void *)m->slot[1];
    m->cache[0].values = (float *)(void *)m->slot[3];
    m->cache[0].capacity = (sizes->sequence_length + 15) / 16 * 16;
    m->cache[1].keys = (float *)(void *)m->slot[1];
    m->cache[1].values = (float *)(void *)m->slot[3];
    m->cache[1].capacity = (sizes->sequence_length + 15) / 16 * 16;
    static const kk_text_demand text_demand = {3, 5, 0, 2}; /* what the tables ask of the memory that a text is encoded in */
    m->text_scratch_size = kk_text_scratch(&text_demand, (size_t)sizes->text_bytes);
    m->text_scratch = kk_place(&l, (int64_t)m->text_scratch_size);
    m->texts_at_once = sizes->batch_size;
    m->ids_of_text = sizes->sequence_length;
    m->embed_inputs = kk_place(&l, 16 * m->texts_at_once * m->ids_of_text);
    m->text_inputs = kk_place(&l, 16 * m->texts_at_once * m->ids_of_text);
    m->pool = kk_place(&l, (int64_t)kk_pool_bytes((int)sizes->threads, thread_scratch));
    return l.end;
}

static kk_status open_weights(kk_weights *file, const char *path)
{
    return kk_weights_open(file, path, model_hash);
}

/* What else the weights file holds. */
static kk_status open_tables(tiny_bert *m)
{
    size_t size = 0;
    const void *const tables = kk_weights_find(&m->file, "tokenizer", &size);
    return tables ? kk_tokenizer_open(tables, size, &m->tokenizer) : KK_ERROR_WEIGHTS;
}

static const tiny_bert_kernels *choose_kernels(void)
{
#ifdef TINY_BERT_X86_LEVELS
    const kk_cpu level = kk_cpu_level();
    if (level >= KK_CPU_AVX512)
        return &tiny_bert_kernels_avx512;
    if (level >= KK_CPU_AVX2)
        return &tiny_bert_kernels_avx2;
#endif
    return &tiny_bert_kernels_baseline;
}

/* Bytes of a handle and of its arena for these sizes; 0 where one is out of its bounds. */
static size_t measured(const tiny_bert_sizes *sizes, size_t *arena)
{
    tiny_bert m;
    memset(&m, 0, sizeof m);
    return complete_sizes(sizes, &m.sizes) ? kk_behind(0, sizeof m) + lay_out(&m, 0, arena) : 0;
}

size_t tiny_bert_arena_size(const tiny_bert_sizes *sizes)
{
    size_t arena;
    return measured(sizes, &arena) ? arena : 0;
}

size_t tiny_bert_memory_size(const tiny_bert_sizes *sizes)
{
    size_t arena;
    return measured(sizes, &arena);
}

/* Makes the handle in `memory`; the weights are open already and are the handle's from here on, or closed on error. */
static tiny_bert_status open_handle(tiny_bert **handle, kk_weights *file, const tiny_bert_sizes *sizes, void *memory)
{
    tiny_bert *m = memory;
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
        return (tiny_bert_status)status;
    }
    *handle = m;
    return TINY_BERT_OK;
}

tiny_bert_status tiny_bert_create(tiny_bert **handle, const char *weights_path, const tiny_bert_sizes *sizes)
{
    tiny_bert_sizes complete;
    kk_weights file;
    kk_status status;
    void *memory;

    if (!handle)
        return TINY_BERT_ERROR_ARGUMENT;
    *handle = 0;
    if (!complete_sizes(sizes, &complete))
        return TINY_BERT_ERROR_RANGE;
    status = kk_cpu_check();
    if (status != KK_OK)
        return (tiny_bert_status)status;
    status = open_weights(&file, weights_path);
    if (status != KK_OK)
        return (tiny_bert_status)status;
    memory = kk_allocate(tiny_bert_memory_size(&complete));
    if (!memory) {
        kk_weights_close(&file);
        return TINY_BERT_ERROR_MEMORY;
    }
    status = (kk_status)open_handle(handle, &file, &complete, memory);
    if (status == KK_OK)
        (*handle)->owned = memory;
    else
        kk_free(memory);
    return (tiny_bert_status)status;
}

tiny_bert_status tiny_bert_create_in(tiny_bert **handle, const void *weights, size_t weights_size,
    const tiny_bert_sizes *sizes, void *memory, size_t memory_size)
{
    tiny_bert_sizes complete;
    kk_weights file;
    kk_status status;

    if (!handle)
        return TINY_BERT_ERROR_ARGUMENT;
    *handle = 0;
    if (!memory || (uintptr_t)memory % 64 != 0)
        return TINY_BERT_ERROR_ARGUMENT;
    if (!complete_sizes(sizes, &complete))
        return TINY_BERT_ERROR_RANGE;
    if (memory_size < tiny_bert_memory_size(&complete))
        return TINY_BERT_ERROR_CAPACITY;
    status = kk_cpu_check();
    if (status == KK_OK)
        status = kk_weights_view(&file, weights, weights_size, model_hash);
    return status == KK_OK ? open_handle(handle, &file, &complete, memory) : (tiny_bert_status)status;
}

void tiny_bert_destroy(tiny_bert *handle)
{
    if (!handle)
        return;
    kk_pool_destroy(handle->pool);
    kk_weights_close(&handle->file);
    kk_free(handle->owned);
}

tiny_bert_status tiny_bert_check_weights(const tiny_bert *handle)
{
    return handle ? (tiny_bert_status)kk_weights_check(&handle->file) : TINY_BERT_ERROR_ARGUMENT;
}

const char *tiny_bert_level(const tiny_bert *handle)
{
    return handle ? handle->kernels->level : "";
}

const char *tiny_bert_status_text(tiny_bert_status status)
{
    return kk_status_text((kk_status)status);
}

/* A step has ended: adds to its row. Only the thread of the caller comes here. */
static void note_step(void *argument, int64_t number, uint64_t nanoseconds, uint64_t waiting)
{
    tiny_bert *m = argument;
    tiny_bert_step *s = m->steps + m->last_step;
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

tiny_bert_status tiny_bert_profile(tiny_bert *m, tiny_bert_step *rows)
{
    if (!m)
        return TINY_BERT_ERROR_ARGUMENT;
    m->steps = rows;
    m->profile.note = note_step;
    m->profile.argument = m;
    kk_pool_profile(m->pool, rows ? &m->profile : 0);
    for (int n = 0; rows && n < TINY_BERT_STEPS; n++) {
        memset(&rows[n], 0, sizeof rows[n]);
        rows[n].layer = steps[n].layer;
        rows[n].kernel = steps[n].kernel;
    }
    return TINY_BERT_OK;
}

/* layer 0 to encoder.layer */
static void layer_0(const tiny_bert_call *c, kk_thread *t, const layer_0_weights *w, const kk_cache *cache)
{
    const tiny_bert_kernels *const k = c->m->kernels;
    const unsigned char *const weights = c->m->weights;
    const int64_t batch_size = c->a.batch_size, sequence_length = c->a.sequence_length;
    float *const slot0 = (float *)(void *)c->m->slot[0], *const slot2 = (float *)(void *)c->m->slot[2], *const slot4 = (float *)(void *)c->m->slot[4];

    /* embeddings.LayerNorm: [batch_size][sequence_length][64] */
    k->layer_norm_64(t, 1, batch_size*sequence_length, slot2, 0, 64, (const float *)(weights + w->embeddings_LayerNorm_scale), (const float *)(weights + w->embeddings_LayerNorm_shift), slot2);
    kk_barrier(t, w->first_step);
    /* self.query: [batch_size][sequence_length][64] */
    k->linear_64x192_queries_keys_values(t, batch_size, sequence_length, slot2, 64, (const float *)(weights + w->encoder_layer_0_attention_self_query_weight), (const float *)(weights + w->encoder_layer_0_attention_self_query_bias), slot0, 64, cache);
    kk_barrier(t, w->first_step + 1);
    /* attention.self: [batch_size][sequence_length][64] */
    k->attention_4x16(t, batch_size, sequence_length, slot0, 64, cache, sequence_length, c->a.attention_mask, sequence_length, slot4, 64);
    kk_barrier(t, w->first_step + 2);
    /* output.dense: [batch_size][sequence_length][64] */
    k->linear_64x64_residual(t, batch_size*sequence_length, slot4, 64, (const float *)(weights + w->encoder_layer_0_attention_output_dense_weight), (const float *)(weights + w->encoder_layer_0_attention_output_dense_bias), slot2, 64, slot2, 64);
    kk_step(t, w->first_step + 3);
    /* output.LayerNorm: [batch_size][sequence_length][64] */
    k->layer_norm_64(t, 1, batch_size*sequence_length, slot2, 0, 64, (const float *)(weights + w->encoder_layer_0_attention_output_LayerNorm_scale), (const float *)(weights + w->encoder_layer_0_attention_output_LayerNorm_shift), slot2);
    kk_barrier(t, w->first_step + 4);
    /* intermediate.dense: [batch_size][sequence_length][128] */
    k->linear_64x128_gelu(t, batch_size*sequence_length, slot2, 64, (const float *)(weights + w->encoder_layer_0_intermediate_dense_weight), (const float *)(weights + w->encoder_layer_0_intermediate_dense_bias), slot0, 128);
    kk_step(t, w->first_step + 5);
    /* output.dense: [batch_size][sequence_length][64] */
    k->linear_128x64_residual(t, batch_size*sequence_length, slot0, 128, (const float *)(weights + w->encoder_layer_0_output_dense_weight), (const float *)(weights + w->encoder_layer_0_output_dense_bias), slot2, 64, slot2, 64);
    kk_barrier(t, w->first_step + 6);
}

/* The whole model, run by every thread of the pool. */
static void forward(const tiny_bert_call *c, kk_thread *t)
{
    const tiny_bert_kernels *const k = c->m->kernels;
    const unsigned char *const weights = c->m->weights;
    const int64_t batch_size = c->a.batch_size, sequence_length = c->a.sequence_length;
    float *const slot2 = (float *)(void *)c->m->slot[2];

    /* embeddings.word_embeddings: [batch_size][sequence_length][64] */
    k->embed_64(t, batch_size, sequence_length, (const float *)(weights + 0), c->a.input_ids, (const float *)(weights + 131072), c->a.token_type_ids, (const float *)(weights + 131584), slot2);
    kk_step(t, 0);
    layer_0(c, t, &layer_0_layers[0], c->m->cache + 0); /* layer 0 */
    layer_0(c, t, &layer_0_layers[1], c->m->cache + 1); /* encoder.layer */
    /* encoder.layer.1.output.LayerNorm: [batch_size][sequence_length][64] */
    k->layer_norm_64(t, 1, batch_size*sequence_length, slot2, 0, 64, (const float *)(weights + 432128), (const float *)(weights + 432384), c->a.last_hidden_state);
    kk_step(t, 15);
}

static void forward_run(void *argument, kk_thread *t)
{
    const tiny_bert_call *c = argument;
    forward(c, t);
}

tiny_bert_status tiny_bert_run(tiny_bert *m, const tiny_bert_arguments *a)
{
    tiny_bert_call c;

    if (!m || !a)
        return TINY_BERT_ERROR_ARGUMENT;
    if (a->batch_size < 1 || a->batch_size > m->sizes.batch_size)
        return TINY_BERT_ERROR_RANGE;
    if (a->sequence_length < 1 || a->sequence_length > m->sizes.sequence_length)
        return TINY_BERT_ERROR_RANGE;
    if (!a->input_ids || !a->attention_mask || !a->token_type_ids || !a->last_hidden_state)
        return TINY_BERT_ERROR_ARGUMENT;
    if (!kk_valid_int64_indices(a->input_ids, a->batch_size*a->sequence_length, 1, 512))
        return TINY_BERT_ERROR_RANGE;
    if (!kk_valid_int64_indices(a->token_type_ids, a->batch_size*a->sequence_length, 1, 2))
        return TINY_BERT_ERROR_RANGE;
    memset(&c, 0, sizeof c);
    c.m = m;
    c.a = *a;
    m->call = &c;
    return (tiny_bert_status)kk_pool_run(m->pool, forward_run, &c);
}

/* How the checkpoint makes one vector of a text's, and the most ids that it takes of one. */
enum { usual_pooling = TINY_BERT_POOLING_MEAN, usual_length_1 = 1, longest_text = INT32_MAX };

/* A call on ids whose mask lies in embed_inputs, and with it other inputs that a caller need not give: [batch][length] each. */
static tiny_bert_arguments embed_arguments(tiny_bert *m, int64_t batch, int64_t length, const int64_t *ids)
{
    tiny_bert_arguments a;
    int64_t *made = m->embed_inputs;

    memset(&a, 0, sizeof a);
    a.batch_size = batch;
    a.sequence_length = length;
    a.input_ids = ids;
    a.attention_mask = m->embed_inputs;
    made += batch * length;
    memset(made, 0, sizeof *made * (size_t)(batch * length));
    a.token_type_ids = made;
    a.last_hidden_state = (float *)(void *)m->slot[0];
    return a;
}

static const float *token_vectors(const tiny_bert_arguments *a)
{
    return a->last_hidden_state;
}

/* One embed: what is pooled, how, and where to. */
typedef struct tiny_bert_embed_call {
    int64_t batch, length;
    kk_pooling pooling;
    int normalize;
    const float *hidden;
    const int64_t *mask;
    float *y;
} tiny_bert_embed_call;

static void pool(void *argument, kk_thread *t)
{
    const tiny_bert_embed_call *c = argument;
    kk_pooling_rows(t, c->pooling, c->batch, c->length, TINY_BERT_EMBEDDING, c->hidden, c->mask, c->y);
    if (!c->normalize)
        return;
    kk_barrier(t, KK_NO_STEP);
    kk_pooling_normalize(t, c->batch, TINY_BERT_EMBEDDING, c->y);
}

tiny_bert_status tiny_bert_embed(tiny_bert *m, int64_t batch, int64_t length, const int64_t *ids, const int64_t *mask,
    const tiny_bert_embed_options *options, float *embeddings)
{
    static const tiny_bert_embed_options defaults;
    const tiny_bert_embed_options *o = options ? options : &defaults;
    const tiny_bert_pooling pooling = o->pooling == TINY_BERT_POOLING_DEFAULT ? (tiny_bert_pooling)usual_pooling : o->pooling;
    tiny_bert_arguments a;
    tiny_bert_embed_call c;
    tiny_bert_status status;

    if (!m || !ids || !embeddings || pooling < TINY_BERT_POOLING_MEAN || pooling > TINY_BERT_POOLING_LAST)
        return TINY_BERT_ERROR_ARGUMENT;
    if (o->normalize < -1 || o->normalize > 1)
        return TINY_BERT_ERROR_ARGUMENT;
    if (batch < 1 || batch > m->texts_at_once || length < 1 || length > m->ids_of_text)
        return TINY_BERT_ERROR_RANGE;
    for (int64_t i = 0; i < batch * length; i++)
        m->embed_inputs[i] = !mask || mask[i] != 0;
    memset(&c, 0, sizeof c);
    c.batch = batch;
    c.length = length;
    c.pooling = (kk_pooling)pooling;
    c.normalize = o->normalize ? o->normalize > 0 : usual_length_1;
    c.mask = m->embed_inputs;
    c.y = embeddings;
    a = embed_arguments(m, batch, length, ids);
    c.hidden = token_vectors(&a);
    status = tiny_bert_run(m, &a);
    return status == TINY_BERT_OK ? (tiny_bert_status)kk_pool_run(m->pool, pool, &c) : status;
}
tiny_bert_status tiny_bert_embed_text(tiny_bert *m, int64_t batch, const tiny_bert_text *texts,
    const tiny_bert_embed_options *options, float *embeddings)
{
    tiny_bert_status status;
    int64_t length, *ids, *mask;

    if (!m || !texts || !embeddings)
        return TINY_BERT_ERROR_ARGUMENT;
    if (batch < 1 || batch > m->texts_at_once)
        return TINY_BERT_ERROR_RANGE;
    for (int64_t b = 0; b < batch; b++)
        if (texts[b].second)
            return TINY_BERT_ERROR_ARGUMENT;
    length = m->ids_of_text < longest_text ? m->ids_of_text : longest_text;
    ids = m->text_inputs;
    mask = ids + m->texts_at_once * m->ids_of_text;
    status = tiny_bert_tokenize_batch(m, texts, batch, ids, mask, 0, &length);
    return status == TINY_BERT_OK ? tiny_bert_embed(m, batch, length, ids, mask, options, embeddings) : status;
}

tiny_bert_status tiny_bert_tokenize(tiny_bert *m, const char *text, size_t bytes, int64_t *ids, size_t capacity, size_t *count)
{
    if (!m || (!text && bytes) || (!ids && capacity) || !count)
        return TINY_BERT_ERROR_ARGUMENT;
    if (bytes > (size_t)m->sizes.text_bytes)
        return TINY_BERT_ERROR_CAPACITY;
    return (tiny_bert_status)kk_tokenizer_encode(&m->tokenizer, text, bytes, 1, m->text_scratch, m->text_scratch_size, ids, capacity, count);
}

tiny_bert_status tiny_bert_detokenize(const tiny_bert *m, const int64_t *ids, size_t count, int keep_special, char *text, size_t capacity, size_t *bytes)
{
    if (!m || (!ids && count) || (!text && capacity) || !bytes)
        return TINY_BERT_ERROR_ARGUMENT;
    return (tiny_bert_status)kk_tokenizer_decode(&m->tokenizer, ids, count, !keep_special, text, capacity, bytes);
}

/* What the runtime takes of a text or a pair that may be encoded. */
static tiny_bert_status text_pair(const tiny_bert *m, const tiny_bert_text *text, kk_text_pair *pair)
{
    if ((!text->text && text->bytes) || (!text->second && text->second_bytes))
        return TINY_BERT_ERROR_ARGUMENT;
    if (text->bytes > (size_t)m->sizes.text_bytes || text->second_bytes > (size_t)m->sizes.text_bytes)
        return TINY_BERT_ERROR_CAPACITY;
    pair->text = text->text;
    pair->bytes = text->bytes;
    pair->second = text->second;
    pair->second_bytes = text->second_bytes;
    return TINY_BERT_OK;
}

tiny_bert_status tiny_bert_tokenize_pair(tiny_bert *m, const tiny_bert_text *text, int64_t *ids, int64_t *types, size_t capacity, size_t *count)
{
    kk_text_pair pair;
    tiny_bert_status status;
    if (!m || !text || (!ids && capacity) || !count)
        return TINY_BERT_ERROR_ARGUMENT;
    status = text_pair(m, text, &pair);
    if (status != TINY_BERT_OK)
        return status;
    return (tiny_bert_status)kk_tokenizer_encode_pair(&m->tokenizer, &pair, KK_ENCODE_SPECIAL, m->text_scratch, m->text_scratch_size,
        ids, types, capacity, count);
}

tiny_bert_status tiny_bert_tokenize_batch(tiny_bert *m, const tiny_bert_text *texts, int64_t rows, int64_t *input_ids,
    int64_t *attention_mask, int64_t *token_type_ids, int64_t *length)
{
    size_t most;
    if (!m || !texts || !input_ids || !length)
        return TINY_BERT_ERROR_ARGUMENT;
    if (rows < 1 || *length < 1 || (uint64_t)*length > SIZE_MAX / sizeof *input_ids / (uint64_t)rows)
        return TINY_BERT_ERROR_RANGE;
    most = (size_t)*length;
    for (int64_t row = 0; row < rows; row++) {
        kk_text_pair pair;
        tiny_bert_status status = text_pair(m, texts + row, &pair);
        if (status == TINY_BERT_OK)
            status = (tiny_bert_status)kk_tokenizer_encode_row(&m->tokenizer, &pair, m->text_scratch, m->text_scratch_size,
                input_ids + (size_t)row * most, token_type_ids ? token_type_ids + (size_t)row * most : 0, most);
        if (status != TINY_BERT_OK)
            return status;
    }
    kk_tokenizer_pack_rows(&m->tokenizer, (size_t)rows, input_ids, attention_mask, token_type_ids, &most);
    *length = (int64_t)most;
    return TINY_BERT_OK;
}
