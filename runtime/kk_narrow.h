/* Narrow element types as codes in integers: float16, bfloat16, the 8-bit floats of the OCP and of AMD and Graphcore (fnuz), the
   4-bit float and the scale of the OCP's microscaling formats, and integers of 4 and 2 bits. Every code becomes a float32 exactly; a
   float32 becomes the nearest code, ties to even, and beyond the largest an infinity where the type has one, else NaN, else the
   largest. (Where ONNX wants the largest instead, the caller limits the value before.) */
#ifndef KK_NARROW_H
#define KK_NARROW_H

#include "kk_scalar.h"

/* A sign bit, an exponent, and `mantissa` bits: the value of a code that is neither infinite nor NaN. */
KK_INLINE float kk_from_small_float(uint32_t code, int width, int mantissa, int bias)
{
    const uint32_t sign = code >> (width - 1) << 31, magnitude = code & ((1u << (width - 1)) - 1);
    const float unit = kk_f32_of_bits((uint32_t)(128 - bias - mantissa) << 23);
    if (magnitude >> mantissa == 0)
        return kk_f32_of_bits(sign | kk_bits_of_f32((float)magnitude * unit));
    return kk_f32_of_bits(sign | ((magnitude << (23 - mantissa)) + ((uint32_t)(127 - bias) << 23)));
}

/* The magnitude of a finite float32, given by its bits, as a code without sign, however large the code becomes. */
KK_INLINE uint32_t kk_to_small_float(uint32_t bits, int mantissa, int bias)
{
    const uint32_t magnitude = bits & 0x7fffffff, exponent = magnitude >> 23, lowest = (uint32_t)(128 - bias);
    uint32_t kept = magnitude - ((lowest - 1) << 23), shift = (uint32_t)(23 - mantissa);
    if (exponent < lowest) {
        kept = (magnitude & 0x7fffff) | (uint32_t)(exponent > 0) << 23;
        shift += lowest - (exponent > 0 ? exponent : 1);
        if (shift > 24)
            return 0;
    }
    return (kept + ((1u << (shift - 1)) - 1) + (kept >> shift & 1)) >> shift;
}

KK_INLINE float kk_nan_with_sign(uint32_t sign) { return kk_f32_of_bits(sign << 31 | 0x7fc00000); }

KK_INLINE float kk_from_float16(uint16_t code)
{
    if ((code & 0x7c00) == 0x7c00)
        return kk_f32_of_bits((uint32_t)(code >> 15) << 31 | 0x7f800000 | (uint32_t)(code & 0x3ff) << 13);
    return kk_from_small_float(code, 16, 10, 15);
}

KK_INLINE uint16_t kk_to_float16(float value)
{
    const uint32_t bits = kk_bits_of_f32(value), sign = bits >> 31 << 15;
    uint32_t code;
    if (value != value)
        return (uint16_t)(sign | 0x7e00);
    code = kk_to_small_float(bits, 10, 15);
    return (uint16_t)(sign | (code < 0x7c00 ? code : 0x7c00));
}

/* One rounding: what float32 cannot hold is rounded to odd there, which the second rounding cannot mistake for a tie. */
KK_INLINE uint16_t kk_to_float16_f64(double value)
{
    float near = (float)value;
    uint32_t bits = kk_bits_of_f32(near);
    if (value == value && (double)near != value && (bits & 0x7fffffff) < 0x7f800000 && (bits & 1) == 0) {
        const double magnitude = value < 0 ? -value : value, rounded = near < 0 ? -(double)near : (double)near;
        bits = rounded > magnitude ? bits - 1 : bits + 1;
        near = kk_f32_of_bits(bits);
    }
    return kk_to_float16(near);
}

KK_INLINE float kk_from_bfloat16(uint16_t code) { return kk_f32_of_bits((uint32_t)code << 16); }

