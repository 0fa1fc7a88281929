/* The vector vocabulary in GNU C's portable vectors (gcc and clang on any target): four vectors of four lanes, which become the target's
   registers, or scalars where it has none. The plain level of these compilers: gcc makes code of it that is four times as fast as of the loops in
   kk_simd_plain.h. Included by kk_simd.h, which states the rules. kk_fma rounds once where the compiler says that the target has a fused
   multiply-add (the bits of every other level then), and twice elsewhere (KK_FUSED == 0: bits of its own), since an emulated fmaf is
   about 100 times slower. */
#ifndef KK_SIMD_GNU_H
#define KK_SIMD_GNU_H

#if defined(__FMA__) && defined(__SSE__)
#include <immintrin.h>
#elif defined(__SSE__)
#include <xmmintrin.h>
#endif

#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__riscv_f)
#define KK_FUSED 1
#else
#define KK_FUSED 0
#endif

typedef float kk_v4f __attribute__((vector_size(16)));
typedef int32_t kk_v4i __attribute__((vector_size(16)));
typedef uint32_t kk_v4u __attribute__((vector_size(16)));

typedef struct kk_f32 { kk_v4f q0, q1, q2, q3; } kk_f32;
typedef struct kk_i32 { kk_v4i q0, q1, q2, q3; } kk_i32;
typedef kk_i32 kk_mask; /* -1 or 0 */

/* A function that takes one step for each quarter of its operands. */
#define KK_UNARY(result_type, name, type, step)                                                                       \
    KK_INLINE result_type name(type a)                                                                                \
    {                                                                                                                 \
        result_type r;                                                                                                \
        r.q0 = step(a.q0);                                                                                            \
        r.q1 = step(a.q1);                                                                                            \
        r.q2 = step(a.q2);                                                                                            \
        r.q3 = step(a.q3);                                                                                            \
        return r;                                                                                                     \
    }
#define KK_BINARY(result_type, name, type, step)                                                                      \
    KK_INLINE result_type name(type a, type b)                                                                        \
    {                                                                                                                 \
        result_type r;                                                                                                \
        r.q0 = step(a.q0, b.q0);                                                                                      \
        r.q1 = step(a.q1, b.q1);                                                                                      \
        r.q2 = step(a.q2, b.q2);                                                                                      \
        r.q3 = step(a.q3, b.q3);                                                                                      \
        return r;                                                                                                     \
    }
#define KK_TERNARY(result_type, name, type_a, type, step)                                                             \
    KK_INLINE result_type name(type_a a, type b, type c)                                                              \
    {                                                                                                                 \
        result_type r;                                                                                                \
        r.q0 = step(a.q0, b.q0, c.q0);                                                                                \
        r.q1 = step(a.q1, b.q1, c.q1);                                                                                \
        r.q2 = step(a.q2, b.q2, c.q2);                                                                                \
        r.q3 = step(a.q3, b.q3, c.q3);                                                                                \
        return r;                                                                                                     \
    }
#define KK_SHIFT(name, vector, operator)                                                                              \
    KK_INLINE kk_i32 name(kk_i32 a, int n)                                                                            \
    {                                                                                                                 \
        a.q0 = (kk_v4i)((vector)a.q0 operator n);                                                                     \
        a.q1 = (kk_v4i)((vector)a.q1 operator n);                                                                     \
        a.q2 = (kk_v4i)((vector)a.q2 operator n);                                                                     \
        a.q3 = (kk_v4i)((vector)a.q3 operator n);                                                                     \
        return a;                                                                                                     \
    }

