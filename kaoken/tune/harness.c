/* Times calls of kernels and probes the machine's limits, from a shared library that tune/harness.py renders and builds: the kernels
   and the table `cases` come before this text. All memory is the caller's. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <time.h>

#include "probes.h"

#define MOST_THREADS 64

enum { CLOCK_WALL = 0, CLOCK_CPU = 1 };

typedef struct worker {
    kk_thread thread;
    const tune_case *kernel; /* null: a probe */
    const tune_call *call;
    tune_memory *memory;
    int64_t calls, first; /* first: where the first call's weights begin */
    int streams;          /* of a probe that reads; 0: the probe multiplies and adds */
    clockid_t clock;
    pthread_barrier_t *gate;
    double seconds;
    float result;
} worker;

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

static void *work(void *argument)
{
    worker *w = argument;
    const int alone = w->thread.count == 1;
    if (!alone)
        pthread_barrier_wait(w->gate);
    const double start = now(w->clock);
    if (w->kernel)
        for (int64_t i = 0; i < w->calls; i++) {
            w->kernel->run(&w->thread, w->memory, w->call, weights_of(w->memory, w->first, i, w->call->floats));
            if (!alone)
                pthread_barrier_wait(w->gate);
        }
    else if (w->streams == 0)
        w->result = probe_fma();
    else {
        const int64_t share = w->memory->weight_floats / w->thread.count;
        for (int64_t i = 0; i < w->calls; i++)
            w->result = probe_read(w->memory->weights + w->thread.index * share, share, w->streams);
    }
    if (!alone)
        pthread_barrier_wait(w->gate);
    w->seconds = now(w->clock) - start;
    return NULL;
}

static double measure(const worker *all, int threads, int clock)
{
    worker workers[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    pthread_barrier_t gate;
    if (threads < 1 || threads > MOST_THREADS || threads > all->memory->threads || pthread_barrier_init(&gate, NULL, (unsigned)threads))
        return -1;
    for (int i = 0; i < threads; i++) {
        workers[i] = *all;
        workers[i].thread.index = i;
        workers[i].thread.count = threads;
        workers[i].thread.scratch = all->memory->scratch + (size_t)i * all->memory->scratch_bytes;
        workers[i].thread.scratch_bytes = all->memory->scratch_bytes;
        workers[i].gate = &gate;
        workers[i].clock = clock == CLOCK_CPU ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    }
    for (int i = 1; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &workers[i]))
            return -1; /* a machine without room for a thread; the caller gives up */
    work(&workers[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&gate);
    return workers[0].seconds;
}

/* Seconds that `threads` threads take for `calls` calls of a case one behind the other, or -1. */
double kaoken_tune_run(tune_memory *memory, int number, const tune_call *call, int threads, int64_t calls, int clock)
{
    worker all = {0};
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
    worker all = {0};
    all.memory = memory;
    all.streams = streams;
    all.calls = passes;
    return measure(&all, threads, clock);
}