KK_INLINE uint16_t kk_to_bfloat16(float value)
{
    const uint32_t bits = kk_bits_of_f32(value);
    if (value != value)
        return (uint16_t)(bits >> 31 << 15 | 0x7fc0);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

KK_INLINE float kk_from_float8_e4m3fn(uint8_t code)
{
    return (code & 0x7f) == 0x7f ? kk_nan_with_sign(code >> 7) : kk_from_small_float(code, 8, 3, 7);
}

KK_INLINE uint8_t kk_to_float8_e4m3fn(float value)
{
    const uint32_t bits = kk_bits_of_f32(value), sign = bits >> 31 << 7;
    const uint32_t code = (bits & 0x7fffffff) < 0x7f800000 ? kk_to_small_float(bits, 3, 7) : 0x7f;
    return (uint8_t)(sign | (code < 0x7f ? code : 0x7f));
}

KK_INLINE float kk_from_float8_e5m2(uint8_t code)
{
    if ((code & 0x7c) == 0x7c)
        return (code & 3) != 0 ? kk_nan_with_sign(code >> 7) : kk_f32_of_bits((uint32_t)(code >> 7) << 31 | 0x7f800000);
    return kk_from_small_float(code, 8, 2, 15);
}

KK_INLINE uint8_t kk_to_float8_e5m2(float value)
{
    const uint32_t bits = kk_bits_of_f32(value), sign = bits >> 31 << 7;
    uint32_t code;
    if (value != value)
        return (uint8_t)(sign | 0x7e);
    code = (bits & 0x7fffffff) < 0x7f800000 ? kk_to_small_float(bits, 2, 15) : 0x7c;
    return (uint8_t)(sign | (code < 0x7c ? code : 0x7c));
}

/* The types without infinities and without a negative zero, whose code is NaN. */
KK_INLINE float kk_from_float8_e4m3fnuz(uint8_t code)
{
    return code == 0x80 ? kk_nan_with_sign(1) : kk_from_small_float(code, 8, 3, 8);
}

KK_INLINE float kk_from_float8_e5m2fnuz(uint8_t code)
{
    return code == 0x80 ? kk_nan_with_sign(1) : kk_from_small_float(code, 8, 2, 16);
}

KK_INLINE uint8_t kk_to_float8_fnuz(float value, int mantissa, int bias)
{
    const uint32_t bits = kk_bits_of_f32(value);
    const uint32_t code = (bits & 0x7fffffff) < 0x7f800000 ? kk_to_small_float(bits, mantissa, bias) : 0x80;
    if (code > 0x7f)
        return 0x80;
    return (uint8_t)(code == 0 ? 0 : bits >> 31 << 7 | code);
}

KK_INLINE uint8_t kk_to_float8_e4m3fnuz(float value) { return kk_to_float8_fnuz(value, 3, 8); }
KK_INLINE uint8_t kk_to_float8_e5m2fnuz(float value) { return kk_to_float8_fnuz(value, 2, 16); }

/* Powers of two from 2^-127 to 2^127, and NaN: for what is negative, 0 or infinite too. A tie goes to the larger power;
   subnormal float32 above 2^-127 become 2^-126, as in ONNX and ml_dtypes. */
KK_INLINE float kk_from_float8_e8m0fnu(uint8_t code)
{
    return code == 0xff ? kk_nan_with_sign(0) : kk_f32_of_bits(code > 0 ? (uint32_t)code << 23 : 0x400000);
}

KK_INLINE uint8_t kk_to_float8_e8m0fnu(float value)
{
    const uint32_t bits = kk_bits_of_f32(value);
    if (!(value > 0) || bits >= 0x7f800000)
        return 0xff;
    return (uint8_t)((bits + 0x400000 - (bits == 0x400000)) >> 23);
}

/* Neither infinities nor NaN: what is larger than 6 is 6, NaN is 0. */
KK_INLINE float kk_from_float4_e2m1fn(uint8_t code) { return kk_from_small_float(code & 15, 4, 1, 1); }

KK_INLINE uint8_t kk_to_float4_e2m1fn(float value)
{
    const uint32_t bits = kk_bits_of_f32(value), sign = bits >> 31 << 3;
    uint32_t code;
    if (value != value)
        return (uint8_t)(sign ^ 8);
    code = (bits & 0x7fffffff) < 0x7f800000 ? kk_to_small_float(bits, 1, 1) : 7;
    return (uint8_t)(sign | (code < 7 ? code : 7));
}

/* The low bits of an integer, as an integer of 4 or 2 bits. */
KK_INLINE int8_t kk_low_int4(int64_t value) { return (int8_t)((int)(((uint64_t)value & 15) ^ 8) - 8); }
KK_INLINE int8_t kk_low_int2(int64_t value) { return (int8_t)((int)(((uint64_t)value & 3) ^ 2) - 2); }
KK_INLINE uint8_t kk_low_uint4(int64_t value) { return (uint8_t)((uint64_t)value & 15); }
KK_INLINE uint8_t kk_low_uint2(int64_t value) { return (uint8_t)((uint64_t)value & 3); }

/* Sixteen int32 lanes from the first n elements of a type of one or two bytes, zeros behind them; and the low bits of lanes stored. */
#if defined(KK_LEVEL_AVX512)
#define KK_WIDENED(name, type, load, widen)                                        \
    KK_INLINE kk_i32 kk_i32_load_##name(const type *p, int n) { return widen(load(kk_mask_first(n), p)); }
KK_WIDENED(int8, int8_t, _mm_maskz_loadu_epi8, _mm512_cvtepi8_epi32)
KK_WIDENED(uint8, uint8_t, _mm_maskz_loadu_epi8, _mm512_cvtepu8_epi32)
KK_WIDENED(int16, int16_t, _mm256_maskz_loadu_epi16, _mm512_cvtepi16_epi32)
KK_WIDENED(uint16, uint16_t, _mm256_maskz_loadu_epi16, _mm512_cvtepu16_epi32)
#undef KK_WIDENED
KK_INLINE void kk_i32_store_8(void *p, kk_i32 a, int n) { _mm_mask_storeu_epi8(p, kk_mask_first(n), _mm512_cvtepi32_epi8(a)); }
KK_INLINE void kk_i32_store_16(void *p, kk_i32 a, int n) { _mm256_mask_storeu_epi16(p, kk_mask_first(n), _mm512_cvtepi32_epi16(a)); }
#elif defined(KK_LEVEL_AVX2)
#define KK_WIDENED(name, type, load, widen)                                        \
    KK_INLINE kk_i32 kk_i32_load_##name(const type *p, int n)                      \
    {                                                                              \
        type first[16] = {0};                                                      \
        if (n < 16) {                                                              \
            memcpy(first, p, (size_t)n * sizeof *p);                               \
            p = first;                                                             \
        }                                                                          \
        return kk_i32_pair(widen(load((const __m128i *)(const void *)p)), widen(load((const __m128i *)(const void *)(p + 8)))); \
    }
KK_WIDENED(int8, int8_t, _mm_loadl_epi64, _mm256_cvtepi8_epi32)
KK_WIDENED(uint8, uint8_t, _mm_loadl_epi64, _mm256_cvtepu8_epi32)
KK_WIDENED(int16, int16_t, _mm_loadu_si128, _mm256_cvtepi16_epi32)
KK_WIDENED(uint16, uint16_t, _mm_loadu_si128, _mm256_cvtepu16_epi32)
#undef KK_WIDENED
KK_INLINE __m256i kk_low_halves(kk_i32 a, int bits)
{
    const __m256i mask = _mm256_set1_epi32(bits);
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(_mm256_and_si256(a.low, mask), _mm256_and_si256(a.high, mask)), 0xd8);
}
KK_INLINE void kk_i32_store_16(void *p, kk_i32 a, int n)
{
    uint16_t codes[16];
    _mm256_storeu_si256(n == 16 ? p : (void *)codes, kk_low_halves(a, 0xffff));
    if (n < 16)
        memcpy(p, codes, (size_t)n * sizeof *codes);
}
KK_INLINE void kk_i32_store_8(void *p, kk_i32 a, int n)
{
    uint8_t codes[16];
    const __m256i halves = kk_low_halves(a, 0xff);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
    _mm_storeu_si128(n == 16 ? p : (void *)codes, bytes);
    if (n < 16)
        memcpy(p, codes, (size_t)n);
}
#else
#define KK_WIDENED(name, type)                                                     \
    KK_INLINE kk_i32 kk_i32_load_##name(const type *p, int n)                      \
    {                                                                              \
        int32_t a[16];                                                             \
        int i = 0;                                                                 \
        for (; i < n; i++)                                                         \
            a[i] = p[i];                                                           \
        for (; i < 16; i++)                                                        \
            a[i] = 0;                                                              \
        return kk_i32_load(a);                                                     \
    }
