/* The operating system and the processor, for every target: see kk_platform.h. Sections: processor, floating-point mode, then one system each. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity, MADV_HUGEPAGE */
#elif !defined(_POSIX_C_SOURCE) && !defined(__APPLE__) && !defined(__FreeBSD__)
#define _POSIX_C_SOURCE 200809L
#endif

#include "kk_platform.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define KK_X86_64 1
#include <xmmintrin.h>
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

/* ---- Processor ---- */

#if defined(KK_X86_64)

/* Registers eax, ebx, ecx, edx of a cpuid leaf; zeros where the processor has no such leaf. */
static void kk_cpuid(unsigned leaf, unsigned registers[4])
{
#if defined(_MSC_VER) && !defined(__clang__)
    int out[4];
    __cpuid(out, 0);
    memset(registers, 0, 4 * sizeof *registers);
    if ((unsigned)out[0] >= leaf) {
        __cpuidex(out, (int)leaf, 0);
        for (int i = 0; i < 4; i++)
            registers[i] = (unsigned)out[i];
    }
#else
    if (!__get_cpuid_count(leaf, 0, &registers[0], &registers[1], &registers[2], &registers[3]))
        memset(registers, 0, 4 * sizeof *registers);
#endif
}

/* The register states that the operating system saves (XCR0). Only where cpuid says that xgetbv exists. */
static unsigned kk_saved_states(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return (unsigned)_xgetbv(0);
#else
    unsigned low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#endif
}

static kk_cpu kk_detect(void)
{
    const unsigned fma_osxsave_avx_f16c = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29;
    const unsigned avx2 = 1u << 5, avx512_f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    unsigned basic[4], extended[4], states;
    kk_cpuid(1, basic);
    kk_cpuid(7, extended);
    if ((basic[2] & fma_osxsave_avx_f16c) != fma_osxsave_avx_f16c || !(extended[1] & avx2))
        return KK_CPU_BASELINE;
    states = kk_saved_states();
    if ((states & 0x06) != 0x06) /* xmm and ymm */
        return KK_CPU_BASELINE;
    if ((extended[1] & avx512_f_dq_bw_vl) == avx512_f_dq_bw_vl && (states & 0xe6) == 0xe6) /* and masks and zmm */
        return KK_CPU_AVX512;
    return KK_CPU_AVX2;
}

#else

static kk_cpu kk_detect(void) { return KK_CPU_BASELINE; }

#endif

kk_cpu kk_cpu_level(void)
{
    kk_cpu found = kk_detect(), asked = found;
    const char *name = getenv("KAOKEN_LEVEL");
    if (name != NULL && strcmp(name, "plain") == 0)
        asked = KK_CPU_BASELINE;
    else if (name != NULL && strcmp(name, "avx2") == 0)
        asked = KK_CPU_AVX2;
    return asked < found ? asked : found;
}

kk_status kk_cpu_check(void)
{
#if defined(KK_X86_64) && defined(__AVX512F__)
    return kk_detect() >= KK_CPU_AVX512 ? KK_OK : KK_ERROR_CPU;
#elif defined(KK_X86_64) && (defined(__AVX2__) || defined(__FMA__))
    return kk_detect() >= KK_CPU_AVX2 ? KK_OK : KK_ERROR_CPU;
#else
    return KK_OK;
#endif
}

void kk_thread_pause(void)
{
#if defined(KK_X86_64)
    _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ volatile("yield");
#endif
}

/* ---- Floating-point mode ---- */

void kk_float_mode_enter(kk_float_mode *mode)
{
#if defined(KK_X86_64)
    mode->saved = _mm_getcsr();
    _mm_setcsr(0x1f80); /* every exception masked, nearest, neither flush-to-zero nor denormals-are-zero */
#elif defined(__aarch64__) && defined(__GNUC__)
    uint64_t standard = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode->saved));
    __asm__ volatile("msr fpcr, %0" : : "r"(standard) : "memory");
#elif defined(__riscv_flen) && defined(__GNUC__)
    unsigned long saved;
    __asm__ volatile("fsrmi %0, 0" : "=r"(saved) : : "memory");
    mode->saved = saved;
#else
    mode->saved = 0;
#endif
}

void kk_float_mode_leave(const kk_float_mode *mode)
{
#if defined(KK_X86_64)
    _mm_setcsr((unsigned)mode->saved);
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode->saved) : "memory");
#elif defined(__riscv_flen) && defined(__GNUC__)
    __asm__ volatile("fsrm %0" : : "r"((unsigned long)mode->saved) : "memory");
#else
    (void)mode;
#endif
}

#if defined(KK_PLATFORM_NONE)

/* ---- No system ---- */

kk_status kk_map_file(const char *path, kk_mapping *mapping)
{
    (void)path;
    mapping->data = NULL;
    mapping->size = 0;
    return KK_ERROR_FILE;
}

void kk_unmap_file(kk_mapping *mapping)
{
    mapping->data = NULL;
    mapping->size = 0;
}

