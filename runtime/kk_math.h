/* Elementary functions of 16 float32 lanes, on the vector vocabulary of kk_simd.h.

   No libm, no table in memory, no branch (sine and cosine of huge arguments excepted). The polynomials are our own minimax
   fits (Lawson's iteration on Chebyshev nodes; coefficients rounded to float32 from the lowest power up, the higher ones
   refitted after each). "ULP" bounds the error against a float64 reference with KK_FUSED == 1, in units of the last
   place of the correctly rounded result: measured over all float32 arguments for exp, expm1, tanh and erf, over every 17th for the others. Every function takes NaN to NaN.

   kk_activation.h, included at the end, adds the activations of neural networks. */
#ifndef KK_MATH_H
#define KK_MATH_H

#include "kk_simd.h"

/* Adding 1.5 * 2^23 rounds |x| < 2^22 to an integer n, which then stands in the low bits; an offset added to the constant is
   added to those bits too, so that they can serve as an exponent field without another addition. */
#define KK_ROUND_MAGIC 12582912.0f
#define KK_LOG2_E 0x1.715476p+0f
/* ln 2, and in two parts; the first has 9 bits, so its product with an exponent is exact. */
#define KK_LN2 0x1.62e430p-1f
#define KK_LN2_HIGH 0x1.63p-1f
#define KK_LN2_LOW -0x1.bd0106p-13f

/* x = n ln 2 + remainder, |remainder| <= 0.3466; biased has n + offset in its low 9 bits. */
typedef struct kk_exponent {
    kk_f32 remainder, n;
    kk_i32 biased;
} kk_exponent;

KK_INLINE kk_exponent kk_split_exponent(kk_f32 x, float offset)
{
    kk_exponent split;
    kk_f32 magic = kk_set1(KK_ROUND_MAGIC + offset);
    kk_f32 shifted = kk_fma(x, kk_set1(KK_LOG2_E), magic);
    split.n = kk_sub(shifted, magic);
    split.biased = kk_bits(shifted);
    split.remainder = kk_fnma(split.n, kk_set1(KK_LN2_LOW), kk_fnma(split.n, kk_set1(KK_LN2_HIGH), x));
    return split;
}

/* e^(n ln 2 + r) of a split with offset 254. The power of two is applied so that subnormal results round once: by one instruction on AVX-512,
   elsewhere as 2^floor(n/2) * 2^ceil(n/2), of which only the last product can round. */
KK_INLINE kk_f32 kk_exp_of_split(kk_exponent split, kk_f32 r)
{
    kk_f32 p = kk_set1(0x1.6a4d60p-10f);
    p = kk_fma(p, r, kk_set1(0x1.12398ep-7f));
    p = kk_fma(p, r, kk_set1(0x1.5558b0p-5f));
    p = kk_fma(p, r, kk_set1(0x1.555492p-3f));
    p = kk_fma(p, r, kk_set1(0x1.fffffcp-2f));
    p = kk_fma(p, r, kk_set1(1.0f));
    p = kk_fma(p, r, kk_set1(1.0f));
#if defined(KK_LEVEL_AVX512)
    return _mm512_scalef_ps(p, split.n);
#else
    {
        kk_i32 half = kk_i32_shr(split.biased, 1);
        kk_i32 other = kk_i32_sub(split.biased, half);
        return kk_mul(kk_mul(p, kk_from_bits(kk_i32_shl(half, 23))), kk_from_bits(kk_i32_shl(other, 23)));
    }
#endif
}

/* e^x for x in [-104, 89] only: what kk_exp does to every other x is left to the caller. ULP: 0.91 */
KK_INLINE kk_f32 kk_exp_bounded(kk_f32 x)
{
    kk_exponent split = kk_split_exponent(x, 254.0f); /* 2 * 127: the bias of both factors */
    return kk_exp_of_split(split, split.remainder);
}

/* e^x; 0 below -103.97, infinity above 88.72, subnormal results rounded correctly in range. ULP: 0.91 */
KK_INLINE kk_f32 kk_exp(kk_f32 x) { return kk_exp_bounded(kk_max(kk_set1(-104.0f), kk_min(kk_set1(89.0f), x))); }

/* e^x for x <= 0 only, one instruction less. ULP: 0.91 */
KK_INLINE kk_f32 kk_exp_nonpositive(kk_f32 x) { return kk_exp_bounded(kk_max(kk_set1(-104.0f), x)); }

