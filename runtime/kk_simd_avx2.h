/* The vector vocabulary on AVX2 + FMA: two ymm registers. Included by kk_simd.h, which states the rules. */
#ifndef KK_SIMD_AVX2_H
#define KK_SIMD_AVX2_H

typedef struct kk_f32 { __m256 low, high; } kk_f32;
typedef struct kk_i32 { __m256i low, high; } kk_i32;
typedef struct kk_mask { __m256 low, high; } kk_mask; /* all bits of a lane, or none */

KK_INLINE kk_f32 kk_pair(__m256 low, __m256 high)
{
    kk_f32 pair;
    pair.low = low;
    pair.high = high;
    return pair;
}

KK_INLINE kk_i32 kk_i32_pair(__m256i low, __m256i high)
{
    kk_i32 pair;
    pair.low = low;
    pair.high = high;
    return pair;
}

KK_INLINE kk_mask kk_mask_pair(__m256 low, __m256 high)
{
    kk_mask pair;
    pair.low = low;
    pair.high = high;
    return pair;
}

KK_INLINE kk_mask kk_mask_first(int n)
{
    __m256i count = _mm256_set1_epi32(n);
    __m256i low = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i high = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
    return kk_mask_pair(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
}

KK_INLINE kk_mask kk_mask_and(kk_mask a, kk_mask b) { return kk_mask_pair(_mm256_and_ps(a.low, b.low), _mm256_and_ps(a.high, b.high)); }
KK_INLINE kk_mask kk_mask_or(kk_mask a, kk_mask b) { return kk_mask_pair(_mm256_or_ps(a.low, b.low), _mm256_or_ps(a.high, b.high)); }
KK_INLINE kk_mask kk_mask_not(kk_mask a)
{
    __m256 ones = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
    return kk_mask_pair(_mm256_xor_ps(a.low, ones), _mm256_xor_ps(a.high, ones));
}
KK_INLINE int kk_mask_any(kk_mask a) { return _mm256_movemask_ps(_mm256_or_ps(a.low, a.high)) != 0; }
KK_INLINE int kk_mask_all(kk_mask a) { return _mm256_movemask_ps(_mm256_and_ps(a.low, a.high)) == 0xff; }

KK_INLINE kk_f32 kk_set1(float x) { return kk_pair(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
KK_INLINE kk_f32 kk_load(const float *p) { return kk_pair(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }

KK_INLINE void kk_store(float *p, kk_f32 a)
{
    _mm256_storeu_ps(p, a.low);
    _mm256_storeu_ps(p + 8, a.high);
}

/* The upper address stays inside [p, p + n] when fewer than 8 lanes are asked for: C forbids forming others. */
KK_INLINE kk_f32 kk_load_part(const float *p, int n)
{
    kk_mask m = kk_mask_first(n);
    const float *upper = p + (n < 8 ? 0 : 8);
    return kk_pair(_mm256_maskload_ps(p, _mm256_castps_si256(m.low)), _mm256_maskload_ps(upper, _mm256_castps_si256(m.high)));
}

KK_INLINE void kk_store_part(float *p, kk_f32 a, int n)
{
    kk_mask m = kk_mask_first(n);
    float *upper = p + (n < 8 ? 0 : 8);
    _mm256_maskstore_ps(p, _mm256_castps_si256(m.low), a.low);
    _mm256_maskstore_ps(upper, _mm256_castps_si256(m.high), a.high);
}

KK_INLINE kk_f32 kk_add(kk_f32 a, kk_f32 b) { return kk_pair(_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)); }
KK_INLINE kk_f32 kk_sub(kk_f32 a, kk_f32 b) { return kk_pair(_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)); }
KK_INLINE kk_f32 kk_mul(kk_f32 a, kk_f32 b) { return kk_pair(_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)); }
KK_INLINE kk_f32 kk_div(kk_f32 a, kk_f32 b) { return kk_pair(_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)); }
KK_INLINE kk_f32 kk_sqrt(kk_f32 a) { return kk_pair(_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)); }

KK_INLINE kk_f32 kk_neg(kk_f32 a)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return kk_pair(_mm256_xor_ps(a.low, sign), _mm256_xor_ps(a.high, sign));
}

KK_INLINE kk_f32 kk_abs(kk_f32 a)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return kk_pair(_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high));
}

KK_INLINE kk_f32 kk_fma(kk_f32 a, kk_f32 b, kk_f32 c)
{
    return kk_pair(_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high));
}

KK_INLINE kk_f32 kk_fnma(kk_f32 a, kk_f32 b, kk_f32 c)
{
    return kk_pair(_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high));
}

KK_INLINE kk_f32 kk_max(kk_f32 a, kk_f32 b) { return kk_pair(_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)); }
KK_INLINE kk_f32 kk_min(kk_f32 a, kk_f32 b) { return kk_pair(_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)); }

/* Immediate 8 + mode: no inexact flag; modes nearest even, down, up, to zero. */
KK_INLINE kk_f32 kk_round(kk_f32 a) { return kk_pair(_mm256_round_ps(a.low, 8), _mm256_round_ps(a.high, 8)); }
KK_INLINE kk_f32 kk_floor(kk_f32 a) { return kk_pair(_mm256_round_ps(a.low, 9), _mm256_round_ps(a.high, 9)); }
KK_INLINE kk_f32 kk_ceil(kk_f32 a) { return kk_pair(_mm256_round_ps(a.low, 10), _mm256_round_ps(a.high, 10)); }
KK_INLINE kk_f32 kk_trunc(kk_f32 a) { return kk_pair(_mm256_round_ps(a.low, 11), _mm256_round_ps(a.high, 11)); }

