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

/* Sixteen at a time, and what is left over. */
#define LANES(name, code_type)                                                                     \
    void lanes_from_##name(const code_type *codes, float *values, int64_t count);                  \
    void lanes_to_##name(const float *values, code_type *codes, int64_t count);                    \
    void lanes_from_##name(const code_type *codes, float *values, int64_t count)                   \
    {                                                                                              \
        for (int64_t i = 0; i < count; i += 16) {                                                  \
            const int n = count - i < 16 ? (int)(count - i) : 16;                                  \
            kk_store_part(values + i, kk_load_##name(codes + i, n), n);                            \
        }                                                                                          \
    }                                                                                              \
    void lanes_to_##name(const float *values, code_type *codes, int64_t count)                     \
    {                                                                                              \
        for (int64_t i = 0; i < count; i += 16) {                                                  \
            const int n = count - i < 16 ? (int)(count - i) : 16;                                  \
            kk_store_##name(codes + i, kk_load_part(values + i, n), n);                            \
        }                                                                                          \
    }

#define ROUNDED(name)                                                                              \
    void lanes_round_##name(const float *values, float *rounded, int64_t count);                   \
    void lanes_round_##name(const float *values, float *rounded, int64_t count)                    \
    {                                                                                              \
        for (int64_t i = 0; i < count; i += 16) {                                                  \
            const int n = count - i < 16 ? (int)(count - i) : 16;                                  \
            kk_store_part(rounded + i, kk_round_##name(kk_load_part(values + i, n)), n);           \
        }                                                                                          \
    }

LANES(float16, uint16_t) ROUNDED(float16)
LANES(bfloat16, uint16_t) ROUNDED(bfloat16)
LANES(float8_e4m3fn, uint8_t) ROUNDED(float8_e4m3fn)
LANES(float8_e4m3fnuz, uint8_t) ROUNDED(float8_e4m3fnuz)
LANES(float8_e5m2, uint8_t) ROUNDED(float8_e5m2)
LANES(float8_e5m2fnuz, uint8_t) ROUNDED(float8_e5m2fnuz)
LANES(float8_e8m0fnu, uint8_t) ROUNDED(float8_e8m0fnu)
LANES(float4_e2m1fn, uint8_t) ROUNDED(float4_e2m1fn)
LANES(int8, int8_t)
LANES(uint8, uint8_t)
LANES(int16, int16_t)
LANES(uint16, uint16_t)

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