KK_WIDENED(int8, int8_t)
KK_WIDENED(uint8, uint8_t)
KK_WIDENED(int16, int16_t)
KK_WIDENED(uint16, uint16_t)
#undef KK_WIDENED
#define KK_NARROWED(bits)                                                          \
    KK_INLINE void kk_i32_store_##bits(void *p, kk_i32 lanes, int n)               \
    {                                                                              \
        int32_t a[16];                                                             \
        uint##bits##_t *const codes = p;                                           \
        kk_i32_store(a, lanes);                                                    \
        for (int i = 0; i < n; i++)                                                \
            codes[i] = (uint##bits##_t)a[i];                                       \
    }
KK_NARROWED(8)
KK_NARROWED(16)
#undef KK_NARROWED
#endif

/* Sixteen lanes: the first n elements of memory as float32 and zeros behind them, and the first n lanes stored. */
#define KK_CONVERTED(name, type, from, to)                            \
    KK_INLINE kk_f32 kk_load_##name(const type *p, int n)             \
    {                                                                 \
        float a[16];                                                  \
        int i = 0;                                                    \
        for (; i < n; i++)                                            \
            a[i] = from(p[i]);                                        \
        for (; i < 16; i++)                                           \
            a[i] = 0;                                                 \
        return kk_load(a);                                            \
    }                                                                 \
    KK_INLINE void kk_store_##name(type *p, kk_f32 lanes, int n)      \
    {                                                                 \
        float a[16];                                                  \
        kk_store(a, lanes);                                           \
        for (int i = 0; i < n; i++)                                   \
            p[i] = to(a[i]);                                          \
    }

/* The same for the 16-bit floats, on integer lanes. */
#define KK_CONVERTED_16(name)                                                      \
    KK_INLINE kk_f32 kk_load_##name(const uint16_t *p, int n)                      \
    {                                                                              \
        return kk_lanes_from_##name(kk_i32_load_uint16(p, n));                     \
    }                                                                              \
    KK_INLINE void kk_store_##name(uint16_t *p, kk_f32 lanes, int n)               \
    {                                                                              \
        kk_i32_store_16(p, kk_lanes_to_##name(lanes), n);                          \
    }                                                                              \
    KK_INLINE kk_f32 kk_round_##name(kk_f32 lanes)                                 \
    {                                                                              \
        return kk_lanes_from_##name(kk_lanes_to_##name(lanes));                    \
    }

#if defined(KK_LEVEL_AVX512) || defined(KK_LEVEL_AVX2)
/* The processor's own conversion rounds to nearest even whatever the modes are; only NaNs lose what is theirs here. */
#if defined(KK_LEVEL_AVX512)
KK_INLINE kk_f32 kk_lanes_from_float16(kk_i32 code) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(code)); }
KK_INLINE kk_i32 kk_lanes_near_float16(kk_f32 value) { return _mm512_cvtepu16_epi32(_mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT)); }
#else
KK_INLINE kk_f32 kk_lanes_from_float16(kk_i32 code)
{
    const __m256i halves = kk_low_halves(code, 0xffff);
    return kk_pair(_mm256_cvtph_ps(_mm256_castsi256_si128(halves)), _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)));
}
KK_INLINE kk_i32 kk_lanes_near_float16(kk_f32 value)
{
    const __m128i low = _mm256_cvtps_ph(value.low, _MM_FROUND_TO_NEAREST_INT), high = _mm256_cvtps_ph(value.high, _MM_FROUND_TO_NEAREST_INT);
    return kk_i32_pair(_mm256_cvtepu16_epi32(low), _mm256_cvtepu16_epi32(high));
}
#endif
KK_INLINE kk_i32 kk_lanes_to_float16(kk_f32 value)
{
    const kk_i32 quiet = kk_i32_or(kk_i32_shl(kk_i32_shr(kk_bits(value), 31), 15), kk_i32_set1(0x7e00));
    return kk_i32_select(kk_ne(value, value), quiet, kk_lanes_near_float16(value));
}
#else
/* The exponent is moved by a multiplication, which is exact for subnormals as well. */
KK_INLINE kk_f32 kk_lanes_from_float16(kk_i32 code)
{
    const kk_i32 sign = kk_i32_shl(kk_i32_and(code, kk_i32_set1(0x8000)), 16);
    const kk_i32 magnitude = kk_i32_shl(kk_i32_and(code, kk_i32_set1(0x7fff)), 13);
    const kk_i32 finite = kk_bits(kk_mul(kk_from_bits(magnitude), kk_set1(0x1p112f)));
    const kk_i32 beyond = kk_i32_or(magnitude, kk_i32_set1(0x7f800000));
    const kk_mask is_beyond = kk_i32_gt(magnitude, kk_i32_set1(0x0f7fffff));
    return kk_from_bits(kk_i32_or(sign, kk_i32_select(is_beyond, beyond, finite)));
}