#define KK_COMPARE(name, predicate)                                                                                   \
    KK_INLINE kk_mask name(kk_f32 a, kk_f32 b)                                                                        \
    {                                                                                                                 \
        return kk_mask_pair(_mm256_cmp_ps(a.low, b.low, predicate), _mm256_cmp_ps(a.high, b.high, predicate));        \
    }
KK_COMPARE(kk_lt, _CMP_LT_OQ)
KK_COMPARE(kk_le, _CMP_LE_OQ)
KK_COMPARE(kk_gt, _CMP_GT_OQ)
KK_COMPARE(kk_ge, _CMP_GE_OQ)
KK_COMPARE(kk_eq, _CMP_EQ_OQ)
KK_COMPARE(kk_ne, _CMP_NEQ_UQ)
#undef KK_COMPARE

KK_INLINE kk_f32 kk_select(kk_mask m, kk_f32 a, kk_f32 b)
{
    return kk_pair(_mm256_blendv_ps(b.low, a.low, m.low), _mm256_blendv_ps(b.high, a.high, m.high));
}

KK_INLINE kk_i32 kk_bits(kk_f32 a) { return kk_i32_pair(_mm256_castps_si256(a.low), _mm256_castps_si256(a.high)); }
KK_INLINE kk_f32 kk_from_bits(kk_i32 a) { return kk_pair(_mm256_castsi256_ps(a.low), _mm256_castsi256_ps(a.high)); }
KK_INLINE kk_i32 kk_to_i32(kk_f32 a) { return kk_i32_pair(_mm256_cvtps_epi32(a.low), _mm256_cvtps_epi32(a.high)); }
KK_INLINE kk_f32 kk_from_i32(kk_i32 a) { return kk_pair(_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)); }

KK_INLINE kk_i32 kk_i32_set1(int32_t x) { return kk_i32_pair(_mm256_set1_epi32(x), _mm256_set1_epi32(x)); }

KK_INLINE kk_i32 kk_i32_load(const int32_t *p)
{
    const __m256i_u *source = (const __m256i_u *)(const void *)p;
    return kk_i32_pair(_mm256_loadu_si256(source), _mm256_loadu_si256(source + 1));
}

KK_INLINE void kk_i32_store(int32_t *p, kk_i32 a)
{
    __m256i_u *target = (__m256i_u *)(void *)p;
    _mm256_storeu_si256(target, a.low);
    _mm256_storeu_si256(target + 1, a.high);
}

KK_INLINE kk_i32 kk_i32_add(kk_i32 a, kk_i32 b) { return kk_i32_pair(_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)); }
KK_INLINE kk_i32 kk_i32_sub(kk_i32 a, kk_i32 b) { return kk_i32_pair(_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)); }
KK_INLINE kk_i32 kk_i32_mul(kk_i32 a, kk_i32 b) { return kk_i32_pair(_mm256_mullo_epi32(a.low, b.low), _mm256_mullo_epi32(a.high, b.high)); }
KK_INLINE kk_i32 kk_i32_and(kk_i32 a, kk_i32 b) { return kk_i32_pair(_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)); }
KK_INLINE kk_i32 kk_i32_or(kk_i32 a, kk_i32 b) { return kk_i32_pair(_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)); }
KK_INLINE kk_i32 kk_i32_xor(kk_i32 a, kk_i32 b) { return kk_i32_pair(_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)); }
#define kk_i32_shl(a, n) kk_i32_pair(_mm256_slli_epi32((a).low, (n)), _mm256_slli_epi32((a).high, (n)))
#define kk_i32_shr(a, n) kk_i32_pair(_mm256_srli_epi32((a).low, (n)), _mm256_srli_epi32((a).high, (n)))
#define kk_i32_sar(a, n) kk_i32_pair(_mm256_srai_epi32((a).low, (n)), _mm256_srai_epi32((a).high, (n)))

KK_INLINE kk_mask kk_i32_eq(kk_i32 a, kk_i32 b)
{
    __m256i low = _mm256_cmpeq_epi32(a.low, b.low), high = _mm256_cmpeq_epi32(a.high, b.high);
    return kk_mask_pair(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
}

KK_INLINE kk_mask kk_i32_gt(kk_i32 a, kk_i32 b)
{
    __m256i low = _mm256_cmpgt_epi32(a.low, b.low), high = _mm256_cmpgt_epi32(a.high, b.high);
    return kk_mask_pair(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
}

KK_INLINE kk_i32 kk_i32_select(kk_mask m, kk_i32 a, kk_i32 b)
{
    return kk_bits(kk_select(m, kk_from_bits(a), kk_from_bits(b)));
}

KK_INLINE float kk_lane0(kk_f32 a) { return _mm256_cvtss_f32(a.low); }

KK_INLINE float kk_sum(kk_f32 a)
{
    __m256 eight = _mm256_add_ps(a.low, a.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

KK_INLINE float kk_hmax(kk_f32 a)
{
    __m256 eight = _mm256_max_ps(a.low, a.high);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#endif
