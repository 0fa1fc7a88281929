/* A small pool of threads that one handle owns. Every thread runs the same function (single program, multiple data): it takes its own static share,
   t->index of t->count, and meets the others at kk_barrier. No thread is made for a pool of one. Idle workers sleep. */
#ifndef KK_THREADS_H
#define KK_THREADS_H

#include "kk_prefix.h"
#include "kk_status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KK_THREADS_MAX 256

typedef struct kk_pool kk_pool;

/* Who wants to know how long every step of a run takes. note gets, on thread 0 while the run goes on, the number of the step that has ended,
   nanoseconds from the end of the step before to the end of this thread's share, and nanoseconds it then waited for the others; at the end of a
   run of several threads KK_NO_STEP and the wait behind its last step. */
typedef struct kk_profile {
    void (*note)(void *argument, int64_t step, uint64_t nanoseconds, uint64_t waiting);
    void *argument;
    uint64_t since; /* the pool's: when the step that is running began */
} kk_profile;

/* A step that nobody counts. */
#define KK_NO_STEP ((int64_t)-1)

/* What a thread knows of itself. scratch: private to this thread, 64-byte aligned, its contents are kept between runs. */
typedef struct kk_thread {
    int index, count;
    kk_pool *pool;
    unsigned char *scratch;
    size_t scratch_bytes;
    kk_profile *profile; /* of thread 0 while it is profiled, else null */
    int stops;           /* whether a barrier has anything to do: others to wait for, or a profile */
} kk_thread;

/* Memory that kk_pool_create needs; 0 when threads is outside 1..KK_THREADS_MAX or the size overflows. */
size_t kk_pool_bytes(int threads, size_t scratch_bytes_each);

/* Makes a pool of `threads` threads (the caller of kk_pool_run is thread 0) in the caller's memory, which must be 64-byte aligned and stay until
   kk_pool_destroy. KK_ERROR_ARGUMENT: null or misaligned. KK_ERROR_RANGE: number of threads. KK_ERROR_CAPACITY: bytes < kk_pool_bytes.
   KK_ERROR_THREADS: the system refused; nothing is left behind. *pool is null on error. */
kk_status kk_pool_create(void *memory, size_t bytes, int threads, size_t scratch_bytes_each, kk_pool **pool);

/* Ends the threads; the memory is the caller's again. A null pool is left alone. */
void kk_pool_destroy(kk_pool *pool);

/* Runs work(argument, thread) on every thread and returns when all are done. All run with the standard floating-point mode (kk_float_mode_enter), and
   the caller's own is put back. One thread may call this at a time; work must not. KK_ERROR_ARGUMENT: null pool or work. */
kk_status kk_pool_run(kk_pool *pool, void (*work)(void *argument, kk_thread *thread), void *argument);

/* From now on every run tells `profile`, which stays the caller's, of its steps; null: no longer. Not while work runs. A null pool is left alone. */
void kk_pool_profile(kk_pool *pool, kk_profile *profile);

/* Called by every thread of a running work the same number of times: returns when all have called it, and what each wrote before is visible to all after.
   Waits awake for some 50 microseconds, offering the processor to others, then asleep. step: the number of what has ended, for a profile, or KK_NO_STEP. */
void kk_barrier(kk_thread *thread, int64_t step);

/* Where a step ends without a barrier, since the next one touches only what the same thread wrote. */
void kk_step(kk_thread *thread, int64_t step);

/* Copies `bytes` together: every thread its share. The places must not overlap; a barrier is the caller's. */
void kk_copy(const kk_thread *thread, void *target, const void *source, int64_t bytes);

/* Writes the positions of the elements that are not 0, ascending, to `positions`, the first `capacity` of them, and the number of all
   to *count: every thread those of its share. A barrier is the caller's. */
void kk_true_positions(const kk_thread *thread, const uint8_t *mask, int64_t *positions, int64_t *count, int64_t size,
                       int64_t capacity);

#ifdef __cplusplus
}
#endif

#endif
