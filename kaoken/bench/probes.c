/* A shared library of probes.h for Python: how fast `threads` threads together multiply and add, and read memory. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "kk_simd.h"

#include "probes.h"

#define MOST_THREADS 64

typedef struct probe {
    const float *memory; /* null: multiply-adds */
    int64_t floats, passes;
    int streams;
    pthread_barrier_t *gate;
    double seconds;
    float result;
} probe;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *work(void *argument)
{
    probe *p = argument;
    pthread_barrier_wait(p->gate);
    const double start = now();
    if (!p->memory)
        p->result = probe_fma();
    for (int64_t i = 0; i < p->passes; i++)
        p->result += probe_read(p->memory, p->floats, p->streams);
    pthread_barrier_wait(p->gate);
    p->seconds = now() - start;
    return NULL;
}

static double measure(int threads, const float *memory, int64_t floats, int64_t passes, int streams)
{
    probe probes[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    pthread_barrier_t gate;
    if (threads < 1 || threads > MOST_THREADS || pthread_barrier_init(&gate, NULL, (unsigned)threads))
        return -1;
    for (int i = 0; i < threads; i++) {
        const probe p = {memory ? memory + floats / threads * i : NULL, floats / threads, passes, streams, &gate, 0, 0};
        probes[i] = p;
    }
    for (int i = 1; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &probes[i]))
            return -1; /* a machine without room for a thread; the process ends with an error */
    work(&probes[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&gate);
    return probes[0].seconds;
}

/* FLOP a second (a multiply-add is two), or -1. */
double kaoken_probe_fma(int threads)
{
    const double seconds = measure(threads, NULL, 0, 0, 0);
    return seconds > 0 ? threads * PROBE_FMA_FLOP / seconds : -1;
}

/* Bytes a second when `memory`, 64-byte aligned, is read `passes` times; the best of 1, 4 and 8 streams; or -1. */
double kaoken_probe_read(int threads, const float *memory, int64_t floats, int64_t passes)
{
    double best = -1;
    for (int streams = 1; streams <= 8; streams = streams == 1 ? 4 : 2 * streams) {
        const double seconds = measure(threads, memory, floats, passes, streams);
        const double speed = (double)floats * 4 * (double)passes / seconds;
        if (seconds > 0 && speed > best)
            best = speed;
    }
    return best;
}

#include "kk_simd_end.h"