/* What becomes subnormal is rounded by the addition of 0.5, whose last place is float16's smallest number. */
KK_INLINE kk_i32 kk_lanes_to_float16(kk_f32 value)
{
    const kk_i32 bits = kk_bits(value), magnitude = kk_bits(kk_abs(value));
    const kk_i32 odd = kk_i32_and(kk_i32_shr(magnitude, 13), kk_i32_set1(1));
    const kk_i32 rounded = kk_i32_add(kk_i32_add(magnitude, kk_i32_set1(0xfff)), odd);
    const kk_i32 normal = kk_i32_sub(kk_i32_shr(rounded, 13), kk_i32_set1(112 << 10));
    const kk_i32 subnormal = kk_i32_sub(kk_bits(kk_add(kk_abs(value), kk_set1(0.5f))), kk_i32_set1(0x3f000000));
    const kk_mask is_normal = kk_i32_gt(magnitude, kk_i32_set1(0x387fffff));
    kk_i32 code = kk_i32_select(is_normal, normal, subnormal);
    code = kk_i32_select(kk_i32_gt(code, kk_i32_set1(0x7c00)), kk_i32_set1(0x7c00), code);
    code = kk_i32_select(kk_ne(value, value), kk_i32_set1(0x7e00), code);
    return kk_i32_or(code, kk_i32_shl(kk_i32_shr(bits, 31), 15));
}
#endif