/* malloc's own pointer is kept just below the aligned memory. */
void *kk_allocate(size_t bytes)
{
    unsigned char *raw, *aligned;
    if (bytes > SIZE_MAX - 128 || (raw = malloc(bytes + 128)) == NULL)
        return NULL;
    aligned = raw + 128 - (uintptr_t)raw % 64;
    memcpy(aligned - sizeof raw, &raw, sizeof raw);
    return aligned;
}

void kk_free(void *memory)
{
    unsigned char *raw;
    if (memory == NULL)
        return;
    memcpy(&raw, (unsigned char *)memory - sizeof raw, sizeof raw);
    free(raw);
}

int kk_cpu_count(void) { return 1; }
uint64_t kk_clock(void) { return 0; }

kk_status kk_lock_create(kk_lock *lock)
{
    (void)lock;
    return KK_ERROR_THREADS;
}

void kk_lock_destroy(kk_lock *lock) { (void)lock; }
void kk_lock_enter(kk_lock *lock) { (void)lock; }
void kk_lock_leave(kk_lock *lock) { (void)lock; }
void kk_lock_sleep(kk_lock *lock) { (void)lock; }
void kk_lock_wake_all(kk_lock *lock) { (void)lock; }

kk_status kk_thread_start(kk_native_thread *thread, void (*work)(void *argument), void *argument)
{
    (void)thread, (void)work, (void)argument;
    return KK_ERROR_THREADS;
}

void kk_thread_join(kk_native_thread *thread) { (void)thread; }
void kk_thread_yield(void) {}

#elif defined(_WIN32)

/* ---- Win32 ---- */

#define WIN32_LEAN_AND_MEAN
#include <malloc.h>
#include <process.h>
#include <windows.h>

kk_status kk_map_file(const char *path, kk_mapping *mapping)
{
    wchar_t *wide;
    HANDLE file, section;
    LARGE_INTEGER size;
    int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    mapping->data = NULL;
    mapping->size = 0;
    if (length <= 0 || (wide = malloc((size_t)length * sizeof *wide)) == NULL)
        return KK_ERROR_FILE;
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, length);
    file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    free(wide);
    if (file == INVALID_HANDLE_VALUE)
        return KK_ERROR_FILE;
    if (GetFileSizeEx(file, &size) && size.QuadPart > 0 && (uint64_t)size.QuadPart <= SIZE_MAX) {
        section = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
        if (section != NULL) {
            mapping->data = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
            CloseHandle(section); /* the view keeps the section alive */
        }
    }
    CloseHandle(file);
    if (mapping->data == NULL)
        return KK_ERROR_FILE;
    mapping->size = (size_t)size.QuadPart;
    return KK_OK;
}

void kk_unmap_file(kk_mapping *mapping)
{
    if (mapping->data != NULL)
        UnmapViewOfFile(mapping->data);
    mapping->data = NULL;
    mapping->size = 0;
}

void *kk_allocate(size_t bytes) { return _aligned_malloc(bytes > 0 ? bytes : 1, 64); }
void kk_free(void *memory) { _aligned_free(memory); }

int kk_cpu_count(void)
{
    DWORD count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return count > 0 ? (int)count : 1;
}

uint64_t kk_clock(void)
{
    LARGE_INTEGER now, rate;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&rate);
    return (uint64_t)(now.QuadPart / rate.QuadPart) * 1000000000u +
           (uint64_t)(now.QuadPart % rate.QuadPart) * 1000000000u / (uint64_t)rate.QuadPart;
}

typedef struct kk_native_lock {
    SRWLOCK lock;
    CONDITION_VARIABLE changed;
} kk_native_lock;
typedef char kk_lock_fits[sizeof(kk_native_lock) <= sizeof(kk_lock) ? 1 : -1];

static kk_native_lock *kk_native(kk_lock *lock) { return (kk_native_lock *)(void *)&lock->space; }

kk_status kk_lock_create(kk_lock *lock)
{
    InitializeSRWLock(&kk_native(lock)->lock);
    InitializeConditionVariable(&kk_native(lock)->changed);
    return KK_OK;
}

void kk_lock_destroy(kk_lock *lock) { (void)lock; }
void kk_lock_enter(kk_lock *lock) { AcquireSRWLockExclusive(&kk_native(lock)->lock); }
void kk_lock_leave(kk_lock *lock) { ReleaseSRWLockExclusive(&kk_native(lock)->lock); }
void kk_lock_sleep(kk_lock *lock) { SleepConditionVariableSRW(&kk_native(lock)->changed, &kk_native(lock)->lock, INFINITE, 0); }
void kk_lock_wake_all(kk_lock *lock) { WakeAllConditionVariable(&kk_native(lock)->changed); }

typedef struct kk_start {
    void (*work)(void *argument);
    void *argument;
} kk_start;

static unsigned __stdcall kk_thread_body(void *memory)
{
    kk_start start = *(kk_start *)memory;
    free(memory);
    start.work(start.argument);
    return 0;
}

kk_status kk_thread_start(kk_native_thread *thread, void (*work)(void *argument), void *argument)
{
    kk_start *start = malloc(sizeof *start);
    if (start == NULL)
        return KK_ERROR_THREADS;
    start->work = work;
    start->argument = argument;
    thread->space.pointer = (void *)_beginthreadex(NULL, 1 << 20, kk_thread_body, start, 0, NULL);
    if (thread->space.pointer == NULL) {
        free(start);
        return KK_ERROR_THREADS;
    }
    return KK_OK;
}