/* e^x - 1 for x in [-80, 89], sign of zero aside: 2^n (e^r - 1) + (2^n - 1), halved so that 2^128 is not needed. */
KK_INLINE kk_f32 kk_expm1_core(kk_f32 x)
{
    kk_exponent split = kk_split_exponent(x, 126.0f);
    kk_f32 r = split.remainder, p = kk_set1(0x1.6d722cp-10f);
    kk_f32 half = kk_from_bits(kk_i32_shl(split.biased, 23));
    p = kk_fma(p, r, kk_set1(0x1.122680p-7f));
    p = kk_fma(p, r, kk_set1(0x1.5554c8p-5f));
    p = kk_fma(p, r, kk_set1(0x1.5554b2p-3f));
    p = kk_fma(p, r, kk_set1(0.5f));
    p = kk_fma(kk_mul(r, r), p, r);
    p = kk_fma(half, p, kk_sub(half, kk_set1(0.5f)));
    return kk_add(p, p);
}

/* e^x - 1. ULP: 1.6 */
KK_INLINE kk_f32 kk_expm1(kk_f32 x)
{
    return kk_copysign(kk_expm1_core(kk_max(kk_set1(-40.0f), kk_min(kk_set1(89.0f), x))), x);
}

/* 1 - e^x for x in [-80, 0]: (1 - 2^n) - 2^n (e^r - 1). ln 2 in one part is enough: what it lacks, 2e-9 n, counts 2^n times. */
KK_INLINE kk_f32 kk_one_minus_exp(kk_f32 x)
{
    kk_f32 magic = kk_set1(KK_ROUND_MAGIC + 127.0f), shifted = kk_fma(x, kk_set1(KK_LOG2_E), magic);
    kk_f32 r = kk_fnma(kk_sub(shifted, magic), kk_set1(KK_LN2), x), p = kk_set1(0x1.6d722cp-10f);
    kk_f32 power = kk_from_bits(kk_i32_shl(kk_bits(shifted), 23));
    p = kk_fma(p, r, kk_set1(0x1.122680p-7f));
    p = kk_fma(p, r, kk_set1(0x1.5554c8p-5f));
    p = kk_fma(p, r, kk_set1(0x1.5554b2p-3f));
    p = kk_fma(p, r, kk_set1(0.5f));
    p = kk_fma(kk_mul(r, r), p, r);
    return kk_fnma(power, p, kk_sub(kk_set1(1.0f), power));
}

/* tanh x = m / (2 - m) with m = 1 - e^(-2|x|) and the sign of x, so that nothing cancels near 0. ULP: 2.6 */
KK_INLINE kk_f32 kk_tanh(kk_f32 x)
{
    kk_f32 m = kk_one_minus_exp(kk_max(kk_set1(-40.0f), kk_mul(kk_abs(x), kk_set1(-2.0f))));
    return kk_copysign(kk_div(m, kk_sub(kk_set1(2.0f), m)), x);
}

/* The error function: 1 - e^(-E) with E = -ln(erfc |x|) as |x| (1 + u(|x|)), u a polynomial on [0, 4], here in t = -|x|, so that -E is t (1 + u);
   erf rounds to 1 beyond 3.92. ULP: 1.9 */
KK_INLINE kk_f32 kk_erf(kk_f32 x)
{
    kk_f32 t = kk_max(kk_set1(-4.0f), kk_neg_abs(x)), u = kk_set1(-0x1.3b0356p-17f);
    u = kk_fma(u, t, kk_set1(-0x1.f28b5cp-14f));
    u = kk_fma(u, t, kk_set1(-0x1.4e29b8p-11f));
    u = kk_fma(u, t, kk_set1(-0x1.b744d8p-10f));
    u = kk_fma(u, t, kk_set1(-0x1.637a28p-13f));
    u = kk_fma(u, t, kk_set1(0x1.39b7cap-6f));
    u = kk_fma(u, t, kk_set1(0x1.a4f8c4p-4f));
    u = kk_fma(u, t, kk_set1(-0x1.45f300p-1f));
    u = kk_fma(u, t, kk_set1(0x1.06eba8p-3f));
    return kk_copysign(kk_one_minus_exp(kk_fma(u, t, t)), x);
}