/* A cast between vectors keeps the bits. Integer arithmetic is unsigned, because signed arithmetic must not overflow in C. */
#define KK_AS_F32(a) ((kk_v4f)(a))
#define KK_AS_I32(a) ((kk_v4i)(a))
#define KK_ADD(a, b) ((a) + (b))
#define KK_SUB(a, b) ((a) - (b))
#define KK_MUL(a, b) ((a) * (b))
#define KK_DIV(a, b) ((a) / (b))
#define KK_NEG(a) KK_AS_F32(KK_AS_I32(a) ^ INT32_MIN)
#define KK_ABS(a) KK_AS_F32(KK_AS_I32(a) & INT32_MAX)
#define KK_SELECT(m, a, b) KK_AS_F32((KK_AS_I32(a) & (m)) | (KK_AS_I32(b) & ~(m)))
#define KK_SELECT_I32(m, a, b) (((a) & (m)) | ((b) & ~(m)))
#define KK_ADD_I32(a, b) KK_AS_I32((kk_v4u)(a) + (kk_v4u)(b))
#define KK_SUB_I32(a, b) KK_AS_I32((kk_v4u)(a) - (kk_v4u)(b))
#define KK_MUL_I32(a, b) KK_AS_I32((kk_v4u)(a) * (kk_v4u)(b))
#define KK_AND(a, b) ((a) & (b))
#define KK_OR(a, b) ((a) | (b))
#define KK_XOR(a, b) ((a) ^ (b))
#define KK_NOT(a) (~(a))
#define KK_LT(a, b) KK_AS_I32((a) < (b))
#define KK_LE(a, b) KK_AS_I32((a) <= (b))
#define KK_GT(a, b) KK_AS_I32((a) > (b))
#define KK_GE(a, b) KK_AS_I32((a) >= (b))
#define KK_EQ(a, b) KK_AS_I32((a) == (b))
#define KK_NE(a, b) KK_AS_I32((a) != (b))
#define KK_MAX(a, b) KK_SELECT(KK_GT(a, b), a, b)
#define KK_MIN(a, b) KK_SELECT(KK_LT(a, b), a, b)
#define KK_FROM_I32(a) __builtin_convertvector((a), kk_v4f)
#define KK_TRUNCATE_TO_I32(a) __builtin_convertvector((a), kk_v4i)

KK_BINARY(kk_f32, kk_add, kk_f32, KK_ADD)
KK_BINARY(kk_f32, kk_sub, kk_f32, KK_SUB)
KK_BINARY(kk_f32, kk_mul, kk_f32, KK_MUL)
KK_BINARY(kk_f32, kk_div, kk_f32, KK_DIV)
KK_UNARY(kk_f32, kk_neg, kk_f32, KK_NEG)
KK_UNARY(kk_f32, kk_abs, kk_f32, KK_ABS)
KK_BINARY(kk_mask, kk_lt, kk_f32, KK_LT)
KK_BINARY(kk_mask, kk_le, kk_f32, KK_LE)
KK_BINARY(kk_mask, kk_gt, kk_f32, KK_GT)
KK_BINARY(kk_mask, kk_ge, kk_f32, KK_GE)
KK_BINARY(kk_mask, kk_eq, kk_f32, KK_EQ)
KK_BINARY(kk_mask, kk_ne, kk_f32, KK_NE)
KK_TERNARY(kk_f32, kk_select, kk_mask, kk_f32, KK_SELECT)
KK_BINARY(kk_mask, kk_mask_and, kk_mask, KK_AND)
KK_BINARY(kk_mask, kk_mask_or, kk_mask, KK_OR)
KK_UNARY(kk_mask, kk_mask_not, kk_mask, KK_NOT)
KK_UNARY(kk_i32, kk_bits, kk_f32, KK_AS_I32)
KK_UNARY(kk_f32, kk_from_bits, kk_i32, KK_AS_F32)
KK_UNARY(kk_f32, kk_from_i32, kk_i32, KK_FROM_I32)
KK_UNARY(kk_i32, kk_plain_truncate, kk_f32, KK_TRUNCATE_TO_I32)
KK_BINARY(kk_i32, kk_i32_add, kk_i32, KK_ADD_I32)
KK_BINARY(kk_i32, kk_i32_sub, kk_i32, KK_SUB_I32)
KK_BINARY(kk_i32, kk_i32_mul, kk_i32, KK_MUL_I32)
KK_BINARY(kk_i32, kk_i32_and, kk_i32, KK_AND)
KK_BINARY(kk_i32, kk_i32_or, kk_i32, KK_OR)
KK_BINARY(kk_i32, kk_i32_xor, kk_i32, KK_XOR)
KK_SHIFT(kk_i32_shl, kk_v4u, <<)
KK_SHIFT(kk_i32_shr, kk_v4u, >>)
KK_SHIFT(kk_i32_sar, kk_v4i, >>)
KK_BINARY(kk_mask, kk_i32_eq, kk_i32, KK_EQ)
KK_BINARY(kk_mask, kk_i32_gt, kk_i32, KK_GT)
KK_TERNARY(kk_i32, kk_i32_select, kk_mask, kk_i32, KK_SELECT_I32)

KK_INLINE kk_v4f kk_gnu_fma(kk_v4f a, kk_v4f b, kk_v4f c)
{
#if defined(__FMA__) && defined(__SSE__)
    return _mm_fmadd_ps(a, b, c);
#elif KK_FUSED
    kk_v4f r = {__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]), __builtin_fmaf(a[2], b[2], c[2]),
                __builtin_fmaf(a[3], b[3], c[3])};
    return r;
