/* Scalar helpers of generated loops: integer division as ONNX and Python define it, extremes, indices from data. */
#ifndef KK_SCALAR_H
#define KK_SCALAR_H

#include <math.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define KK_UNUSED __attribute__((unused))
#else
#define KK_UNUSED
#endif

/* Division towards zero; 0 where the divisor is 0; the one overflow wraps. */
static inline KK_UNUSED int64_t kk_divide_i64(int64_t a, int64_t b)
{
    if (b == 0)
        return 0;
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

/* Division towards minus infinity, and its rest, which has the divisor's sign. */
static inline KK_UNUSED int64_t kk_floordiv_i64(int64_t a, int64_t b)
{
    const int64_t q = kk_divide_i64(a, b);
    return b != 0 && b != -1 && a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static inline KK_UNUSED int64_t kk_mod_i64(int64_t a, int64_t b)
{
    if (b == 0 || b == -1)
        return 0;
    const int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static inline KK_UNUSED int64_t kk_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline KK_UNUSED int64_t kk_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline KK_UNUSED int64_t kk_abs_i64(int64_t a) { return a < 0 ? (int64_t)(0 - (uint64_t)a) : a; }
static inline KK_UNUSED int64_t kk_sign_i64(int64_t a) { return (a > 0) - (a < 0); }

/* NaN when either operand is. */
static inline KK_UNUSED float kk_max_f32(float a, float b) { return a != a || a > b ? a : b; }
static inline KK_UNUSED float kk_min_f32(float a, float b) { return a != a || a < b ? a : b; }
static inline KK_UNUSED double kk_max_f64(double a, double b) { return a != a || a > b ? a : b; }
static inline KK_UNUSED double kk_min_f64(double a, double b) { return a != a || a < b ? a : b; }
static inline KK_UNUSED float kk_sign_f32(float a) { return a != a ? a : (float)((a > 0) - (a < 0)); }
static inline KK_UNUSED double kk_sign_f64(double a) { return a != a ? a : (double)((a > 0) - (a < 0)); }
static inline KK_UNUSED double kk_abs_f64(double a) { return a < 0 ? -a : a; }
static inline KK_UNUSED float kk_fmod_f32(float a, float b) { return (float)fmod((double)a, (double)b); }

/* An index that comes from data, kept inside 0..extent-1 so that no read leaves the tensor. */
static inline KK_UNUSED int64_t kk_clamp_index(int64_t index, int64_t extent)
{
    return index < 0 ? 0 : index >= extent ? extent - 1 : index;
}

#endif
