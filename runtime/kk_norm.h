/* Layer and RMS normalisation of rows. Rows go four at a time, since the sums of one wait for each other; sums are in 16 lanes and
   then a fixed tree, so that a row's bits do not depend on the rows beside it. Included after kk_simd.h, once for each instruction
   set level; every kernel calls kk_norm with literals, of which what it does not need vanishes. */
#ifndef KK_NORM_H
#define KK_NORM_H

#include "kk_threads.h"

typedef struct kk_norm_rows {
    const float *x; /* [batch][rows][width], batch_stride and row_stride floats apart */
    int64_t rows, batch_stride, row_stride;
    const float *scale, *shift; /* [width] each */
    float *y;                   /* [batch * rows][width], dense; may be x where that is dense too */
    int layer, scaled, shifted; /* whether the mean is subtracted, and what is applied */
    int64_t width;
    float eps; /* added to the variance, or to the mean of the squares */
} kk_norm_rows;

#define KK_NORM_ONE(each) each(0)
#define KK_NORM_FOUR(each) each(0) each(1) each(2) each(3)

/* What is done for row n of those at work; k is the element, `whole` the first one of a rest. */
#define KK_NORM_BEGIN(n) \
    const float *in##n = a.x + (row + n) / a.rows * a.batch_stride + (row + n) % a.rows * a.row_stride; \
    float *out##n = a.y + (row + n) * a.width; \
    kk_f32 sum##n = kk_zero(), mean##n = kk_zero();
#define KK_NORM_ADD(n) sum##n = kk_add(sum##n, kk_load(in##n + k));
#define KK_NORM_ADD_REST(n) sum##n = kk_add(sum##n, kk_load_part(in##n + whole, rest));
#define KK_NORM_MEAN(n) mean##n = kk_set1(kk_sum(sum##n) / (float)a.width); sum##n = kk_zero();
#define KK_NORM_DIFFERENCE(n) const kk_f32 d##n = kk_sub(kk_load(in##n + k), mean##n);
#define KK_NORM_DIFFERENCE_REST(n) \
    const kk_f32 d##n = kk_select(kk_mask_first(rest), kk_sub(kk_load_part(in##n + whole, rest), mean##n), kk_zero());
#define KK_NORM_ELEMENT(n) const kk_f32 d##n = kk_load(in##n + k);
#define KK_NORM_ELEMENT_REST(n) const kk_f32 d##n = kk_load_part(in##n + whole, rest);
#define KK_NORM_SQUARE(n) sum##n = kk_fma(d##n, d##n, sum##n);
#define KK_NORM_FACTOR(n) const kk_f32 factor##n = kk_div(kk_set1(1.0f), kk_sqrt(kk_set1(kk_sum(sum##n) / (float)a.width + a.eps)));
#define KK_NORM_RESULT(n) const kk_f32 v##n = kk_norm_result(a, d##n, factor##n, scale, shift);
#define KK_NORM_STORE(n) kk_store(out##n + k, v##n);
#define KK_NORM_STORE_REST(n) kk_store_part(out##n + whole, v##n, rest);

KK_INLINE kk_f32 kk_norm_result(const kk_norm_rows a, kk_f32 difference, kk_f32 factor, kk_f32 scale, kk_f32 shift)
{
    const kk_f32 v = kk_mul(difference, factor);
    if (a.scaled && a.shifted)
        return kk_fma(v, scale, shift);
    return a.scaled ? kk_mul(v, scale) : a.shifted ? kk_add(v, shift) : v;
}

/* Rows from `row` on side by side. Stores come behind all loads: one a multiple of 4096 bytes from a store before would wait for it. */
#define KK_NORM(name, EACH) \
    KK_INLINE void name(const kk_norm_rows a, int64_t row) \
    { \
        const int64_t whole = a.width / 16 * 16; \
        const int rest = (int)(a.width % 16); \
        EACH(KK_NORM_BEGIN) \
        if (a.layer) { \
            for (int64_t k = 0; k < whole; k += 16) { \
                EACH(KK_NORM_ADD) \
            } \
            if (rest) { \
                EACH(KK_NORM_ADD_REST) \
            } \
            EACH(KK_NORM_MEAN) \
            for (int64_t k = 0; k < whole; k += 16) { \
                EACH(KK_NORM_DIFFERENCE) \
                EACH(KK_NORM_SQUARE) \
            } \
            if (rest) { \
                EACH(KK_NORM_DIFFERENCE_REST) \
                EACH(KK_NORM_SQUARE) \
            } \
        } else { \
            for (int64_t k = 0; k < whole; k += 16) { \
                EACH(KK_NORM_ELEMENT) \
                EACH(KK_NORM_SQUARE) \
            } \
            if (rest) { \
                EACH(KK_NORM_ELEMENT_REST) \
                EACH(KK_NORM_SQUARE) \
            } \
        } \
        EACH(KK_NORM_FACTOR) \
        for (int64_t k = 0; k < whole; k += 16) { \
            const kk_f32 scale = a.scaled ? kk_load(a.scale + k) : kk_zero(), shift = a.shifted ? kk_load(a.shift + k) : kk_zero(); \
            if (a.layer) { \
                EACH(KK_NORM_DIFFERENCE) \
                EACH(KK_NORM_RESULT) \
                EACH(KK_NORM_STORE) \
            } else { \
                EACH(KK_NORM_ELEMENT) \
                EACH(KK_NORM_RESULT) \
                EACH(KK_NORM_STORE) \
            } \
        } \
        if (rest) { \
            const kk_f32 scale = a.scaled ? kk_load_part(a.scale + whole, rest) : kk_zero(); \
            const kk_f32 shift = a.shifted ? kk_load_part(a.shift + whole, rest) : kk_zero(); \
            if (a.layer) { \
                EACH(KK_NORM_DIFFERENCE_REST) \
                EACH(KK_NORM_RESULT) \
                EACH(KK_NORM_STORE_REST) \
            } else { \
                EACH(KK_NORM_ELEMENT_REST) \
                EACH(KK_NORM_RESULT) \
                EACH(KK_NORM_STORE_REST) \
            } \
        } \
    }

KK_NORM(kk_norm_one, KK_NORM_ONE)
KK_NORM(kk_norm_four, KK_NORM_FOUR)

/* This thread's share of the rows. */
KK_INLINE void kk_norm(const kk_thread *t, int64_t batch, const kk_norm_rows a)
{
    const int64_t all = batch * a.rows, end = all * (t->index + 1) / t->count;
    int64_t row = all * t->index / t->count;
    for (; row + 4 <= end; row += 4)
        kk_norm_four(a, row);
    for (; row < end; row++)
        kk_norm_one(a, row);
}

#endif