#else
    return a * b + c;
#endif
}

KK_INLINE kk_v4f kk_gnu_fnma(kk_v4f a, kk_v4f b, kk_v4f c) { return kk_gnu_fma(-a, b, c); }

KK_TERNARY(kk_f32, kk_fma, kk_f32, kk_f32, kk_gnu_fma)
KK_TERNARY(kk_f32, kk_fnma, kk_f32, kk_f32, kk_gnu_fnma)

#if defined(__SSE__)
/* Spelled as the instructions, whose rule for NaN and zeros is the vocabulary's. */
KK_BINARY(kk_f32, kk_max, kk_f32, _mm_max_ps)
KK_BINARY(kk_f32, kk_min, kk_f32, _mm_min_ps)
KK_UNARY(kk_f32, kk_sqrt, kk_f32, _mm_sqrt_ps)
#else
KK_BINARY(kk_f32, kk_max, kk_f32, KK_MAX)
KK_BINARY(kk_f32, kk_min, kk_f32, KK_MIN)
/* C has no square root outside libm; the builtin is one instruction wherever the target has one. */
KK_INLINE kk_v4f kk_gnu_sqrt(kk_v4f a)
{
#if defined(__clang__) && __clang_major__ >= 16
    return __builtin_elementwise_sqrt(a);
#else
    kk_v4f r = {__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])};
    return r;
#endif
}
KK_UNARY(kk_f32, kk_sqrt, kk_f32, kk_gnu_sqrt)
#endif

KK_INLINE kk_f32 kk_set1(float x)
{
    kk_v4f v = {x, x, x, x};
    kk_f32 r;
    r.q0 = r.q1 = r.q2 = r.q3 = v;
    return r;
}

KK_INLINE kk_i32 kk_i32_set1(int32_t x)
{
    kk_v4i v = {x, x, x, x};
    kk_i32 r;
    r.q0 = r.q1 = r.q2 = r.q3 = v;
    return r;
}

KK_INLINE kk_f32 kk_load(const float *p)
{
    kk_f32 r;
    memcpy(&r.q0, p, 16);
    memcpy(&r.q1, p + 4, 16);
    memcpy(&r.q2, p + 8, 16);
    memcpy(&r.q3, p + 12, 16);
    return r;
}

KK_INLINE void kk_store(float *p, kk_f32 a)
{
    memcpy(p, &a.q0, 16);
    memcpy(p + 4, &a.q1, 16);
    memcpy(p + 8, &a.q2, 16);
    memcpy(p + 12, &a.q3, 16);
}

KK_INLINE kk_f32 kk_load_part(const float *p, int n)
{
    float lanes[16] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return kk_load(lanes);
}

KK_INLINE void kk_store_part(float *p, kk_f32 a, int n)
{
    float lanes[16];
    kk_store(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

KK_INLINE kk_i32 kk_i32_load(const int32_t *p)
{
    kk_i32 r;
    memcpy(&r.q0, p, 16);
    memcpy(&r.q1, p + 4, 16);
    memcpy(&r.q2, p + 8, 16);
    memcpy(&r.q3, p + 12, 16);
    return r;
}

KK_INLINE void kk_i32_store(int32_t *p, kk_i32 a)
{
    memcpy(p, &a.q0, 16);
    memcpy(p + 4, &a.q1, 16);
    memcpy(p + 8, &a.q2, 16);
    memcpy(p + 12, &a.q3, 16);
}

KK_INLINE kk_mask kk_mask_first(int n)
{
    static const int32_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return kk_i32_gt(kk_i32_set1(n), kk_i32_load(index));
}

KK_INLINE int kk_mask_any(kk_mask a)
{
    kk_v4i any = (a.q0 | a.q1) | (a.q2 | a.q3);
    return (any[0] | any[1] | any[2] | any[3]) != 0;
}

KK_INLINE int kk_mask_all(kk_mask a) { return !kk_mask_any(kk_mask_not(a)); }

KK_INLINE float kk_lane0(kk_f32 a) { return a.q0[0]; }

KK_INLINE float kk_sum(kk_f32 a)
{
    kk_v4f four = (a.q0 + a.q2) + (a.q1 + a.q3);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

KK_INLINE float kk_hmax(kk_f32 a)
{
    kk_v4f left = KK_MAX(a.q0, a.q2), right = KK_MAX(a.q1, a.q3), four = KK_MAX(left, right);
    float even = four[0] > four[2] ? four[0] : four[2], odd = four[1] > four[3] ? four[1] : four[3];
    return even > odd ? even : odd;
}

#include "kk_simd_round.h"

#endif