/* ln(1 + f) + n ln 2 for f in [sqrt(1/2) - 1, sqrt(2) - 1]. */
KK_INLINE kk_f32 kk_log_core(kk_f32 f, kk_f32 n)
{
    kk_f32 p = kk_set1(-0x1.38c9dep-4f);
    p = kk_fma(p, f, kk_set1(0x1.055ec6p-3f));
    p = kk_fma(p, f, kk_set1(-0x1.0d8242p-3f));
    p = kk_fma(p, f, kk_set1(0x1.22d92ep-3f));
    p = kk_fma(p, f, kk_set1(-0x1.54728ap-3f));
    p = kk_fma(p, f, kk_set1(0x1.99a01cp-3f));
    p = kk_fma(p, f, kk_set1(-0x1.000226p-2f));
    p = kk_fma(p, f, kk_set1(0x1.555554p-2f));
    p = kk_fma(p, f, kk_set1(-0.5f));
    p = kk_fma(kk_mul(f, f), p, kk_mul(n, kk_set1(KK_LN2_LOW)));
    return kk_fma(n, kk_set1(KK_LN2_HIGH), kk_add(f, p));
}

#define KK_SQRT_HALF_BITS 0x3f3504f3

/* x = 2^n * m with m in [sqrt(1/2), sqrt(2)), for positive normal x. */
KK_INLINE kk_f32 kk_split_mantissa(kk_f32 x, kk_i32 *n)
{
    kk_i32 base = kk_i32_set1(KK_SQRT_HALF_BITS), shifted = kk_i32_sub(kk_bits(x), base);
    *n = kk_i32_sar(shifted, 23);
    return kk_from_bits(kk_i32_add(kk_i32_and(shifted, kk_i32_set1(0x7fffff)), base));
}

/* The same for every positive finite x: subnormal ones are scaled by 2^23 first. */
KK_INLINE kk_f32 kk_split_any_mantissa(kk_f32 x, kk_f32 *n)
{
    kk_mask tiny = kk_lt(x, kk_set1(0x1p-126f));
    kk_i32 exponent;
    kk_f32 m = kk_split_mantissa(kk_select(tiny, kk_mul(x, kk_set1(0x1p23f)), x), &exponent);
    *n = kk_add(kk_from_i32(exponent), kk_select(tiny, kk_set1(-23.0f), kk_zero()));
    return m;
}

/* A logarithm's value where its argument is 0 (-infinity), negative (NaN), infinite or NaN (itself). */
KK_INLINE kk_f32 kk_log_special(kk_f32 x, kk_f32 result)
{
    kk_f32 infinity = kk_from_bits(kk_i32_set1(0x7f800000)), nan = kk_from_bits(kk_i32_set1(0x7fc00000));
    kk_f32 outside = kk_select(kk_eq(x, kk_zero()), kk_neg(infinity), nan);
    return kk_select(kk_gt(x, kk_zero()), kk_select(kk_lt(x, infinity), result, x), outside);
}

/* The natural logarithm. ULP: 0.88 */
KK_INLINE kk_f32 kk_log(kk_f32 x)
{
    kk_f32 n, m = kk_split_any_mantissa(x, &n);
    return kk_log_special(x, kk_log_core(kk_sub(m, kk_set1(1.0f)), n));
}

/* ln(1 + x) for finite x > -1, sign of zero aside: what rounding 1 + x lost is added to the reduced argument. */
KK_INLINE kk_f32 kk_log1p_core(kk_f32 x)
{
    kk_f32 one = kk_set1(1.0f), u = kk_add(one, x), lost = kk_sub(x, kk_sub(u, one));
    kk_i32 n;
    kk_f32 m = kk_split_mantissa(u, &n);
    /* 2^(1 - n), which is 0 where n is 128 and nothing was lost. */
    kk_f32 scale = kk_from_bits(kk_i32_shl(kk_i32_sub(kk_i32_set1(128), n), 23));
    return kk_log_core(kk_fma(lost, kk_mul(scale, kk_set1(0.5f)), kk_sub(m, one)), kk_from_i32(n));
}

/* ln(1 + x). ULP: 1.5 */
KK_INLINE kk_f32 kk_log1p(kk_f32 x)
{
    return kk_copysign(kk_log_special(kk_add(x, kk_set1(1.0f)), kk_log1p_core(x)), x);
}

