/* Narrow element types as codes in integers: float16, bfloat16, the 8-bit floats of the OCP and of Graphcore/AMD (fnuz), the 4-bit
   float and the scale of the OCP's microscaling formats, and integers of 4 and 2 bits. Every code becomes a float32 exactly; a
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

#endif