void kk_thread_join(kk_native_thread *thread)
{
    WaitForSingleObject(thread->space.pointer, INFINITE);
    CloseHandle(thread->space.pointer);
}

void kk_thread_yield(void) { SwitchToThread(); }

#else

/* ---- POSIX ---- */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KK_LARGE_PAGE ((size_t)2 << 20)

/* Only a hint: systems without large pages refuse it, and nothing is lost. */
static void kk_advise_large_pages(void *memory, size_t bytes)
{
#if defined(MADV_HUGEPAGE)
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

kk_status kk_map_file(const char *path, kk_mapping *mapping)
{
    struct stat about;
    void *data = MAP_FAILED;
    /* O_NONBLOCK: opening a named pipe must not wait for its other end. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    mapping->data = NULL;
    mapping->size = 0;
    if (file < 0)
        return KK_ERROR_FILE;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 && (uint64_t)about.st_size <= SIZE_MAX)
        data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (data == MAP_FAILED)
        return KK_ERROR_FILE;
    kk_advise_large_pages(data, (size_t)about.st_size);
    mapping->data = data;
    mapping->size = (size_t)about.st_size;
    return KK_OK;
}

void kk_unmap_file(kk_mapping *mapping)
{
    union {
        const unsigned char *constant;
        void *plain;
    } data;
    data.constant = mapping->data;
    if (data.plain != NULL)
        munmap(data.plain, mapping->size);
    mapping->data = NULL;
    mapping->size = 0;
}

void *kk_allocate(size_t bytes)
{
    size_t alignment = bytes >= 2 * KK_LARGE_PAGE ? KK_LARGE_PAGE : 64;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes > 0 ? bytes : 1) != 0)
        return NULL;
    if (alignment > 64)
        kk_advise_large_pages(memory, bytes / KK_LARGE_PAGE * KK_LARGE_PAGE);
    return memory;
}

void kk_free(void *memory) { free(memory); }

int kk_cpu_count(void)
{
    long count = 0;
#if defined(__linux__) && defined(CPU_COUNT)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        count = CPU_COUNT(&allowed);
#endif
#if defined(_SC_NPROCESSORS_ONLN)
    if (count < 1)
        count = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return count < 1 ? 1 : (int)count;
}

uint64_t kk_clock(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

typedef struct kk_native_lock {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} kk_native_lock;
typedef char kk_lock_fits[sizeof(kk_native_lock) <= sizeof(kk_lock) ? 1 : -1];
typedef char kk_thread_fits[sizeof(pthread_t) <= sizeof(kk_native_thread) ? 1 : -1];

static kk_native_lock *kk_native(kk_lock *lock) { return (kk_native_lock *)(void *)&lock->space; }

kk_status kk_lock_create(kk_lock *lock)
{
    kk_native_lock *native = kk_native(lock);
    if (pthread_mutex_init(&native->mutex, NULL) != 0)
        return KK_ERROR_THREADS;
    if (pthread_cond_init(&native->changed, NULL) != 0) {
        pthread_mutex_destroy(&native->mutex);
        return KK_ERROR_THREADS;
    }
    return KK_OK;
}

void kk_lock_destroy(kk_lock *lock)
{
    pthread_cond_destroy(&kk_native(lock)->changed);
    pthread_mutex_destroy(&kk_native(lock)->mutex);
}

void kk_lock_enter(kk_lock *lock) { pthread_mutex_lock(&kk_native(lock)->mutex); }
void kk_lock_leave(kk_lock *lock) { pthread_mutex_unlock(&kk_native(lock)->mutex); }
void kk_lock_sleep(kk_lock *lock) { pthread_cond_wait(&kk_native(lock)->changed, &kk_native(lock)->mutex); }
void kk_lock_wake_all(kk_lock *lock) { pthread_cond_broadcast(&kk_native(lock)->changed); }

typedef struct kk_start {
    void (*work)(void *argument);
    void *argument;
} kk_start;

static void *kk_thread_body(void *memory)
{
    kk_start start = *(kk_start *)memory;
    free(memory);
    start.work(start.argument);
    return NULL;
}

kk_status kk_thread_start(kk_native_thread *thread, void (*work)(void *argument), void *argument)
{
    sigset_t all, before;
    pthread_t native;
    int failed;
    kk_start *start = malloc(sizeof *start);
    if (start == NULL)
        return KK_ERROR_THREADS;
    start->work = work;
    start->argument = argument;
    /* A thread inherits the mask: the program's signal handlers must run on the program's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&native, NULL, kk_thread_body, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(start);
        return KK_ERROR_THREADS;
    }
    memcpy(&thread->space, &native, sizeof native);
    return KK_OK;
}

void kk_thread_join(kk_native_thread *thread)
{
    pthread_t native;
    memcpy(&native, &thread->space, sizeof native);
    pthread_join(native, NULL);
}

void kk_thread_yield(void) { sched_yield(); }

#endif
