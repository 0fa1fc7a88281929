/* Conversions of kk_narrow.h over arrays, for the test that compares them with ml_dtypes. */
#include "kk_narrow.h"

#define BOTH(name, code_type)                                                         \
    void from_##name(const code_type *codes, float *values, int64_t count);           \
    void to_##name(const float *values, code_type *codes, int64_t count);             \
    void from_##name(const code_type *codes, float *values, int64_t count)            \
    {                                                                                 \
        for (int64_t i = 0; i < count; i++)                                           \
            values[i] = kk_from_##name(codes[i]);                                     \
    }                                                                                 \
    void to_##name(const float *values, code_type *codes, int64_t count)              \
    {                                                                                 \
        for (int64_t i = 0; i < count; i++)                                           \
            codes[i] = kk_to_##name(values[i]);                                       \
    }

BOTH(float16, uint16_t)
BOTH(bfloat16, uint16_t)
BOTH(float8_e4m3fn, uint8_t)
BOTH(float8_e4m3fnuz, uint8_t)
BOTH(float8_e5m2, uint8_t)
BOTH(float8_e5m2fnuz, uint8_t)
BOTH(float8_e8m0fnu, uint8_t)
BOTH(float4_e2m1fn, uint8_t)

void to_float16_f64(const double *values, uint16_t *codes, int64_t count);
void to_float16_f64(const double *values, uint16_t *codes, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        codes[i] = kk_to_float16_f64(values[i]);
}

#define LOW(name, code_type)                                                     \
    void low_##name(const int64_t *values, code_type *codes, int64_t count);     \
    void low_##name(const int64_t *values, code_type *codes, int64_t count)      \
    {                                                                            \
        for (int64_t i = 0; i < count; i++)                                      \
            codes[i] = kk_low_##name(values[i]);                                 \
    }

LOW(int4, int8_t)
LOW(int2, int8_t)
LOW(uint4, uint8_t)
LOW(uint2, uint8_t)
