/* Exercises the pool of threads and the platform layer; every command prints nothing and returns 0, or says what broke and returns 1.

   barrier THREADS ROUNDS: between two barriers every thread sees what all others wrote before.
   runs THREADS RUNS: many short runs on one pool, with pauses in which the workers fall asleep.
   create THREADS: making and ending pools; wrong arguments. With -Dpthread_create=refusing_create: the third thread is refused.
   float: every thread computes with the standard modes, and the caller's own come back.
   profile THREADS: steps are told in order while a profile is set; off, nobody looks at the clock.
   speed THREADS ROUNDS: prints nanoseconds a barrier and a run. */
#define _GNU_SOURCE /* before any system header, as kk_platform.c has it */
#if defined(REFUSE)
#include <errno.h>
#include <pthread.h>
static int created;
static int refusing_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    return ++created % 3 == 0 ? EAGAIN : pthread_create(thread, attributes, body, argument);
}
#define pthread_create refusing_create
#endif
#define kk_clock system_clock
#include "kk_platform.c"
#undef kk_clock
#include "kk_threads.h"

#include <stdio.h>

#define FAIL(...) (printf(__VA_ARGS__), putchar('\n'), 1)

typedef struct shared {
    uint32_t value[KK_THREADS_MAX][16];
    long rounds;
    kk_atomic wrong, done;
} shared;

static shared all;

static kk_pool *make(int threads, void **memory)
{
    kk_pool *pool;
    size_t bytes = kk_pool_bytes(threads, 1000);
    *memory = kk_allocate(bytes);
    return *memory != NULL && kk_pool_create(*memory, bytes, threads, 1000, &pool) == KK_OK ? pool : NULL;
}

static void exchange(void *argument, kk_thread *t)
{
    shared *s = argument;
    for (uint32_t round = 0; round < (uint32_t)s->rounds; round++) {
        uint32_t wrong = 0;
        s->value[t->index][0] = round;
        kk_barrier(t, KK_NO_STEP);
        for (int i = 0; i < t->count; i++)
            wrong += s->value[i][0] != round;
        kk_barrier(t, KK_NO_STEP);
        if (wrong)
            (void)kk_atomic_add(&s->wrong, wrong);
    }
}

static void mark(void *argument, kk_thread *t)
{
    shared *s = argument;
    if ((uintptr_t)t->scratch % 64 != 0 || t->scratch_bytes != 1000)
        (void)kk_atomic_add(&s->wrong, 1);
    memset(t->scratch, t->index, t->scratch_bytes);
    s->value[t->index][1]++;
    kk_barrier(t, KK_NO_STEP);
    for (size_t i = 0; i < t->scratch_bytes; i++)
        if (t->scratch[i] != (unsigned char)t->index)
            (void)kk_atomic_add(&s->wrong, 1);
    (void)kk_atomic_add(&s->done, 1);
}

static int runs(int threads, long count)
{
    void *memory;
    kk_pool *pool = make(threads, &memory);
    if (pool == NULL)
        return FAIL("no pool");
    for (long run = 0; run < count; run++) {
        kk_pool_run(pool, mark, &all);
        if (kk_atomic_load(&all.done) != (uint32_t)threads * (uint32_t)(run + 1))
            return FAIL("run %ld returned early", run);
        if (run % 100 == 0) {
            struct timespec moment = {0, 300000};
            nanosleep(&moment, NULL);
        }
    }
    kk_pool_destroy(pool);
    kk_free(memory);
    for (int i = 0; i < threads; i++)
        if (all.value[i][1] != (uint32_t)count)
            return FAIL("thread %d ran %u times", i, all.value[i][1]);
    return kk_atomic_load(&all.wrong) ? FAIL("scratch is shared") : 0;
}

static int create(int threads)
{
    size_t bytes = kk_pool_bytes(threads, 10);
    unsigned char *memory = kk_allocate(bytes + 64);
    kk_pool *pool;
    if (kk_pool_bytes(0, 1) || kk_pool_bytes(KK_THREADS_MAX + 1, 1) || kk_pool_bytes(2, SIZE_MAX / 2) || kk_pool_bytes(1, SIZE_MAX))
        return FAIL("impossible sizes have bytes");
    if (kk_pool_create(NULL, bytes, threads, 10, &pool) != KK_ERROR_ARGUMENT || pool != NULL ||
        kk_pool_create(memory + 8, bytes, threads, 10, &pool) != KK_ERROR_ARGUMENT ||
        kk_pool_create(memory, bytes, threads, 10, NULL) != KK_ERROR_ARGUMENT ||
        kk_pool_create(memory, bytes, 0, 10, &pool) != KK_ERROR_RANGE ||
        kk_pool_create(memory, bytes - 1, threads, 10, &pool) != KK_ERROR_CAPACITY || pool != NULL)
        return FAIL("wrong arguments are taken");
    if (kk_pool_run(NULL, mark, NULL) != KK_ERROR_ARGUMENT)
        return FAIL("a null pool runs");
    kk_pool_destroy(NULL);
    for (int round = 0; round < 50; round++) {
        kk_status status = kk_pool_create(memory, bytes, threads, 10, &pool);
#if defined(REFUSE)
        if (threads > 3 && (status != KK_ERROR_THREADS || pool != NULL))
            return FAIL("a refused thread gave status %d", (int)status);
#else
        if (status != KK_OK)
            return FAIL("status %d", (int)status);
        if (round % 2)
            kk_pool_run(pool, exchange, &all);
#endif
        kk_pool_destroy(pool);
    }
    kk_free(memory);
    return 0;
}

