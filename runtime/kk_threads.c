/* The pool of threads: see kk_threads.h. One barrier does everything: workers wait in it for work, and work ends in it. */
#include "kk_threads.h"
#include "kk_platform.h"

#include <string.h>

#define KK_LINE 64
#define KK_LOOKS 8                  /* at the generation, before the processor is offered to others */
#define KK_AWAKE_NANOSECONDS 50000u /* before sleeping: waking a thread on another processor takes about as long */

enum { KK_GATE_CLOSED, KK_GATE_OPEN, KK_GATE_ABANDONED };

/* Waiters read `generation` while others add to `arrived`: on cache lines of their own. */
struct kk_pool {
    kk_atomic generation;
    char line_0[KK_LINE - sizeof(kk_atomic)];
    kk_atomic arrived;
    kk_atomic sleepers;
    char line_1[KK_LINE - 2 * sizeof(kk_atomic)];
    void (*work)(void *argument, kk_thread *thread);
    void *argument;
    kk_lock lock;
    int count, may_spin;
    int gate;   /* under the lock: what creation decided for the workers it had started */
    int ending; /* ordered by the barrier */
};

/* Each on lines of its own, since every kernel reads its kk_thread. */
typedef struct kk_member {
    kk_thread thread;
    kk_native_thread native;
    char line[2 * KK_LINE - sizeof(kk_thread) - sizeof(kk_native_thread)];
} kk_member;

static size_t kk_line_multiple(size_t bytes) { return (bytes + KK_LINE - 1) / KK_LINE * KK_LINE; }

static kk_member *kk_members(kk_pool *pool)
{
    return (kk_member *)(void *)((unsigned char *)pool + kk_line_multiple(sizeof *pool));
}

size_t kk_pool_bytes(int threads, size_t scratch_bytes_each)
{
    size_t fixed = kk_line_multiple(sizeof(kk_pool));
    if (threads < 1 || threads > KK_THREADS_MAX)
        return 0;
    if (scratch_bytes_each > (SIZE_MAX - fixed) / (size_t)threads - sizeof(kk_member) - KK_LINE)
        return 0;
    return fixed + (size_t)threads * (sizeof(kk_member) + kk_line_multiple(scratch_bytes_each));
}

/* Looks, and yields, until the generation changes or the time is up. Returns 1 when it changed. To yield costs next to nothing where nobody else wants
   the processor; where somebody does it may well be the awaited thread: to spin for 5 microseconds first took 8 pools of 2 threads on 2 processors
   three times the processor time a run. */
static int kk_wait_awake(kk_pool *pool, uint32_t generation)
{
    const uint64_t start = kk_clock();
    do {
        for (int i = 0; i < KK_LOOKS; i++) {
            if (kk_atomic_load(&pool->generation) != generation)
                return 1;
            kk_thread_pause();
        }
        kk_thread_yield();
    } while (kk_clock() - start < KK_AWAKE_NANOSECONDS);
    return 0;
}

/* Sequential consistency rules a lost wake-up out: a waiter counts itself as a sleeper and then looks at the generation; the last to arrive changes the
   generation and then looks at the sleepers. */
static void kk_meet(kk_pool *pool, int awake)
{
    uint32_t generation = kk_atomic_load(&pool->generation);
    if (kk_atomic_add(&pool->arrived, 1) == (uint32_t)pool->count - 1) {
        kk_atomic_store(&pool->arrived, 0);
        kk_atomic_store(&pool->generation, generation + 1);
        if (kk_atomic_load(&pool->sleepers) > 0) {
            kk_lock_enter(&pool->lock);
            kk_lock_wake_all(&pool->lock);
            kk_lock_leave(&pool->lock);
        }
        return;
    }
    if (awake && kk_wait_awake(pool, generation))
        return;
    kk_lock_enter(&pool->lock);
    kk_atomic_add(&pool->sleepers, 1);
    while (kk_atomic_load(&pool->generation) == generation)
        kk_lock_sleep(&pool->lock);
    kk_atomic_add(&pool->sleepers, (uint32_t)-1);
    kk_lock_leave(&pool->lock);
}

/* A step has ended at `worked` and everybody's at `now`. */
static void kk_note(kk_profile *profile, int64_t step, uint64_t worked, uint64_t now)
{
    if (step != KK_NO_STEP)
        profile->note(profile->argument, step, worked - profile->since, now - worked);
    profile->since = kk_clock();
}

void kk_pool_profile(kk_pool *pool, kk_profile *profile)
{
    if (pool == NULL)
        return;
    kk_members(pool)->thread.profile = profile;
    kk_members(pool)->thread.stops = pool->count > 1 || profile != NULL;
}

void kk_barrier(kk_thread *thread, int64_t step)
{
    uint64_t worked;
    if (!thread->stops)
        return;
    worked = thread->profile != NULL ? kk_clock() : 0;
    if (thread->count > 1)
        kk_meet(thread->pool, thread->pool->may_spin);
    if (thread->profile != NULL)
        kk_note(thread->profile, step, worked, thread->count > 1 ? kk_clock() : worked);
}

void kk_step(kk_thread *thread, int64_t step)
{
    if (thread->profile != NULL) {
        const uint64_t now = kk_clock();
        kk_note(thread->profile, step, now, now);
    }
}

