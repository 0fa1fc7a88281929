/* The vector vocabulary on AVX-512 (F, BW, DQ, VL): one zmm register. Included by kk_simd.h, which states the rules. */
#ifndef KK_SIMD_AVX512_H
#define KK_SIMD_AVX512_H

typedef __m512 kk_f32;
typedef __m512i kk_i32;
typedef __mmask16 kk_mask;

KK_INLINE kk_mask kk_mask_first(int n) { return (kk_mask)((1u << n) - 1u); }
KK_INLINE kk_mask kk_mask_and(kk_mask a, kk_mask b) { return (kk_mask)(a & b); }
KK_INLINE kk_mask kk_mask_or(kk_mask a, kk_mask b) { return (kk_mask)(a | b); }
KK_INLINE kk_mask kk_mask_not(kk_mask a) { return (kk_mask)~a; }
KK_INLINE int kk_mask_any(kk_mask a) { return a != 0; }
KK_INLINE int kk_mask_all(kk_mask a) { return a == 0xffff; }

KK_INLINE kk_f32 kk_set1(float x) { return _mm512_set1_ps(x); }
KK_INLINE kk_f32 kk_load(const float *p) { return _mm512_loadu_ps(p); }
KK_INLINE void kk_store(float *p, kk_f32 a) { _mm512_storeu_ps(p, a); }
KK_INLINE kk_f32 kk_load_part(const float *p, int n) { return _mm512_maskz_loadu_ps(kk_mask_first(n), p); }
KK_INLINE void kk_store_part(float *p, kk_f32 a, int n) { _mm512_mask_storeu_ps(p, kk_mask_first(n), a); }

KK_INLINE kk_f32 kk_add(kk_f32 a, kk_f32 b) { return _mm512_add_ps(a, b); }
KK_INLINE kk_f32 kk_sub(kk_f32 a, kk_f32 b) { return _mm512_sub_ps(a, b); }
KK_INLINE kk_f32 kk_mul(kk_f32 a, kk_f32 b) { return _mm512_mul_ps(a, b); }
KK_INLINE kk_f32 kk_div(kk_f32 a, kk_f32 b) { return _mm512_div_ps(a, b); }
KK_INLINE kk_f32 kk_sqrt(kk_f32 a) { return _mm512_sqrt_ps(a); }
KK_INLINE kk_f32 kk_neg(kk_f32 a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
KK_INLINE kk_f32 kk_abs(kk_f32 a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
KK_INLINE kk_f32 kk_fma(kk_f32 a, kk_f32 b, kk_f32 c) { return _mm512_fmadd_ps(a, b, c); }
KK_INLINE kk_f32 kk_fnma(kk_f32 a, kk_f32 b, kk_f32 c) { return _mm512_fnmadd_ps(a, b, c); }
KK_INLINE kk_f32 kk_max(kk_f32 a, kk_f32 b) { return _mm512_max_ps(a, b); }
KK_INLINE kk_f32 kk_min(kk_f32 a, kk_f32 b) { return _mm512_min_ps(a, b); }

/* Immediate 8 + mode: no digits behind the point, no inexact flag; modes nearest even, down, up, to zero. */
KK_INLINE kk_f32 kk_round(kk_f32 a) { return _mm512_roundscale_ps(a, 8); }
KK_INLINE kk_f32 kk_floor(kk_f32 a) { return _mm512_roundscale_ps(a, 9); }
KK_INLINE kk_f32 kk_ceil(kk_f32 a) { return _mm512_roundscale_ps(a, 10); }
KK_INLINE kk_f32 kk_trunc(kk_f32 a) { return _mm512_roundscale_ps(a, 11); }

KK_INLINE kk_mask kk_lt(kk_f32 a, kk_f32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
KK_INLINE kk_mask kk_le(kk_f32 a, kk_f32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
KK_INLINE kk_mask kk_gt(kk_f32 a, kk_f32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
KK_INLINE kk_mask kk_ge(kk_f32 a, kk_f32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
KK_INLINE kk_mask kk_eq(kk_f32 a, kk_f32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
KK_INLINE kk_mask kk_ne(kk_f32 a, kk_f32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
KK_INLINE kk_f32 kk_select(kk_mask m, kk_f32 a, kk_f32 b) { return _mm512_mask_blend_ps(m, b, a); }

KK_INLINE kk_i32 kk_bits(kk_f32 a) { return _mm512_castps_si512(a); }
KK_INLINE kk_f32 kk_from_bits(kk_i32 a) { return _mm512_castsi512_ps(a); }
KK_INLINE kk_i32 kk_to_i32(kk_f32 a) { return _mm512_cvtps_epi32(a); }
KK_INLINE kk_f32 kk_from_i32(kk_i32 a) { return _mm512_cvtepi32_ps(a); }

KK_INLINE kk_i32 kk_i32_set1(int32_t x) { return _mm512_set1_epi32(x); }
KK_INLINE kk_i32 kk_i32_load(const int32_t *p) { return _mm512_loadu_si512(p); }
KK_INLINE void kk_i32_store(int32_t *p, kk_i32 a) { _mm512_storeu_si512(p, a); }
KK_INLINE kk_i32 kk_i32_add(kk_i32 a, kk_i32 b) { return _mm512_add_epi32(a, b); }
KK_INLINE kk_i32 kk_i32_sub(kk_i32 a, kk_i32 b) { return _mm512_sub_epi32(a, b); }
KK_INLINE kk_i32 kk_i32_mul(kk_i32 a, kk_i32 b) { return _mm512_mullo_epi32(a, b); }
KK_INLINE kk_i32 kk_i32_and(kk_i32 a, kk_i32 b) { return _mm512_and_si512(a, b); }
KK_INLINE kk_i32 kk_i32_or(kk_i32 a, kk_i32 b) { return _mm512_or_si512(a, b); }
KK_INLINE kk_i32 kk_i32_xor(kk_i32 a, kk_i32 b) { return _mm512_xor_si512(a, b); }
/* Macros: gcc takes the count as a literal only when it does not optimise. */
#define kk_i32_shl(a, n) _mm512_slli_epi32((a), (n))
#define kk_i32_shr(a, n) _mm512_srli_epi32((a), (n))
#define kk_i32_sar(a, n) _mm512_srai_epi32((a), (n))
KK_INLINE kk_mask kk_i32_eq(kk_i32 a, kk_i32 b) { return _mm512_cmpeq_epi32_mask(a, b); }
KK_INLINE kk_mask kk_i32_gt(kk_i32 a, kk_i32 b) { return _mm512_cmpgt_epi32_mask(a, b); }
KK_INLINE kk_i32 kk_i32_select(kk_mask m, kk_i32 a, kk_i32 b) { return _mm512_mask_blend_epi32(m, b, a); }

KK_INLINE float kk_lane0(kk_f32 a) { return _mm512_cvtss_f32(a); }

KK_INLINE float kk_sum(kk_f32 a)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

KK_INLINE float kk_hmax(kk_f32 a)
{
    __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#endif