#if defined(KK_X86_64)
enum { FLUSH_AND_ROUND_DOWN = 0x1f80 | 0x8040 | 0x2000 };
static unsigned modes(void) { return _mm_getcsr() & 0xffc0u; }
static void set_modes(void) { _mm_setcsr(FLUSH_AND_ROUND_DOWN); }
enum { STANDARD = 0x1f80, CHANGED = FLUSH_AND_ROUND_DOWN };
#elif defined(__aarch64__)
static unsigned modes(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return (unsigned)fpcr;
}
enum { STANDARD = 0, CHANGED = 1 << 24 | 2 << 22 };
static void set_modes(void)
{
    uint64_t fpcr = CHANGED;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}
#endif

static void arithmetic(void *argument, kk_thread *t)
{
    shared *s = argument;
    volatile float tiny = 1e-38f, ten = 10.0f;
    (void)t;
    if (modes() != STANDARD || tiny / ten == 0.0f)
        (void)kk_atomic_add(&s->wrong, 1);
}

static int float_modes(void)
{
    void *memory;
    kk_pool *pool;
    set_modes();
    pool = make(3, &memory); /* threads inherit the modes of the one that makes them */
    kk_pool_run(pool, arithmetic, &all);
    if (modes() != CHANGED)
        return FAIL("the caller's modes are lost");
    kk_pool_destroy(pool);
    kk_free(memory);
    return kk_atomic_load(&all.wrong) ? FAIL("a thread computes with the caller's modes") : 0;
}

static kk_atomic clock_reads;

uint64_t kk_clock(void);
uint64_t kk_clock(void) /* stands before that of kk_platform.c, which is system_clock here */
{
    (void)kk_atomic_add(&clock_reads, 1);
    return system_clock();
}

typedef struct notes {
    int64_t step[64];
    uint64_t nanoseconds[64], waiting[64];
    int count;
} notes;

static void take_note(void *argument, int64_t step, uint64_t nanoseconds, uint64_t waiting)
{
    notes *n = argument;
    n->step[n->count] = step;
    n->nanoseconds[n->count] = nanoseconds;
    n->waiting[n->count++] = waiting;
}

/* Step 0 takes thread 0 a millisecond, step 1 the others; 2 has no barrier behind it, and 3 is none. */
static void four_steps(void *argument, kk_thread *t)
{
    const struct timespec moment = {0, 1000000};
    (void)argument;
    if (t->index == 0)
        nanosleep(&moment, NULL);
    kk_barrier(t, 0);
    if (t->index != 0)
        nanosleep(&moment, NULL);
    kk_barrier(t, 1);
    kk_barrier(t, KK_NO_STEP);
    kk_step(t, 2);
}

static int profile(int threads)
{
    static notes found; /* its own, since the pool's threads are the program's */
    kk_profile told = {take_note, &found, 0};
    void *memory;
    kk_pool *pool = make(threads, &memory);
    const int each = threads > 1 ? 4 : 3;
    kk_pool_profile(NULL, &told);
    kk_pool_run(pool, four_steps, NULL);
    if (found.count != 0 || (threads == 1 && clock_reads != 0)) /* who waits looks at the clock */
        return FAIL("without a profile there are %d notes and %u looks at the clock", found.count, clock_reads);
    kk_pool_profile(pool, &told);
    for (int run = 0; run < 3; run++)
        kk_pool_run(pool, four_steps, NULL);
    kk_pool_profile(pool, NULL);
    kk_pool_run(pool, four_steps, NULL);
    if (found.count != 3 * each)
        return FAIL("%d notes", found.count);
    for (int n = 0; n < found.count; n++) {
        const int64_t step = n % each == 3 ? KK_NO_STEP : n % each;
        if (found.step[n] != step)
            return FAIL("note %d is of step %d", n, (int)found.step[n]);
        if (step == 0 && found.nanoseconds[n] < 1000000)
            return FAIL("step 0 took %d ns", (int)found.nanoseconds[n]);
        if (step == 1 && threads > 1 && found.waiting[n] < 500000)
            return FAIL("behind step 1 thread 0 waited %d ns", (int)found.waiting[n]);
        if (threads == 1 && found.waiting[n] != 0)
            return FAIL("a lone thread waited");
    }
    kk_pool_destroy(pool);
    kk_free(memory);
    return 0;
}

static void nothing(void *argument, kk_thread *t) { (void)argument, (void)t; }

static int speed(int threads, long rounds)
{
    void *memory;
    kk_pool *pool = make(threads, &memory);
    uint64_t start = kk_clock(), between, end;
    all.rounds = rounds;
    kk_pool_run(pool, exchange, &all);
    between = kk_clock();
    for (long i = 0; i < rounds; i++)
        kk_pool_run(pool, nothing, NULL);
    end = kk_clock();
    printf("%d threads: barrier %.0f ns, run %.0f ns\n", threads, (double)(between - start) / (double)(2 * rounds), (double)(end - between) / (double)rounds);
    kk_pool_destroy(pool);
    kk_free(memory);
    return 0;
}

int main(int count, char **arguments)
{
    int threads = count > 2 ? atoi(arguments[2]) : 2;
    long rounds = count > 3 ? atol(arguments[3]) : 1;
    void *memory;
    kk_pool *pool;
    if (count < 2)
        return 2;
    switch (arguments[1][0]) {
    case 'b':
        all.rounds = rounds;
        if ((pool = make(threads, &memory)) == NULL)
            return FAIL("no pool");
        kk_pool_run(pool, exchange, &all);
        kk_pool_destroy(pool);
        kk_free(memory);
        return kk_atomic_load(&all.wrong) ? FAIL("a barrier let someone through") : 0;
    case 'r': return runs(threads, rounds);
    case 'c': return create(threads);
    case 'f': return float_modes();
    case 'p': return profile(threads);
    case 's': return speed(threads, rounds);
    }
    return 2;
}