/* The arc tangent: of 1 / |x| taken from pi / 2 beyond 1. ULP: 1.5 */
KK_INLINE kk_f32 kk_atan(kk_f32 x)
{
    kk_f32 a = kk_abs(x), one = kk_set1(1.0f);
    kk_mask large = kk_gt(a, one);
    kk_f32 r = kk_select(large, kk_div(one, a), a), z = kk_mul(r, r);
    kk_f32 p = kk_set1(0x1.1bf438p-10f);
    p = kk_fma(p, z, kk_set1(-0x1.d5860ap-8f));
    p = kk_fma(p, z, kk_set1(0x1.6bec0ep-6f));
    p = kk_fma(p, z, kk_set1(-0x1.6aed2ep-5f));
    p = kk_fma(p, z, kk_set1(0x1.1300c4p-4f));
    p = kk_fma(p, z, kk_set1(-0x1.6866fap-4f));
    p = kk_fma(p, z, kk_set1(0x1.c4cf92p-4f));
    p = kk_fma(p, z, kk_set1(-0x1.2470d4p-3f));
    p = kk_fma(p, z, kk_set1(0x1.9997aep-3f));
    p = kk_fma(p, z, kk_set1(-0x1.555550p-2f));
    r = kk_fma(kk_mul(r, z), p, r);
    return kk_copysign(kk_select(large, kk_sub(kk_set1(0x1.921fb6p+0f), kk_add(r, kk_set1(0x1.777a5cp-25f))), r), x);
}

/* a * b - product, where product is a * b rounded (Dekker's splitting where there is no fused multiply-add). */
KK_INLINE kk_f32 kk_product_error(kk_f32 a, kk_f32 b, kk_f32 product)
{
#if KK_FUSED
    return kk_fma(a, b, kk_neg(product));
#else
    kk_i32 upper = kk_i32_set1((int32_t)0xfffff000);
    kk_f32 a_high = kk_from_bits(kk_i32_and(kk_bits(a), upper)), a_low = kk_sub(a, a_high);
    kk_f32 b_high = kk_from_bits(kk_i32_and(kk_bits(b), upper)), b_low = kk_sub(b, b_high);
    kk_f32 error = kk_sub(kk_mul(a_high, b_high), product);
    error = kk_add(kk_add(error, kk_mul(a_high, b_low)), kk_mul(a_low, b_high));
    return kk_add(error, kk_mul(a_low, b_low));
#endif
}

/* ln x as high + low for positive finite x, to about 2^-35 of its value: ln m = 2 atanh(s), s = (m - 1) / (m + 1) carried in two parts. */
KK_INLINE kk_f32 kk_log_extended(kk_f32 x, kk_f32 *low)
{
    kk_f32 n, m = kk_split_any_mantissa(x, &n), one = kk_set1(1.0f);
    kk_f32 above = kk_sub(m, one), below = kk_add(m, one);
    kk_f32 below_lost = kk_sub(m, kk_sub(below, one));
    kk_f32 s = kk_div(above, below), product = kk_mul(s, below);
    kk_f32 rest = kk_sub(kk_sub(kk_sub(above, product), kk_product_error(s, below, product)), kk_mul(s, below_lost));
    kk_f32 s_low = kk_div(rest, below), z = kk_mul(s, s), p = kk_set1(0x1.f13b00p-3f);
    kk_f32 first, sum, sum_low, twice = kk_add(s, s);
    p = kk_fma(p, z, kk_set1(0x1.23d3e0p-2f));
    p = kk_fma(p, z, kk_set1(0x1.999c26p-2f));
    p = kk_fma(p, z, kk_set1(0x1.555554p-1f));
    p = kk_fma(kk_mul(z, s), p, kk_add(s_low, s_low));
    /* n ln 2 (exact in its first part) + 2 s + p, each sum with what it lost. |n ln 2| > |2 s| unless n = 0. */
    first = kk_mul(n, kk_set1(KK_LN2_HIGH));
    sum = kk_add(first, twice);
    sum_low = kk_add(kk_sub(twice, kk_sub(sum, first)), kk_fma(n, kk_set1(KK_LN2_LOW), p));
    first = kk_add(sum, sum_low);
    *low = kk_sub(sum_low, kk_sub(first, sum));
    return first;
}

