/* The vector vocabulary in C alone, for any compiler: sixteen lanes in loops of constant length.
   Included by kk_simd.h, which states the rules. kk_fma rounds once where the compiler says that the target has a fused
   multiply-add (the bits of every other level then), and twice elsewhere (KK_FUSED == 0: bits of its own), since an emulated
   fmaf is about 100 times slower. */
#ifndef KK_SIMD_PLAIN_H
#define KK_SIMD_PLAIN_H

#if defined(__SSE__)
#include <xmmintrin.h>
#elif !defined(__GNUC__)
#include <math.h>
#endif

#if (defined(__GNUC__) || defined(__clang__)) && \
    (defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__riscv_f))
#define KK_FUSED 1
#define KK_PLAIN_FMA(a, b, c) __builtin_fmaf((a), (b), (c))
#else
#define KK_FUSED 0
#define KK_PLAIN_FMA(a, b, c) ((float)((a) * (b)) + (c))
#endif

typedef struct kk_f32 { float lane[16]; } kk_f32;
typedef struct kk_i32 { int32_t lane[16]; } kk_i32;
typedef struct kk_mask { int32_t lane[16]; } kk_mask; /* -1 or 0 */

#define KK_LANES(type, expression)                                                                                    \
    type r;                                                                                                           \
    for (int i = 0; i < 16; i++)                                                                                      \
        r.lane[i] = (expression);                                                                                     \
    return r;

KK_INLINE kk_f32 kk_set1(float x) { KK_LANES(kk_f32, x) }

KK_INLINE kk_f32 kk_load(const float *p)
{
    kk_f32 r;
    memcpy(r.lane, p, sizeof r.lane);
    return r;
}

KK_INLINE void kk_store(float *p, kk_f32 a) { memcpy(p, a.lane, sizeof a.lane); }

KK_INLINE kk_f32 kk_load_part(const float *p, int n)
{
    kk_f32 r;
    for (int i = 0; i < 16; i++)
        r.lane[i] = i < n ? p[i] : 0.0f;
    return r;
}

KK_INLINE void kk_store_part(float *p, kk_f32 a, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = a.lane[i];
}

KK_INLINE kk_i32 kk_bits(kk_f32 a)
{
    kk_i32 r;
    memcpy(r.lane, a.lane, sizeof r.lane);
    return r;
}

KK_INLINE kk_f32 kk_from_bits(kk_i32 a)
{
    kk_f32 r;
    memcpy(r.lane, a.lane, sizeof r.lane);
    return r;
}

KK_INLINE kk_i32 kk_i32_set1(int32_t x) { KK_LANES(kk_i32, x) }

KK_INLINE kk_i32 kk_i32_load(const int32_t *p)
{
    kk_i32 r;
    memcpy(r.lane, p, sizeof r.lane);
    return r;
}

KK_INLINE void kk_i32_store(int32_t *p, kk_i32 a) { memcpy(p, a.lane, sizeof a.lane); }

/* Unsigned, because signed arithmetic must not overflow in C. */
KK_INLINE kk_i32 kk_i32_add(kk_i32 a, kk_i32 b) { KK_LANES(kk_i32, (int32_t)((uint32_t)a.lane[i] + (uint32_t)b.lane[i])) }
KK_INLINE kk_i32 kk_i32_sub(kk_i32 a, kk_i32 b) { KK_LANES(kk_i32, (int32_t)((uint32_t)a.lane[i] - (uint32_t)b.lane[i])) }
KK_INLINE kk_i32 kk_i32_mul(kk_i32 a, kk_i32 b) { KK_LANES(kk_i32, (int32_t)((uint32_t)a.lane[i] * (uint32_t)b.lane[i])) }
KK_INLINE kk_i32 kk_i32_and(kk_i32 a, kk_i32 b) { KK_LANES(kk_i32, a.lane[i] & b.lane[i]) }
KK_INLINE kk_i32 kk_i32_or(kk_i32 a, kk_i32 b) { KK_LANES(kk_i32, a.lane[i] | b.lane[i]) }
KK_INLINE kk_i32 kk_i32_xor(kk_i32 a, kk_i32 b) { KK_LANES(kk_i32, a.lane[i] ^ b.lane[i]) }
KK_INLINE kk_i32 kk_i32_shl(kk_i32 a, int n) { KK_LANES(kk_i32, (int32_t)((uint32_t)a.lane[i] << n)) }
KK_INLINE kk_i32 kk_i32_shr(kk_i32 a, int n) { KK_LANES(kk_i32, (int32_t)((uint32_t)a.lane[i] >> n)) }
KK_INLINE kk_i32 kk_i32_sar(kk_i32 a, int n) { KK_LANES(kk_i32, a.lane[i] >> n) }

