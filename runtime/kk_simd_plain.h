/* The vector vocabulary in C99 alone, for compilers other than gcc and clang (and where KK_PLAIN_LOOPS is defined): sixteen lanes in loops of constant length.
   Included by kk_simd.h, which states the rules. A multiply-add rounds twice (KK_FUSED == 0: bits of its own), since an emulated fmaf is
   about 100 times slower. */
#ifndef KK_SIMD_PLAIN_H
#define KK_SIMD_PLAIN_H

#include <math.h>

#define KK_FUSED 0

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
KK_INLINE kk_f32 kk_fma(kk_f32 a, kk_f32 b, kk_f32 c) { KK_LANES(kk_f32, (float)(a.lane[i] * b.lane[i]) + c.lane[i]) }
KK_INLINE kk_f32 kk_fnma(kk_f32 a, kk_f32 b, kk_f32 c) { KK_LANES(kk_f32, c.lane[i] - (float)(a.lane[i] * b.lane[i])) }
KK_INLINE kk_f32 kk_max(kk_f32 a, kk_f32 b) { KK_LANES(kk_f32, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]) }
KK_INLINE kk_f32 kk_min(kk_f32 a, kk_f32 b) { KK_LANES(kk_f32, a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]) }
KK_INLINE kk_f32 kk_neg(kk_f32 a) { return kk_from_bits(kk_i32_xor(kk_bits(a), kk_i32_set1(INT32_MIN))); }
KK_INLINE kk_f32 kk_abs(kk_f32 a) { return kk_from_bits(kk_i32_and(kk_bits(a), kk_i32_set1(INT32_MAX))); }
KK_INLINE kk_f32 kk_from_i32(kk_i32 a) { KK_LANES(kk_f32, (float)a.lane[i]) }

KK_INLINE kk_i32 kk_plain_truncate(kk_f32 a) { KK_LANES(kk_i32, (int32_t)a.lane[i]) }
KK_INLINE kk_f32 kk_sqrt(kk_f32 a) { KK_LANES(kk_f32, sqrtf(a.lane[i])) }

#include "kk_simd_round.h"

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