/* x^y with the special values of C99 annex F. ULP (random pairs whose power is finite): 5.2 */
KK_INLINE kk_f32 kk_pow(kk_f32 x, kk_f32 y)
{
    kk_f32 zero = kk_zero(), one = kk_set1(1.0f), infinity = kk_from_bits(kk_i32_set1(0x7f800000));
    kk_f32 nan = kk_from_bits(kk_i32_set1(0x7fc00000)), magnitude = kk_abs(x), half = kk_mul(kk_abs(y), kk_set1(0.5f));
    kk_mask y_integer = kk_eq(kk_trunc(y), y), y_odd = kk_mask_and(y_integer, kk_ne(kk_trunc(half), half));
    kk_mask negative = kk_i32_gt(kk_i32_set1(0), kk_bits(x));
    kk_f32 log_low, log_high = kk_log_extended(magnitude, &log_low), product, low, result;
    kk_exponent split;
    kk_mask regular = kk_mask_and(kk_gt(magnitude, zero), kk_lt(magnitude, infinity));
    log_high = kk_select(regular, log_high, kk_log_special(magnitude, zero));
    product = kk_mul(y, log_high);
    low = kk_fma(y, log_low, kk_product_error(y, log_high, product));
    /* Out of exp's range, or infinite, the low part means nothing and may be NaN. */
    low = kk_select(kk_mask_and(regular, kk_lt(kk_abs(product), kk_set1(110.0f))), low, zero);
    split = kk_split_exponent(kk_max(kk_set1(-104.0f), kk_min(kk_set1(89.0f), product)), 254.0f);
    result = kk_exp_of_split(split, kk_add(split.remainder, low));
    result = kk_select(kk_eq(magnitude, one), kk_select(kk_eq(y, y), one, y), result);
    result = kk_select(kk_mask_and(negative, y_odd), kk_neg(result), result);
    /* A negative finite base needs an integer exponent; an infinite one counts as even (trunc(inf) == inf, also when halved). */
    result = kk_select(kk_mask_and(kk_mask_and(kk_lt(x, zero), regular), kk_mask_not(y_integer)), nan, result);
    return kk_select(kk_mask_or(kk_eq(y, zero), kk_eq(x, one)), one, result);
}

#if KK_FUSED
/* pi/2 in three parts of 24 bits; with a fused multiply-add the reduction is good to |x| <= 2^17. */
#define KK_HALF_PI_1 0x1.921fb6p+0f
#define KK_HALF_PI_2 -0x1.777a5cp-25f
#define KK_HALF_PI_3 -0x1.ee59dap-50f
#define KK_TRIGONOMETRIC_LIMIT 131072.0f
#else
/* pi/2 in three parts of which the first two have few bits, so that their products with n < 2^12 are exact. */
#define KK_HALF_PI_1 0x1.92p+0f
#define KK_HALF_PI_2 0x1.fb4p-12f
#define KK_HALF_PI_3 0x1.4442d2p-24f
#define KK_TRIGONOMETRIC_LIMIT 4096.0f
#endif

/* One lane of kk_reduce_half_pi for |x| >= 4096, exact for every finite x (Payne and Hanek 1983): the product of the mantissa with the 96
   bits of 2/pi that matter, modulo 4, in integers; float64 only scales the result. */
KK_NOINLINE float kk_reduce_large(float x, int32_t *quadrant)
{
    static const uint32_t two_over_pi[] = {0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u,
                                           0x3c439041u, 0xfe5163abu, 0xdebbc561u};
    uint32_t bits, mantissa, word[3];
    uint64_t low, middle, high, fraction;
    int64_t centred;
    int exponent, start, i;
    memcpy(&bits, &x, sizeof bits);
    exponent = (int)((bits >> 23) & 255) - 150; /* |x| = mantissa * 2^exponent */
    if (exponent == 105) {
        *quadrant = 0;
        return x - x;
    }
    mantissa = (bits & 0x7fffffu) | 0x800000u;
    /* Bits of 2/pi above weight 2^(1 - exponent) only add multiples of 4. Where the window begins before the point, zeros come first. */
    start = exponent - 2;
    for (i = 0; i < 3; i++) {
        int first = start + 32 * i, index = (first + 32) / 32 - 1, shift = (first + 32) % 32;
        uint64_t pair = (uint64_t)(index >= 0 ? two_over_pi[index] : 0) << 32 | two_over_pi[index + 1];
        word[i] = (uint32_t)(pair << shift >> 32);
    }
    low = (uint64_t)mantissa * word[2];
    middle = (uint64_t)mantissa * word[1] + (low >> 32);
    high = (uint64_t)mantissa * word[0] + (middle >> 32);
    /* The low 96 bits are x * 2/pi modulo 4 in units of 2^-94: two bits of quadrant, then the fraction. */
    fraction = (high & 0x3fffffffu) << 34 | (middle & 0xffffffffu) << 2 | (low & 0xffffffffu) >> 30;
    *quadrant = (int32_t)(high >> 30 & 3);
    centred = (int64_t)(fraction >> 1);
    if (fraction >> 63) {
        centred -= INT64_MAX;
        centred -= 1;
        *quadrant += 1;
    }
    x = (float)((double)centred * 0x1.921fb54442d18p-63);
    if (bits >> 31) {
        *quadrant = -*quadrant;
        x = -x;
    }
    return x;
}