KK_INLINE kk_mask kk_mask_first(int n) { KK_LANES(kk_mask, -(i < n)) }
KK_INLINE kk_mask kk_mask_and(kk_mask a, kk_mask b) { KK_LANES(kk_mask, a.lane[i] & b.lane[i]) }
KK_INLINE kk_mask kk_mask_or(kk_mask a, kk_mask b) { KK_LANES(kk_mask, a.lane[i] | b.lane[i]) }
KK_INLINE kk_mask kk_mask_not(kk_mask a) { KK_LANES(kk_mask, ~a.lane[i]) }

KK_INLINE int kk_mask_any(kk_mask a)
{
    int32_t any = 0;
    for (int i = 0; i < 16; i++)
        any |= a.lane[i];
    return any != 0;
}

KK_INLINE int kk_mask_all(kk_mask a) { return !kk_mask_any(kk_mask_not(a)); }

KK_INLINE kk_mask kk_lt(kk_f32 a, kk_f32 b) { KK_LANES(kk_mask, -(a.lane[i] < b.lane[i])) }
KK_INLINE kk_mask kk_le(kk_f32 a, kk_f32 b) { KK_LANES(kk_mask, -(a.lane[i] <= b.lane[i])) }
KK_INLINE kk_mask kk_gt(kk_f32 a, kk_f32 b) { KK_LANES(kk_mask, -(a.lane[i] > b.lane[i])) }
KK_INLINE kk_mask kk_ge(kk_f32 a, kk_f32 b) { KK_LANES(kk_mask, -(a.lane[i] >= b.lane[i])) }
KK_INLINE kk_mask kk_eq(kk_f32 a, kk_f32 b) { KK_LANES(kk_mask, -(a.lane[i] == b.lane[i])) }
KK_INLINE kk_mask kk_ne(kk_f32 a, kk_f32 b) { KK_LANES(kk_mask, -(a.lane[i] != b.lane[i])) }
KK_INLINE kk_mask kk_i32_eq(kk_i32 a, kk_i32 b) { KK_LANES(kk_mask, -(a.lane[i] == b.lane[i])) }
KK_INLINE kk_mask kk_i32_gt(kk_i32 a, kk_i32 b) { KK_LANES(kk_mask, -(a.lane[i] > b.lane[i])) }

KK_INLINE kk_i32 kk_i32_select(kk_mask m, kk_i32 a, kk_i32 b)
{
    KK_LANES(kk_i32, (a.lane[i] & m.lane[i]) | (b.lane[i] & ~m.lane[i]))
}

KK_INLINE kk_f32 kk_select(kk_mask m, kk_f32 a, kk_f32 b)
{
    return kk_from_bits(kk_i32_select(m, kk_bits(a), kk_bits(b)));
}

KK_INLINE kk_f32 kk_add(kk_f32 a, kk_f32 b) { KK_LANES(kk_f32, a.lane[i] + b.lane[i]) }
KK_INLINE kk_f32 kk_sub(kk_f32 a, kk_f32 b) { KK_LANES(kk_f32, a.lane[i] - b.lane[i]) }
KK_INLINE kk_f32 kk_mul(kk_f32 a, kk_f32 b) { KK_LANES(kk_f32, a.lane[i] * b.lane[i]) }
KK_INLINE kk_f32 kk_div(kk_f32 a, kk_f32 b) { KK_LANES(kk_f32, a.lane[i] / b.lane[i]) }
KK_INLINE kk_f32 kk_fma(kk_f32 a, kk_f32 b, kk_f32 c) { KK_LANES(kk_f32, KK_PLAIN_FMA(a.lane[i], b.lane[i], c.lane[i])) }
KK_INLINE kk_f32 kk_fnma(kk_f32 a, kk_f32 b, kk_f32 c) { KK_LANES(kk_f32, KK_PLAIN_FMA(-a.lane[i], b.lane[i], c.lane[i])) }
KK_INLINE kk_f32 kk_max(kk_f32 a, kk_f32 b) { KK_LANES(kk_f32, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]) }
KK_INLINE kk_f32 kk_min(kk_f32 a, kk_f32 b) { KK_LANES(kk_f32, a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]) }
KK_INLINE kk_f32 kk_neg(kk_f32 a) { return kk_from_bits(kk_i32_xor(kk_bits(a), kk_i32_set1(INT32_MIN))); }
KK_INLINE kk_f32 kk_abs(kk_f32 a) { return kk_from_bits(kk_i32_and(kk_bits(a), kk_i32_set1(INT32_MAX))); }
KK_INLINE kk_f32 kk_from_i32(kk_i32 a) { KK_LANES(kk_f32, (float)a.lane[i]) }