void kk_copy(const kk_thread *thread, void *target, const void *source, int64_t bytes)
{
    const int64_t lines = bytes > 0 ? (bytes + KK_LINE - 1) / KK_LINE : 0;
    const int64_t begin = lines * thread->index / thread->count * KK_LINE;
    const int64_t end = lines * (thread->index + 1) / thread->count * KK_LINE;
    if (end > begin)
        memcpy((unsigned char *)target + begin, (const unsigned char *)source + begin, (size_t)((end < bytes ? end : bytes) - begin));
}

void kk_true_positions(const kk_thread *thread, const uint8_t *mask, int64_t *positions, int64_t *count, int64_t size,
                       int64_t capacity)
{
    const int64_t begin = size * thread->index / thread->count, end = size * (thread->index + 1) / thread->count;
    int64_t next = 0;
    for (int64_t i = 0; i < begin; i++) /* counting what the threads before find costs less than waiting for them */
        next += mask[i] != 0;
    for (int64_t i = begin; i < end; i++)
        if (mask[i]) {
            if (next < capacity)
                positions[next] = i;
            next++;
        }
    if (thread->index == thread->count - 1)
        *count = next;
}

static void kk_worker(void *argument)
{
    kk_thread *thread = argument;
    kk_pool *pool = thread->pool;
    kk_float_mode mode;
    int gate;
    kk_lock_enter(&pool->lock);
    while (pool->gate == KK_GATE_CLOSED)
        kk_lock_sleep(&pool->lock);
    gate = pool->gate;
    kk_lock_leave(&pool->lock);
    if (gate == KK_GATE_ABANDONED)
        return;
    kk_float_mode_enter(&mode);
    for (;;) {
        kk_meet(pool, pool->may_spin); /* awake for a moment, since the next run often follows at once */
        if (pool->ending)
            break;
        pool->work(pool->argument, thread);
        kk_meet(pool, pool->may_spin);
    }
    kk_float_mode_leave(&mode);
}

/* Tells the workers started so far whether the pool came about. */
static void kk_open_gate(kk_pool *pool, int gate)
{
    kk_lock_enter(&pool->lock);
    pool->gate = gate;
    kk_lock_wake_all(&pool->lock);
    kk_lock_leave(&pool->lock);
}

kk_status kk_pool_create(void *memory, size_t bytes, int threads, size_t scratch_bytes_each, kk_pool **out)
{
    size_t needed = kk_pool_bytes(threads, scratch_bytes_each);
    kk_pool *pool = memory;
    kk_member *members;
    unsigned char *scratch;
    kk_status status;
    if (out == NULL)
        return KK_ERROR_ARGUMENT;
    *out = NULL;
    if (memory == NULL || (uintptr_t)memory % KK_LINE != 0)
        return KK_ERROR_ARGUMENT;
    if (needed == 0)
        return KK_ERROR_RANGE;
    if (bytes < needed)
        return KK_ERROR_CAPACITY;
    members = kk_members(pool);
    scratch = (unsigned char *)(members + threads);
    memset(pool, 0, sizeof *pool);
    pool->count = threads;
    pool->may_spin = threads <= kk_cpu_count(); /* else the awaited thread may need this very processor */
    for (int i = 0; i < threads; i++) {
        kk_thread *thread = &members[i].thread;
        thread->index = i;
        thread->count = threads;
        thread->pool = pool;
        thread->scratch = scratch + (size_t)i * kk_line_multiple(scratch_bytes_each);
        thread->scratch_bytes = scratch_bytes_each;
        thread->profile = NULL;
        thread->stops = threads > 1;
    }
    if (threads > 1) {
        if ((status = kk_lock_create(&pool->lock)) != KK_OK)
            return status;
        for (int i = 1; i < threads; i++) {
            status = kk_thread_start(&members[i].native, kk_worker, &members[i].thread);
            if (status != KK_OK) {
                kk_open_gate(pool, KK_GATE_ABANDONED);
                while (--i > 0)
                    kk_thread_join(&members[i].native);
                kk_lock_destroy(&pool->lock);
                return status;
            }
        }
        kk_open_gate(pool, KK_GATE_OPEN);
    }
    *out = pool;
    return KK_OK;
}

void kk_pool_destroy(kk_pool *pool)
{
    if (pool == NULL || pool->count == 1)
        return;
    pool->ending = 1;
    kk_meet(pool, 0);
    for (int i = 1; i < pool->count; i++)
        kk_thread_join(&kk_members(pool)[i].native);
    kk_lock_destroy(&pool->lock);
}

kk_status kk_pool_run(kk_pool *pool, void (*work)(void *argument, kk_thread *thread), void *argument)
{
    kk_profile *profile;
    kk_float_mode mode;
    if (pool == NULL || work == NULL)
        return KK_ERROR_ARGUMENT;
    kk_float_mode_enter(&mode);
    if (pool->count > 1) {
        pool->work = work;
        pool->argument = argument;
        kk_meet(pool, pool->may_spin);
    }
    profile = kk_members(pool)->thread.profile;
    if (profile != NULL)
        profile->since = kk_clock();
    work(argument, &kk_members(pool)->thread);
    if (pool->count > 1) {
        const uint64_t worked = profile != NULL ? kk_clock() : 0;
        kk_meet(pool, pool->may_spin);
        if (profile != NULL)
            profile->note(profile->argument, KK_NO_STEP, 0, kk_clock() - worked);
    }
    kk_float_mode_leave(&mode);
    return KK_OK;
}
