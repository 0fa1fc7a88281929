/* Memory laid out behind one pointer, or only measured: where each thing lies in a handle's block, at multiples of 64 bytes. */
#ifndef KK_LAYOUT_H
#define KK_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "kk_integer.h"

/* What is laid out so far. memory: 64-byte aligned; null while only `end`, the bytes that are taken, is asked for. */
typedef struct kk_layout {
    unsigned char *memory;
    size_t end;
} kk_layout;

/* The first place behind `bytes` bytes at `at`. */
static inline KK_UNUSED size_t kk_behind(size_t at, int64_t bytes) { return (at + (size_t)bytes + 63) / 64 * 64; }

static inline KK_UNUSED size_t kk_farther(size_t a, size_t b) { return a > b ? a : b; }

/* A place of its own for so many bytes; null while measuring. */
static inline KK_UNUSED void *kk_place(kk_layout *layout, int64_t bytes)
{
    const size_t at = layout->end;
    layout->end = kk_behind(at, bytes);
    return layout->memory ? layout->memory + at : 0;
}

/* Takes bytes at a place that may overlap others, because they are never needed together, and returns the place. */
static inline KK_UNUSED size_t kk_cover(kk_layout *layout, size_t at, int64_t bytes)
{
    layout->end = kk_farther(layout->end, kk_behind(at, bytes));
    return at;
}

/* A size that is 0 takes its default; whether it then is within its bounds. */
static inline KK_UNUSED int kk_complete_size(int64_t *size, int64_t otherwise, int64_t lower, int64_t upper)
{
    if (*size == 0)
        *size = otherwise;
    return *size >= lower && *size <= upper;
}

#endif
