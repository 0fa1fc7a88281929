/* Rounding and conversion for levels without instructions for them, from the rest of the vocabulary and kk_plain_truncate (to int32, values that
   fit only). Included by kk_simd_gnu.h and kk_simd_plain.h. */
#ifndef KK_SIMD_ROUND_H
#define KK_SIMD_ROUND_H

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
    kk_mask fits = kk_lt(kk_abs(a), kk_set1(2147483648.0f));
    kk_f32 safe = kk_select(fits, kk_round(a), kk_set1(0.0f));
    return kk_i32_select(fits, kk_plain_truncate(safe), kk_i32_set1(INT32_MIN));
}

#endif
