/* Floats one at a time, for generated loops, and sixteen lanes folded into one. Names end in the type they take.
   float32 has the bits of the vector functions and needs no libm; float64 uses the C library. */
#ifndef KK_SCALAR_H
#define KK_SCALAR_H

#include "kk_integer.h"
#include "kk_math.h"

#include <math.h>

/* Floats to integers, towards zero. What does not fit, and NaN, gives the lowest value, as x86 does for int32 and int64; narrower
   types keep the low bits of int32, uint32 those of int64. */
KK_INLINE int32_t kk_truncate_i32(double a) { return a > -2147483649.0 && a < 2147483648.0 ? (int32_t)a : INT32_MIN; }
KK_INLINE int64_t kk_truncate_i64(double a) { return a >= -0x1p63 && a < 0x1p63 ? (int64_t)a : INT64_MIN; }
KK_INLINE uint64_t kk_truncate_u64(double a)
{
    return a >= 0x1p63 && a < 0x1p64 ? (uint64_t)a : (uint64_t)kk_truncate_i64(a);
}

/* The bits of a number and back. */
#define KK_BITS(width, type)                                                                                                              \
    KK_INLINE uint##width##_t kk_bits_of_f##width(type a) { uint##width##_t bits; memcpy(&bits, &a, sizeof bits); return bits; }           \
    KK_INLINE type kk_f##width##_of_bits(uint##width##_t bits) { type a; memcpy(&a, &bits, sizeof a); return a; }
KK_BITS(32, float)
KK_BITS(64, double)
#undef KK_BITS

/* float32: lane 0 of the vector function, so that a loop gives the same bits with lanes and without ------------------------- */

#define KK_ONE_LANE(name) \
    KK_INLINE float kk_##name##_f32(float a) { return kk_lane0(kk_##name(kk_set1(a))); }

KK_ONE_LANE(abs)
KK_ONE_LANE(floor)
KK_ONE_LANE(ceil)
KK_ONE_LANE(round)
KK_ONE_LANE(sqrt)
KK_ONE_LANE(exp)
KK_ONE_LANE(log)
KK_ONE_LANE(tanh)
KK_ONE_LANE(erf)
KK_ONE_LANE(sin)
KK_ONE_LANE(cos)
KK_ONE_LANE(atan)
KK_ONE_LANE(expm1)
KK_ONE_LANE(log1p)
KK_ONE_LANE(sigmoid)
KK_ONE_LANE(gelu)
KK_ONE_LANE(gelu_tanh)
#undef KK_ONE_LANE

KK_INLINE float kk_pow_f32(float a, float b) { return kk_lane0(kk_pow(kk_set1(a), kk_set1(b))); }

/* NaN when either operand is; otherwise, of two zeros, the second. */
KK_INLINE float kk_max_f32(float a, float b) { return a != a || a > b ? a : b; }
KK_INLINE float kk_min_f32(float a, float b) { return a != a || a < b ? a : b; }
KK_INLINE float kk_sign_f32(float a) { return a != a ? a : (float)((a > 0) - (a < 0)); }
KK_INLINE kk_f32 kk_sign(kk_f32 a)
{
    const kk_f32 one = kk_set1(1.0f), zero_or_nan = kk_select(kk_ne(a, a), a, kk_zero());
    return kk_select(kk_gt(a, kk_zero()), one, kk_select(kk_lt(a, kk_zero()), kk_neg(one), zero_or_nan));
}

