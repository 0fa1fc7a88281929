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
    int repeats;
    double *seconds; /* [repeats] */
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
    for (int repeat = 0; repeat < p->repeats; repeat++) {
        pthread_barrier_wait(p->gate);
        const double start = now();
        if (!p->memory)
            p->result = probe_fma();
        for (int64_t i = 0; i < p->passes; i++)
            p->result += probe_read(p->memory, p->floats, p->streams);
        pthread_barrier_wait(p->gate);
        if (p->seconds)
            p->seconds[repeat] = now() - start;
    }
    return NULL;
}

/* Seconds of each repeat, by threads that stay: it takes the system some milliseconds to give each a processor of its own. */
static int measure(int threads, const float *memory, int64_t floats, int64_t passes, int streams, int repeats, double *seconds)
{
    probe probes[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    pthread_barrier_t gate;
    if (threads < 1 || threads > MOST_THREADS || pthread_barrier_init(&gate, NULL, (unsigned)threads))
        return 0;
    for (int i = 0; i < threads; i++) {
        const float *share = memory ? memory + floats / threads * i : NULL;
        const probe p = {share, floats / threads, passes, streams, &gate, repeats, i ? NULL : seconds, 0};
        probes[i] = p;
    }
    for (int i = 1; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &probes[i]))
            return 0; /* a machine without room for a thread; the process ends with an error */
    work(&probes[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&gate);
    return 1;
}

/* FLOP a second (a multiply-add is two) of each repeat, or 0 where there is no room for so many threads. */
int kaoken_probe_fma(int threads, int repeats, double *speeds)
{
    if (!measure(threads, NULL, 0, 0, 0, repeats, speeds))
        return 0;
    for (int i = 0; i < repeats; i++)
        speeds[i] = threads * PROBE_FMA_FLOP / speeds[i];
    return 1;
}

/* Bytes a second when `memory`, 64-byte aligned, is read `passes` times; the best of 1, 4 and 8 streams; or -1. */
double kaoken_probe_read(int threads, const float *memory, int64_t floats, int64_t passes)
{
    double best = -1;
    for (int streams = 1; streams <= 8; streams = streams == 1 ? 4 : 2 * streams) {
        double seconds = 0;
        if (!measure(threads, memory, floats, passes, streams, 1, &seconds))
            return -1;
        const double speed = (double)floats * 4 * (double)passes / seconds;
        if (speed > best)
            best = speed;
    }
    return best;
}

/* Reads memory once in so many streams, in the calling thread. */
float kaoken_probe_read_once(const float *memory, int64_t floats, int streams)
{
    return probe_read(memory, floats, streams);
}

/* Copies floats in the calling thread: by the C library (way 0), or vector by vector (1). */
void kaoken_probe_copy_once(float *to, const float *from, int64_t floats, int way)
{
    if (way == 0)
        memcpy(to, from, (size_t)floats * sizeof *to);
    else
        for (int64_t i = 0; i + 16 <= floats; i += 16)
            kk_store(to + i, kk_load(from + i));
}

#include "kk_simd_end.h"
