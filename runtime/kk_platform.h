/* Everything that Kaoken asks of the operating system and the processor; kk_platform.c is the only file that knows them.

   POSIX and Win32 are recognised; with KK_PLATFORM_NONE defined (or an unknown compiler) there are no threads, no files and no clock:
   the caller passes a pointer to the weights. Nothing here keeps state between calls, prints or ends the process. */
#ifndef KK_PLATFORM_H
#define KK_PLATFORM_H

#include "kk_prefix.h"
#include "kk_status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
/* Sequentially consistent, because the pool's sleepers and wakers store one word and then load the other's. */
typedef uint32_t kk_atomic;
#define kk_atomic_load(address) __atomic_load_n((address), __ATOMIC_SEQ_CST)
#define kk_atomic_store(address, value) __atomic_store_n((address), (value), __ATOMIC_SEQ_CST)
#define kk_atomic_add(address, value) __atomic_fetch_add((address), (value), __ATOMIC_SEQ_CST) /* returns the old value */
#elif defined(_MSC_VER)
#include <intrin.h>
typedef volatile long kk_atomic;
#define kk_atomic_load(address) ((uint32_t)_InterlockedOr((address), 0))
#define kk_atomic_store(address, value) ((void)_InterlockedExchange((address), (long)(value)))
#define kk_atomic_add(address, value) ((uint32_t)_InterlockedExchangeAdd((address), (long)(value)))
#else
#ifndef KK_PLATFORM_NONE
#define KK_PLATFORM_NONE 1
#endif
typedef uint32_t kk_atomic;
#define kk_atomic_load(address) (*(address))
#define kk_atomic_store(address, value) ((void)(*(address) = (value)))
#define kk_atomic_add(address, value) ((*(address) += (value)) - (value))
#endif

/* A file mapped read-only and shared with every process that maps it. */
typedef struct kk_mapping {
    const unsigned char *data;
    size_t size;
} kk_mapping;

/* Maps a whole file. path: UTF-8 on Win32, the system's bytes elsewhere. KK_ERROR_FILE when it cannot be opened, is no regular file, is
   empty or larger than the address space. The mapping outlives the file's name. */
kk_status kk_map_file(const char *path, kk_mapping *mapping);

/* Ends a mapping and clears it; a cleared one is left alone. */
void kk_unmap_file(kk_mapping *mapping);

/* At least `bytes` of memory, 64-byte aligned (2 MB where that lets the system use large pages), contents undefined; null when there is none.
   Used at creation only. */
void *kk_allocate(size_t bytes);
void kk_free(void *memory);

/* The best kernels that this processor and its operating system can run. The environment variable KAOKEN_LEVEL (plain, avx2, avx512)
   lowers the answer, never raises it; other values are ignored. */
typedef enum kk_cpu { KK_CPU_BASELINE = 0, KK_CPU_AVX2 = 1, KK_CPU_AVX512 = 2 } kk_cpu;
kk_cpu kk_cpu_level(void);

/* KK_ERROR_CPU when this file was compiled for instructions (-mavx2, -march=native, ...) that the processor lacks, else KK_OK. */
kk_status kk_cpu_check(void);

/* Processors that this process may run on, at least 1. */
int kk_cpu_count(void);

/* Nanoseconds of a clock that never goes back; 0 where there is none. */
uint64_t kk_clock(void);

/* Rounding and flush modes of the calling thread: enter saves the caller's and sets what every kernel assumes (round to nearest even, subnormals
   kept, no traps); leave puts them back. x86, aarch64 and RISC-V; elsewhere the modes are left as they are. */
typedef struct kk_float_mode {
    uint64_t saved;
} kk_float_mode;
void kk_float_mode_enter(kk_float_mode *mode);
void kk_float_mode_leave(const kk_float_mode *mode);

/* A mutex with a condition variable, and a thread, in the caller's memory. */
typedef struct kk_lock {
    union {
        uint64_t bytes[20];
        void *pointer;
    } space;
} kk_lock;
typedef struct kk_native_thread {
    union {
        uint64_t bytes[2];
        void *pointer;
    } space;
} kk_native_thread;

kk_status kk_lock_create(kk_lock *lock); /* KK_ERROR_THREADS when the system refuses */
void kk_lock_destroy(kk_lock *lock);
void kk_lock_enter(kk_lock *lock);
void kk_lock_leave(kk_lock *lock);
void kk_lock_sleep(kk_lock *lock);    /* inside the lock: releases it until woken (possibly for no reason), then holds it again */
void kk_lock_wake_all(kk_lock *lock); /* inside the lock */

/* Starts work(argument) on a thread of its own that takes no signals; KK_ERROR_THREADS when the system refuses. */
kk_status kk_thread_start(kk_native_thread *thread, void (*work)(void *argument), void *argument);
void kk_thread_join(kk_native_thread *thread);
void kk_thread_yield(void); /* lets another thread run */
void kk_thread_pause(void); /* tells the processor that this thread waits in a loop */

#ifdef __cplusplus
}
#endif

#endif