/* What division towards zero leaves, exactly: long division of the mantissas, 32 bits of the quotient at a time. */
KK_INLINE float kk_fmod_f32(float a, float b)
{
    uint32_t bits[2], exponent[2];
    uint64_t mantissa[2];
    float result;
    memcpy(&bits[0], &a, sizeof a);
    memcpy(&bits[1], &b, sizeof b);
    for (int i = 0; i < 2; i++) {
        exponent[i] = bits[i] >> 23 & 255;
        mantissa[i] = (bits[i] & 0x7fffff) | (uint64_t)(exponent[i] != 0) << 23;
        exponent[i] += exponent[i] == 0;
    }
    if (a != a || b != b || exponent[0] == 255 || b == 0)
        return (a - a) / (a - a);
    if (exponent[1] == 255 || exponent[0] < exponent[1])
        return a;
    mantissa[0] %= mantissa[1];
    for (uint32_t left = exponent[0] - exponent[1], step; left > 0; left -= step) {
        step = left < 32 ? left : 32;
        mantissa[0] = (mantissa[0] << step) % mantissa[1];
    }
    /* The rest is mantissa * 2^(exponent - 150), below b: normalised, or left subnormal. */
    while (mantissa[0] != 0 && mantissa[0] < 0x800000 && exponent[1] > 1) {
        mantissa[0] *= 2;
        exponent[1]--;
    }
    if (mantissa[0] < 0x800000)
        exponent[1] = 0;
    bits[0] = (bits[0] & 0x80000000u) | exponent[1] << 23 | ((uint32_t)mantissa[0] & 0x7fffff);
    memcpy(&result, &bits[0], sizeof result);
    return result;
}

/* The rest of division towards minus infinity: it has the divisor's sign, also when it is 0. */
KK_INLINE float kk_mod_f32(float a, float b)
{
    const float rest = kk_fmod_f32(a, b);
    if (rest == 0)
        return b < 0 ? -0.0f : 0.0f;
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

/* float64: the C library -------------------------------------------------------------------------------------------------- */

KK_INLINE double kk_max_f64(double a, double b) { return a != a || a > b ? a : b; }
KK_INLINE double kk_min_f64(double a, double b) { return a != a || a < b ? a : b; }
KK_INLINE double kk_sign_f64(double a) { return a != a ? a : (double)((a > 0) - (a < 0)); }
KK_INLINE double kk_sigmoid_f64(double a) { return 1 / (1 + exp(-a)); }
KK_INLINE double kk_gelu_f64(double a) { return 0.5 * a * (1 + erf(a * 0x1.6a09e667f3bcdp-1)); }
KK_INLINE double kk_gelu_tanh_f64(double a) { return 0.5 * a * (1 + tanh(0x1.9884533d43651p-1 * (a + 0.044715 * a * a * a))); }
KK_INLINE double kk_mod_f64(double a, double b)
{
    const double rest = fmod(a, b);
    if (rest == 0)
        return b < 0 ? -0.0 : 0.0;
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

/* Sixteen lanes into one value, in the tree of kk_sum: lane i with lane i + 8, then i + 4, i + 2, i + 1 ---------------------- */

KK_INLINE float kk_fold_max(kk_f32 lanes) { return kk_mask_any(kk_ne(lanes, lanes)) ? NAN : kk_hmax(lanes); }
KK_INLINE float kk_fold_min(kk_f32 lanes) { return -kk_fold_max(kk_neg(lanes)); }
KK_INLINE float kk_fold_prod(kk_f32 lanes)
{
    float a[16];
    kk_store(a, lanes);
    for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            a[i] *= a[i + width];
    return a[0];
}

/* The largest and the smallest of a row, NaN where there is one: in four chains, of which none waits for another. */
#define KK_ROW_EXTREME(name, step, fold, neutral) \
    KK_INLINE float name(const float *x, int64_t count) \
    { \
        kk_f32 a = kk_set1(neutral), b = a, c = a, d = a; \
        int64_t i = 0; \
        for (; i + 64 <= count; i += 64) { \
            a = step(kk_load(x + i), a); \
            b = step(kk_load(x + i + 16), b); \
            c = step(kk_load(x + i + 32), c); \
            d = step(kk_load(x + i + 48), d); \
        } \
        for (; i + 16 <= count; i += 16) \
            a = step(kk_load(x + i), a); \
        if (i < count) { \
            const int rest = (int)(count - i); \
            b = step(kk_select(kk_mask_first(rest), kk_load_part(x + i, rest), b), b); \
        } \
        return fold(step(step(a, b), step(c, d))); \
    }

KK_ROW_EXTREME(kk_row_max, kk_max_nan, kk_fold_max, -INFINITY)
KK_ROW_EXTREME(kk_row_min, kk_min_nan, kk_fold_min, INFINITY)

#endif