KK_INLINE kk_f32 kk_lanes_from_bfloat16(kk_i32 code) { return kk_from_bits(kk_i32_shl(code, 16)); }

KK_INLINE kk_i32 kk_lanes_to_bfloat16(kk_f32 value)
{
    const kk_i32 bits = kk_bits(value), upper = kk_i32_shr(bits, 16);
    const kk_i32 odd = kk_i32_and(upper, kk_i32_set1(1));
    const kk_i32 code = kk_i32_shr(kk_i32_add(kk_i32_add(bits, kk_i32_set1(0x7fff)), odd), 16);
    return kk_i32_select(kk_ne(value, value), kk_i32_or(kk_i32_and(upper, kk_i32_set1(0x8000)), kk_i32_set1(0x7fc0)), code);
}

KK_CONVERTED_16(float16)
KK_CONVERTED_16(bfloat16)
#undef KK_CONVERTED_16

/* Of narrow floats also the lanes as the type holds them. */
#define KK_NARROW(name, type)                                         \
    KK_CONVERTED(name, type, kk_from_##name, kk_to_##name)            \
    KK_INLINE kk_f32 kk_round_##name(kk_f32 lanes)                    \
    {                                                                 \
        float a[16];                                                  \
        kk_store(a, lanes);                                           \
        for (int i = 0; i < 16; i++)                                  \
            a[i] = kk_from_##name(kk_to_##name(a[i]));                \
        return kk_load(a);                                            \
    }

KK_NARROW(float8_e4m3fn, uint8_t)
KK_NARROW(float8_e4m3fnuz, uint8_t)
KK_NARROW(float8_e5m2, uint8_t)
KK_NARROW(float8_e5m2fnuz, uint8_t)
KK_NARROW(float8_e8m0fnu, uint8_t)
KK_NARROW(float4_e2m1fn, uint8_t)
#undef KK_NARROW

/* Towards zero; what int32 cannot hold gives its lowest value, as for one element. */
#define KK_INTEGER(name, type, bits)                                               \
    KK_INLINE kk_f32 kk_load_##name(const type *p, int n) { return kk_from_i32(kk_i32_load_##name(p, n)); } \
    KK_INLINE void kk_store_##name(type *p, kk_f32 lanes, int n) { kk_i32_store_##bits(p, kk_to_i32(kk_trunc(lanes)), n); }
KK_INTEGER(int8, int8_t, 8)
KK_INTEGER(uint8, uint8_t, 8)
KK_INTEGER(int16, int16_t, 16)
KK_INTEGER(uint16, uint16_t, 16)
#undef KK_INTEGER
#undef KK_CONVERTED

#endif