/* The sign of s on the positive values of a. */
KK_INLINE kk_f32 kk_plain_signed(kk_f32 a, kk_f32 s)
{
    kk_i32 sign = kk_i32_and(kk_bits(s), kk_i32_set1(INT32_MIN));
    return kk_from_bits(kk_i32_or(kk_bits(a), sign));
}

/* |a| to the nearest integer, ties to even: adding 2^23 leaves no bit for a fraction, and floats from there on are integers. */
KK_INLINE kk_f32 kk_plain_round_magnitude(kk_f32 magnitude)
{
    kk_f32 large = kk_set1(8388608.0f);
    return kk_select(kk_lt(magnitude, large), kk_sub(kk_add(magnitude, large), large), magnitude);
}

KK_INLINE kk_f32 kk_round(kk_f32 a) { return kk_plain_signed(kk_plain_round_magnitude(kk_abs(a)), a); }

KK_INLINE kk_f32 kk_trunc(kk_f32 a)
{
    kk_f32 magnitude = kk_abs(a), nearest = kk_plain_round_magnitude(magnitude);
    kk_f32 below = kk_sub(nearest, kk_set1(1.0f));
    return kk_plain_signed(kk_select(kk_gt(nearest, magnitude), below, nearest), a);
}

KK_INLINE kk_f32 kk_floor(kk_f32 a)
{
    kk_f32 nearest = kk_round(a);
    return kk_select(kk_gt(nearest, a), kk_sub(nearest, kk_set1(1.0f)), nearest);
}

KK_INLINE kk_f32 kk_ceil(kk_f32 a) { return kk_neg(kk_floor(kk_neg(a))); }

KK_INLINE kk_i32 kk_to_i32(kk_f32 a)
{
    kk_f32 limit = kk_set1(2147483648.0f);
    kk_mask fits = kk_lt(kk_abs(a), limit);
    kk_f32 safe = kk_select(fits, kk_round(a), kk_set1(0.0f));
    kk_i32 r;
    for (int i = 0; i < 16; i++)
        r.lane[i] = (int32_t)safe.lane[i];
    return kk_i32_select(fits, r, kk_i32_set1(INT32_MIN));
}

/* C has no square root outside libm, so the compiler's own comes first: one instruction, no errno. */
#if defined(__SSE__)
KK_INLINE kk_f32 kk_sqrt(kk_f32 a)
{
    for (int i = 0; i < 16; i += 4)
        _mm_storeu_ps(a.lane + i, _mm_sqrt_ps(_mm_loadu_ps(a.lane + i)));
    return a;
}
#elif defined(__clang__) && __clang_major__ >= 16
KK_INLINE kk_f32 kk_sqrt(kk_f32 a) { KK_LANES(kk_f32, __builtin_elementwise_sqrt(a.lane[i])) }
#elif defined(__GNUC__)
KK_INLINE kk_f32 kk_sqrt(kk_f32 a) { KK_LANES(kk_f32, __builtin_sqrtf(a.lane[i])) }
#else
KK_INLINE kk_f32 kk_sqrt(kk_f32 a) { KK_LANES(kk_f32, sqrtf(a.lane[i])) }
#endif

KK_INLINE float kk_lane0(kk_f32 a) { return a.lane[0]; }

KK_INLINE float kk_sum(kk_f32 a)
{
    for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            a.lane[i] = a.lane[i] + a.lane[i + width];
    return a.lane[0];
}

KK_INLINE float kk_hmax(kk_f32 a)
{
    for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            a.lane[i] = a.lane[i] > a.lane[i + width] ? a.lane[i] : a.lane[i + width];
    return a.lane[0];
}

#undef KK_LANES
#endif
