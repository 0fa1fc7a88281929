static const kk_model_kernels *choose_kernels(void)
{
#ifdef KK_MODEL_X86_LEVELS
    const kk_cpu level = kk_cpu_level();
    if (level >= KK_CPU_AVX512)
        return &kk_model_kernels_avx512;
    if (level >= KK_CPU_AVX2)
        return &kk_model_kernels_avx2;
#endif
    return &kk_model_kernels_baseline;
}

/* Bytes of a handle and of its arena for these sizes; 0 where one is out of its bounds. */
static size_t measured(const kk_model_sizes *sizes, size_t *arena)
{
    kk_model m;
    memset(&m, 0, sizeof m);
    return complete_sizes(sizes, &m.sizes) ? kk_behind(0, sizeof m) + lay_out(&m, 0, arena) : 0;
}

size_t kk_model_arena_size(const kk_model_sizes *sizes)
{
    size_t arena;
    return measured(sizes, &arena) ? arena : 0;
}

size_t kk_model_memory_size(const kk_model_sizes *sizes)
{
    size_t arena;
    return measured(sizes, &arena);
}

/* Makes the handle in `memory`; the weights are open already and are the handle's from here on, or closed on error. */
static kk_model_status open_handle(kk_model **handle, kk_weights *file, const kk_model_sizes *sizes, void *memory)
{
    kk_model *m = memory;
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
        return (kk_model_status)status;
    }
    *handle = m;
    return KK_MODEL_OK;
}

kk_model_status kk_model_create(kk_model **handle, const char *weights_path, const kk_model_sizes *sizes)
{
    kk_model_sizes complete;
    kk_weights file;
    kk_status status;
    void *memory;

    if (!handle)
        return KK_MODEL_ERROR_ARGUMENT;
    *handle = 0;
    if (!complete_sizes(sizes, &complete))
        return KK_MODEL_ERROR_RANGE;
    status = kk_cpu_check();
    if (status != KK_OK)
        return (kk_model_status)status;
    status = open_weights(&file, weights_path);
    if (status != KK_OK)
        return (kk_model_status)status;
    memory = kk_allocate(kk_model_memory_size(&complete));
    if (!memory) {
        kk_weights_close(&file);
        return KK_MODEL_ERROR_MEMORY;
    }
    status = (kk_status)open_handle(handle, &file, &complete, memory);
    if (status == KK_OK)
        (*handle)->owned = memory;
    else
        kk_free(memory);
    return (kk_model_status)status;
}

kk_model_status kk_model_create_in(kk_model **handle, const void *weights, size_t weights_size,
    const kk_model_sizes *sizes, void *memory, size_t memory_size)
{
    kk_model_sizes complete;
    kk_weights file;
    kk_status status;

    if (!handle)
        return KK_MODEL_ERROR_ARGUMENT;
    *handle = 0;
    if (!memory || (uintptr_t)memory % 64 != 0)
        return KK_MODEL_ERROR_ARGUMENT;
    if (!complete_sizes(sizes, &complete))
        return KK_MODEL_ERROR_RANGE;
    if (memory_size < kk_model_memory_size(&complete))
        return KK_MODEL_ERROR_CAPACITY;
    status = kk_cpu_check();
    if (status == KK_OK)
        status = kk_weights_view(&file, weights, weights_size, model_hash);
    return status == KK_OK ? open_handle(handle, &file, &complete, memory) : (kk_model_status)status;
}

void kk_model_destroy(kk_model *handle)
{
    if (!handle)
        return;
    kk_pool_destroy(handle->pool);
    kk_weights_close(&handle->file);
    kk_free(handle->owned);
}

kk_model_status kk_model_check_weights(const kk_model *handle)
{
    return handle ? (kk_model_status)kk_weights_check(&handle->file) : KK_MODEL_ERROR_ARGUMENT;
}

const char *kk_model_level(const kk_model *handle)
{
    return handle ? handle->kernels->level : "";
}

const char *kk_model_status_text(kk_model_status status)
{
    return kk_status_text((kk_status)status);
}

/* A step has ended: adds to its row. Only the thread of the caller comes here. */
static void note_step(void *argument, int64_t number, uint64_t nanoseconds, uint64_t waiting)
{
    kk_model *m = argument;
    kk_model_step *s = m->steps + m->last_step;
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

kk_model_status kk_model_profile(kk_model *m, kk_model_step *rows)
{
    if (!m)
        return KK_MODEL_ERROR_ARGUMENT;
    m->steps = rows;
    m->profile.note = note_step;
    m->profile.argument = m;
    kk_pool_profile(m->pool, rows ? &m->profile : 0);
    for (int n = 0; rows && n < KK_MODEL_STEPS; n++) {
        memset(&rows[n], 0, sizeof rows[n]);
        rows[n].layer = steps[n].layer;
        rows[n].kernel = steps[n].kernel;
    }
    return KK_MODEL_OK;
}
