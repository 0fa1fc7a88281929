/* Times kernels and probes the machine's limits in the same rounds. benchmarks/kernels.py renders the kernels and the table
   `cases`, puts them before this file and reads what it prints: "round case seconds" lines; cases below 0 are probes. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "probes.h"

enum { PROBE_FMA = -1, PROBE_READ_1 = -2, PROBE_READ_4 = -3, PROBE_READ_8 = -4 };
#define BUFFER_FLOATS ((int64_t)96 << 20)

typedef struct worker {
    kk_thread thread;
    float *weights; /* BUFFER_FLOATS, shared */
    int probe;
    const bench_case *work;
    bench_memory *memory;
    int64_t calls;
    double seconds;
    float result;
} worker;

static float *aligned(size_t bytes)
{
    void *memory = NULL;
    return posix_memalign(&memory, 64, bytes) ? NULL : memory;
}

static pthread_barrier_t gate;

static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *work(void *argument)
{
    worker *w = argument;
    const int64_t share = BUFFER_FLOATS / w->thread.count;
    pthread_barrier_wait(&gate);
    const double start = now();
    if (w->probe == PROBE_FMA)
        w->result = probe_fma();
    else if (w->probe < 0)
        w->result = probe_read(w->weights + w->thread.index * share, share, w->probe == PROBE_READ_1 ? 1 : w->probe == PROBE_READ_4 ? 4 : 8);
    else
        for (int64_t i = 0; i < w->calls; i++) {
            w->work->run(&w->thread, w->memory, w->memory->buffer + i * w->work->weight_floats % (BUFFER_FLOATS - w->work->weight_floats + 1) / 16 * 16);
            pthread_barrier_wait(&gate);
        }
    pthread_barrier_wait(&gate);
    w->seconds = now() - start;
    return NULL;
}

/* Seconds that `threads` threads take for a probe or for some calls of a case. */
static double measure(int threads, int probe, const bench_case *c, int64_t calls, bench_memory *memory)
{
    static unsigned char scratch[8][1 << 20] __attribute__((aligned(64)));
    worker workers[8] = {0};
    pthread_t ids[8];
    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i].thread.index = i;
        workers[i].thread.count = threads;
        workers[i].thread.scratch = scratch[i];
        workers[i].thread.scratch_bytes = sizeof scratch[i];
        workers[i].weights = memory->buffer;
        workers[i].memory = memory;
        workers[i].probe = probe;
        workers[i].work = c;
        workers[i].calls = calls;
        if (i > 0)
            pthread_create(&ids[i], NULL, work, &workers[i]);
    }
    work(&workers[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&gate);
    return workers[0].seconds;
}

int main(int count, char **words)
{
    if (count < 5)
        return 2;
    if (words[4][0] == 'c')
        clock_used = CLOCK_THREAD_CPUTIME_ID;
    const int threads = atoi(words[1]), rounds = atoi(words[2]);
    const double budget = atof(words[3]);
    static bench_memory memory;
    memory.buffer = aligned((size_t)BUFFER_FLOATS * sizeof(float));
    memory.x = aligned((size_t)BENCH_ROWS * BENCH_WIDTH * sizeof(float));
    memory.y = aligned((size_t)BENCH_ROWS * 50272 * sizeof(float));
    if (!memory.buffer || !memory.x || !memory.y || threads < 1 || threads > 8)
        return 2;
    for (int64_t i = 0; i < BUFFER_FLOATS; i++)
        memory.buffer[i] = (float)(i * 2654435761u % 1024u) / 1024.0f - 0.5f;
    for (int64_t i = 0; i < (int64_t)BENCH_ROWS * BENCH_WIDTH; i++)
        memory.x[i] = (float)(i * 2246822519u % 1024u) / 1024.0f - 0.5f;
    memset(memory.y, 0, (size_t)BENCH_ROWS * 50272 * sizeof(float));
    const int case_count = (int)(sizeof cases / sizeof *cases);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < case_count; i++) {
            const bench_case *c = &cases[round % 2 ? case_count - 1 - i : i];
            if (i % 8 == 0) { /* probes among the cases: other tenants of the machine come and go */
                printf("%d %d %.9f\n", round, PROBE_FMA, measure(threads, PROBE_FMA, c, 1, &memory));
                for (int probe = PROBE_READ_1; probe >= PROBE_READ_8; probe--)
                    printf("%d %d %.9f\n", round, probe, measure(threads, probe, c, 1, &memory));
            }
            const double once = measure(threads, 0, c, 1, &memory);
            int64_t calls = (int64_t)(budget / once);
            calls = calls < 1 ? 1 : calls > 10000 ? 10000 : calls;
            printf("%d %d %.9f\n", round, (int)(c - cases), measure(threads, 0, c, calls, &memory) / (double)calls);
            fflush(stdout);
        }
    return 0;
}
