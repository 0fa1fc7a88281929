/* Times calls of kernels and probes the machine's limits, from a shared library that tune/harness.py renders and builds: the kernels
   and the table `cases` come before this text. All memory is the caller's. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "probes.h"

enum { CLOCK_WALL = 0, CLOCK_CPU = 1 };

/* What every thread of a measurement does. */
typedef struct tune_work {
    const tune_case *kernel; /* null: a probe */
    const tune_call *call;
    tune_memory *memory;
    int64_t calls, first; /* first: where the first call's weights begin */
    int streams;          /* of a probe that reads; 0: the probe multiplies and adds */
    clockid_t clock;
    double seconds;                /* thread 0's, behind the last barrier */
    float results[KK_THREADS_MAX]; /* so that no probe is dropped */
} tune_work;

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Successive calls read weights behind each other, so that they come from where a model of this size has them. */
static float *weights_of(const tune_memory *memory, int64_t first, int64_t call, int64_t floats)
{
    const int64_t places = floats > 0 ? memory->weight_floats / floats : 1;
    return memory->weights + (first + call) % (places > 0 ? places : 1) * floats;
}

static void work(void *argument, kk_thread *thread)
{
    tune_work *w = argument;
    kk_barrier(thread, KK_NO_STEP);
    const double start = now(w->clock);
    if (w->kernel)
        for (int64_t i = 0; i < w->calls; i++) {
            w->kernel->run(thread, w->memory, w->call, weights_of(w->memory, w->first, i, w->call->floats));
            kk_barrier(thread, KK_NO_STEP);
        }
    else if (w->streams == 0)
        w->results[thread->index] = probe_fma();
    else {
        const int64_t share = w->memory->weight_floats / thread->count;
        for (int64_t i = 0; i < w->calls; i++)
            w->results[thread->index] = probe_read(w->memory->weights + thread->index * share, share, w->streams);
    }
    kk_barrier(thread, KK_NO_STEP);
    if (thread->index == 0)
        w->seconds = now(w->clock) - start;
}

static double measure(tune_work *all, int threads, int clock)
{
    kk_pool *pool = NULL;
    kk_status status;
    const tune_memory *m = all->memory;
    all->clock = clock == CLOCK_CPU ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    if (kk_pool_create(m->pool, (size_t)m->pool_bytes, threads, (size_t)m->scratch_bytes, &pool) != KK_OK)
        return -1;
    status = kk_pool_run(pool, work, all);
    kk_pool_destroy(pool);
    return status == KK_OK ? all->seconds : -1;
}

/* Seconds that `threads` threads take for `calls` calls of a case one behind the other, or -1. */
double kaoken_tune_run(tune_memory *memory, int number, const tune_call *call, int threads, int64_t calls, int clock)
{
    tune_work all = {0};
    if (number < 0 || number >= (int)(sizeof cases / sizeof *cases))
        return -1;
    all.kernel = &cases[number];
    all.call = call;
    all.memory = memory;
    all.calls = calls;
    all.first = memory->cursor;
    memory->cursor += calls;
    return measure(&all, threads, clock);
}

/* Seconds of a probe: of multiply-adds (streams 0), or of reading all weights `passes` times in so many streams; or -1. */
double kaoken_tune_probe(tune_memory *memory, int streams, int64_t passes, int threads, int clock)
{
    tune_work all = {0};
    all.memory = memory;
    all.streams = streams;
    all.calls = passes;
    return measure(&all, threads, clock);
}
