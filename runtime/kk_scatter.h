/* Scatter: rows of updates into a tensor. kk_scatter_KIND_TYPE, for the kinds none (the last update stays), add, mul, max and min.

   y [total] holds x; y[places[r] + j] is replaced by, or combined with, updates[r * width + j], by ascending r. A place of which the row would not lie inside is
   left out. Every thread takes its share of a row's elements, one thread all where rows are short; a barrier is the caller's. */
#ifndef KK_SCATTER_H
#define KK_SCATTER_H

#include "kk_integer.h"
#include "kk_threads.h"

#define KK_SHORT_ROW 64

#define KK_SCATTER(name, type, combined)                                                                                        \
    static KK_UNUSED void kk_scatter_##name(const kk_thread *t, const int64_t *places, const type *updates, type *y,           \
                                            int64_t total, int64_t rows, int64_t width)                                         \
    {                                                                                                                           \
        const int64_t threads = width < KK_SHORT_ROW ? 1 : t->count;                                                            \
        const int64_t begin = t->index < threads ? width * t->index / threads : width;                                          \
        const int64_t end = t->index < threads ? width * (t->index + 1) / threads : width;                                      \
        for (int64_t r = 0; r < rows && begin < end; r++) {                                                                     \
            if (places[r] < 0 || places[r] > total - width)                                                                     \
                continue;                                                                                                       \
            for (int64_t j = begin; j < end; j++) {                                                                             \
                type *const a = y + places[r] + j;                                                                              \
                const type b = updates[r * width + j];                                                                          \
                *a = combined;                                                                                                  \
            }                                                                                                                   \
        }                                                                                                                       \
    }

#define KK_SCATTER_NUMBERS(name, type, sum, product, larger, smaller) \
    KK_SCATTER(none_##name, type, b)                                  \
    KK_SCATTER(add_##name, type, sum)                                 \
    KK_SCATTER(mul_##name, type, product)                             \
    KK_SCATTER(max_##name, type, larger ? *a : b)                     \
    KK_SCATTER(min_##name, type, smaller ? *a : b)
#define KK_SCATTER_FLOATS(name, type) KK_SCATTER_NUMBERS(name, type, *a + b, *a * b, *a != *a || *a > b, *a != *a || *a < b)
#define KK_SCATTER_INTEGERS(name, type) \
    KK_SCATTER_NUMBERS(name, type, (type)((uint64_t)*a + (uint64_t)b), (type)((uint64_t)*a * (uint64_t)b), *a > b, *a < b)

KK_SCATTER_FLOATS(f32, float)
KK_SCATTER_FLOATS(f64, double)
KK_SCATTER_INTEGERS(i8, int8_t)
KK_SCATTER_INTEGERS(i16, int16_t)
KK_SCATTER_INTEGERS(i32, int32_t)
KK_SCATTER_INTEGERS(i64, int64_t)
KK_SCATTER_INTEGERS(u8, uint8_t)
KK_SCATTER_INTEGERS(u16, uint16_t)
KK_SCATTER_INTEGERS(u32, uint32_t)
KK_SCATTER_INTEGERS(u64, uint64_t)
#undef KK_SCATTER
#undef KK_SCATTER_NUMBERS
#undef KK_SCATTER_FLOATS
#undef KK_SCATTER_INTEGERS

#endif