/* x - n pi/2, in [-0.79, 0.79], with n modulo 4 in the low two bits of quadrant. */
KK_INLINE kk_f32 kk_reduce_half_pi(kk_f32 x, kk_i32 *quadrant)
{
    kk_f32 magic = kk_set1(KK_ROUND_MAGIC), shifted = kk_fma(x, kk_set1(0x1.45f306p-1f), magic);
    kk_f32 n = kk_sub(shifted, magic), r = kk_fnma(n, kk_set1(KK_HALF_PI_1), x);
    r = kk_fnma(n, kk_set1(KK_HALF_PI_3), kk_fnma(n, kk_set1(KK_HALF_PI_2), r));
    *quadrant = kk_bits(shifted);
    if (kk_mask_any(kk_ge(kk_abs(x), kk_set1(KK_TRIGONOMETRIC_LIMIT)))) {
        float lanes[16], reduced[16];
        int32_t quadrants[16];
        kk_store(lanes, x);
        kk_store(reduced, r);
        kk_i32_store(quadrants, *quadrant);
        for (int i = 0; i < 16; i++)
            if (lanes[i] >= KK_TRIGONOMETRIC_LIMIT || lanes[i] <= -KK_TRIGONOMETRIC_LIMIT)
                reduced[i] = kk_reduce_large(lanes[i], &quadrants[i]);
        r = kk_load(reduced);
        *quadrant = kk_i32_load(quadrants);
    }
    return r;
}

/* sin or cos of r by the quadrant's low bit, its sign by the next. */
KK_INLINE kk_f32 kk_sine_of_quadrant(kk_f32 r, kk_i32 quadrant)
{
    kk_f32 z = kk_mul(r, r), s = kk_set1(-0x1.991c24p-13f), c = kk_set1(0x1.99e42cp-16f);
    kk_mask odd = kk_i32_eq(kk_i32_and(quadrant, kk_i32_set1(1)), kk_i32_set1(1));
    s = kk_fma(s, z, kk_set1(0x1.1106c6p-7f));
    s = kk_fma(s, z, kk_set1(-0x1.555544p-3f));
    s = kk_fma(kk_mul(r, z), s, r);
    c = kk_fma(c, z, kk_set1(-0x1.6c0c20p-10f));
    c = kk_fma(c, z, kk_set1(0x1.55554ap-5f));
    c = kk_fma(c, z, kk_set1(-0.5f));
    c = kk_fma(c, z, kk_set1(1.0f));
    s = kk_select(odd, c, s);
    return kk_from_bits(kk_i32_xor(kk_bits(s), kk_i32_shl(kk_i32_and(quadrant, kk_i32_set1(2)), 30)));
}

/* The sine of every finite x (radians); NaN of an infinity. ULP: 1.6 */
KK_INLINE kk_f32 kk_sin(kk_f32 x)
{
    kk_i32 quadrant;
    kk_f32 r = kk_reduce_half_pi(x, &quadrant);
    return kk_select(kk_eq(x, kk_zero()), x, kk_sine_of_quadrant(r, quadrant));
}

/* The cosine of every finite x (radians); NaN of an infinity. ULP: 1.6 */
KK_INLINE kk_f32 kk_cos(kk_f32 x)
{
    kk_i32 quadrant;
    kk_f32 r = kk_reduce_half_pi(x, &quadrant);
    return kk_sine_of_quadrant(r, kk_i32_add(quadrant, kk_i32_set1(1)));
}

#include "kk_activation.h"

#endif
