/* Runs every function of the vector vocabulary and of the vector math on the same pseudo-random and special inputs.

   simd_bits: a line "name hash" a function, the hash over all results (any NaN counted as one value): equal lines mean equal bits.
   simd_bits check: compares the vocabulary lane by lane with scalar C and prints "name mismatches". */
#define _GNU_SOURCE
#include "kk_math.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LANES = 16, SPECIALS = 40 };

typedef union lanes {
    float f[LANES];
    int32_t i[LANES];
    uint32_t u[LANES];
} lanes;

static const uint32_t specials[SPECIALS] = {
    0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, /* zeros, ones, infinities, NaNs */
    0x00000001, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, /* subnormal and extreme */
    0x3f000000, 0xbf000000, 0x3fc00000, 0xbfc00000, 0x40200000, 0xc0200000, 0x3effffff, 0xbeffffff, /* ties of rounding */
    0x4b000000, 0xcb000000, 0x4affffff, 0xcaffffff, 0x4b7fffff, 0x4b800000, 0x4f000000, 0xcf000000, /* 2^23, 2^24, 2^31 */
    0x4effffff, 0xceffffff, 0x42b17218, 0xc2cff1b5, 0x40c90fdb, 0x48000000, 0x7effffff, 0x33800000,
};

static uint64_t state;

static uint32_t next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

/* Any bits, moderate values, or special ones, in equal shares. */
static lanes draw(void)
{
    lanes x;
    for (int i = 0; i < LANES; i++) {
        uint32_t bits = next(), kind = next() >> 16;
        if (kind % 3 == 0)
            x.u[i] = bits;
        else if (kind % 3 == 1)
            x.f[i] = (float)((int32_t)bits >> 8) * 0x1p-19f;
        else
            x.u[i] = specials[bits % SPECIALS];
    }
    return x;
}

static kk_f32 load(const lanes *x) { return kk_load(x->f); }
static kk_i32 load_integers(const lanes *x) { return kk_i32_load(x->i); }

static lanes from_floats(kk_f32 a)
{
    lanes y;
    kk_store(y.f, a);
    for (int i = 0; i < LANES; i++)
        if (y.f[i] != y.f[i])
            y.u[i] = 0x7fc00000;
    return y;
}

static lanes from_integers(kk_i32 a)
{
    lanes y;
    kk_i32_store(y.i, a);
    return y;
}

static lanes from_mask(kk_mask m)
{
    lanes y = from_integers(kk_i32_select(m, kk_i32_set1(1), kk_i32_set1(0)));
    y.i[0] += 2 * kk_mask_any(m) + 4 * kk_mask_all(m);
    return y;
}

static lanes from_scalar(float x) { return from_floats(kk_set1(x)); }

static lanes store_part(kk_f32 a, int n)
{
    lanes y;
    for (int i = 0; i < LANES; i++)
        y.f[i] = (float)i;
    kk_store_part(y.f, a, n);
    return from_floats(load(&y));
}

static int32_t to_integer(float x) { return fabsf(x) < 0x1p31f ? (int32_t)rintf(x) : INT32_MIN; }
static float larger(float a, float b) { return a > b ? a : b; }
static float smaller(float a, float b) { return a < b ? a : b; }
static float larger_nan(float a, float b) { return isnan(a) || isnan(b) ? NAN : larger(a, b); }
static float smaller_nan(float a, float b) { return isnan(a) || isnan(b) ? NAN : smaller(a, b); }

static float tree(const float *x, int maximum)
{
    float v[LANES];
    memcpy(v, x, sizeof v);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            v[i] = maximum ? larger(v[i], v[i + half]) : v[i] + v[i + half];
    return v[0];
}

/* name, result as lanes, the same for lane i in scalar C (f: floats, i: integers). a, b, c are vectors, x, y, z their lanes, n a count. */
#define VOCABULARY(X) \
    X(set1, from_floats(kk_set1(x.f[3])), f, x.f[3]) \
    X(zero, from_floats(kk_zero()), f, 0.0f) \
    X(load_part, from_floats(kk_load_part(x.f, n)), f, i < n ? x.f[i] : 0.0f) \
    X(store_part, store_part(a, n), f, i < n ? x.f[i] : (float)i) \
    X(add, from_floats(kk_add(a, b)), f, x.f[i] + y.f[i]) \
    X(sub, from_floats(kk_sub(a, b)), f, x.f[i] - y.f[i]) \
    X(mul, from_floats(kk_mul(a, b)), f, x.f[i] * y.f[i]) \
    X(div, from_floats(kk_div(a, b)), f, x.f[i] / y.f[i]) \
    X(sqrt, from_floats(kk_sqrt(a)), f, sqrtf(x.f[i])) \
    X(neg, from_floats(kk_neg(a)), f, -x.f[i]) \
    X(abs, from_floats(kk_abs(a)), f, fabsf(x.f[i])) \
    X(copysign, from_floats(kk_copysign(a, b)), f, copysignf(x.f[i], y.f[i])) \
    X(mul_then_add, from_floats(kk_add(kk_mul(a, b), c)), f, product(x.f[i], y.f[i]) + z.f[i]) \
    X(max, from_floats(kk_max(a, b)), f, larger(x.f[i], y.f[i])) \
    X(min, from_floats(kk_min(a, b)), f, smaller(x.f[i], y.f[i])) \
    X(max_nan, from_floats(kk_max_nan(a, b)), f, larger_nan(x.f[i], y.f[i])) \
    X(min_nan, from_floats(kk_min_nan(a, b)), f, smaller_nan(x.f[i], y.f[i])) \
    X(round, from_floats(kk_round(a)), f, rintf(x.f[i])) \
    X(floor, from_floats(kk_floor(a)), f, floorf(x.f[i])) \
    X(ceil, from_floats(kk_ceil(a)), f, ceilf(x.f[i])) \
    X(trunc, from_floats(kk_trunc(a)), f, truncf(x.f[i])) \
    X(select, from_floats(kk_select(kk_lt(a, b), b, c)), f, x.f[i] < y.f[i] ? y.f[i] : z.f[i]) \
    X(first, from_floats(kk_select(kk_mask_first(n), a, b)), f, i < n ? x.f[i] : y.f[i]) \
    X(lt, from_floats(kk_select(kk_lt(a, b), a, c)), f, x.f[i] < y.f[i] ? x.f[i] : z.f[i]) \
    X(le, from_floats(kk_select(kk_le(a, b), a, c)), f, x.f[i] <= y.f[i] ? x.f[i] : z.f[i]) \
    X(gt, from_floats(kk_select(kk_gt(a, b), a, c)), f, x.f[i] > y.f[i] ? x.f[i] : z.f[i]) \
    X(ge, from_floats(kk_select(kk_ge(a, b), a, c)), f, x.f[i] >= y.f[i] ? x.f[i] : z.f[i]) \
    X(eq, from_floats(kk_select(kk_eq(a, b), a, c)), f, x.f[i] == y.f[i] ? x.f[i] : z.f[i]) \
    X(ne, from_floats(kk_select(kk_ne(a, b), a, c)), f, x.f[i] != y.f[i] ? x.f[i] : z.f[i]) \
    X(and_or_not, from_mask(kk_mask_or(kk_mask_and(kk_lt(a, b), kk_gt(b, c)), kk_mask_not(kk_ge(a, c)))), i, \
      masked(&x, &y, &z, i)) \
    X(to_i32, from_integers(kk_to_i32(a)), i, to_integer(x.f[i])) \
    X(from_i32, from_floats(kk_from_i32(p)), f, (float)x.i[i]) \
    X(bits, from_integers(kk_bits(kk_from_bits(p))), i, x.i[i]) \
    X(i32_add, from_integers(kk_i32_add(p, q)), i, (int32_t)(x.u[i] + y.u[i])) \
    X(i32_sub, from_integers(kk_i32_sub(p, q)), i, (int32_t)(x.u[i] - y.u[i])) \
    X(i32_mul, from_integers(kk_i32_mul(p, q)), i, (int32_t)(x.u[i] * y.u[i])) \
    X(i32_and, from_integers(kk_i32_and(p, q)), i, x.i[i] & y.i[i]) \
    X(i32_or, from_integers(kk_i32_or(p, q)), i, x.i[i] | y.i[i]) \
    X(i32_xor, from_integers(kk_i32_xor(p, q)), i, x.i[i] ^ y.i[i]) \
    X(i32_shl, from_integers(kk_i32_shl(p, 7)), i, (int32_t)(x.u[i] << 7)) \
    X(i32_shr, from_integers(kk_i32_shr(p, 9)), i, (int32_t)(x.u[i] >> 9)) \
    X(i32_sar, from_integers(kk_i32_sar(p, 9)), i, x.i[i] >> 9) \
    X(i32_eq, from_integers(kk_i32_select(kk_i32_eq(p, q), p, q)), i, y.i[i]) \
    X(i32_gt, from_integers(kk_i32_select(kk_i32_gt(p, q), p, q)), i, x.i[i] > y.i[i] ? x.i[i] : y.i[i]) \
    X(lane0, from_scalar(kk_lane0(a)), f, x.f[0]) \
    X(sum, from_scalar(kk_sum(a)), f, tree(x.f, 0)) \
    X(hmax, from_scalar(kk_hmax(a)), f, tree(x.f, 1))

/* Fused: the scalar reference is libm's fmaf, which is exact on every target. */
#define FUSED(X) \
    X(fma, from_floats(kk_fma(a, b, c)), f, fmaf(x.f[i], y.f[i], z.f[i])) \
    X(fnma, from_floats(kk_fnma(a, b, c)), f, fmaf(-x.f[i], y.f[i], z.f[i]))

#define MATH(X) \
    X(exp, kk_exp(a)) X(exp_nonpositive, kk_exp_nonpositive(kk_neg(kk_abs(a)))) X(expm1, kk_expm1(a)) X(tanh, kk_tanh(a)) \
    X(erf, kk_erf(a)) X(log, kk_log(a)) X(log1p, kk_log1p(a)) X(atan, kk_atan(a)) X(pow, kk_pow(a, b)) X(sin, kk_sin(a)) X(cos, kk_cos(a)) \
    X(relu, kk_relu(a)) X(relu_squared, kk_relu_squared(a)) X(leaky_relu, kk_leaky_relu(a, b)) \
    X(thresholded_relu, kk_thresholded_relu(a, b)) X(sigmoid, kk_sigmoid(a)) X(silu, kk_silu(a)) X(quick_gelu, kk_quick_gelu(a)) \
    X(gelu_tanh, kk_gelu_tanh(a)) X(gelu, kk_gelu(a)) X(softplus, kk_softplus(a)) X(softsign, kk_softsign(a)) X(mish, kk_mish(a)) \
    X(elu, kk_elu(a, b)) X(celu, kk_celu(a, b)) X(selu, kk_selu(a, b, c)) X(hard_sigmoid, kk_hard_sigmoid(a, b, c)) \
    X(hard_swish, kk_hard_swish(a))

/* Kept out of line and volatile, so that no compiler contracts the reference itself. */
static float product(float a, float b)
{
    volatile float rounded = a * b;
    return rounded;
}

static int masked_one(const lanes *x, const lanes *y, const lanes *z, int i)
{
    return (x->f[i] < y->f[i] && y->f[i] > z->f[i]) || !(x->f[i] >= z->f[i]);
}

static int32_t masked(const lanes *x, const lanes *y, const lanes *z, int i)
{
    int any = 0, all = 1;
    for (int k = 0; k < LANES; k++) {
        any |= masked_one(x, y, z, k);
        all &= masked_one(x, y, z, k);
    }
    return masked_one(x, y, z, i) + (i == 0 ? 2 * any + 4 * all : 0);
}

#define INPUTS \
    const lanes x = *px, y = *py, z = *pz; \
    const kk_f32 a = load(&x), b = load(&y), c = load(&z); \
    const kk_i32 p = load_integers(&x), q = load_integers(&y); \
    (void)a, (void)b, (void)c, (void)p, (void)q, (void)x, (void)y, (void)z, (void)n;
#define EVALUATE(name, result, kind, scalar) \
    KK_NOINLINE lanes run_##name(const lanes *px, const lanes *py, const lanes *pz, int n) \
    { \
        INPUTS \
        return result; \
    } \
    static int wrong_##name(const lanes *px, const lanes *py, const lanes *pz, int n) \
    { \
        const lanes got = run_##name(px, py, pz, n); \
        INPUTS \
        for (int i = 0; i < LANES; i++) { \
            lanes want; \
            want.kind[i] = (scalar); \
            if (got.u[i] != want.u[i] && !(want.f[i] != want.f[i] && got.f[i] != got.f[i])) \
                return 1; \
        } \
        return 0; \
    }
#define EVALUATE_MATH(name, result) \
    KK_NOINLINE lanes run_##name(const lanes *px, const lanes *py, const lanes *pz, int n) \
    { \
        INPUTS \
        return from_floats(result); \
    }
VOCABULARY(EVALUATE)
FUSED(EVALUATE)
MATH(EVALUATE_MATH)

typedef struct function {
    const char *name;
    lanes (*run)(const lanes *x, const lanes *y, const lanes *z, int n);
    int (*wrong)(const lanes *x, const lanes *y, const lanes *z, int n);
} function;

#define ROW(name, result, kind, scalar) {#name, run_##name, wrong_##name},
#define ROW_MATH(name, result) {#name, run_##name, NULL},
static const function functions[] = {VOCABULARY(ROW) FUSED(ROW) MATH(ROW_MATH)};

int main(int count, char **arguments)
{
    int check = count > 1 && strcmp(arguments[1], "check") == 0;
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++) {
        const function *f = &functions[k];
        uint64_t hash = 14695981039346656037u;
        long wrong = 0;
        if (check && f->wrong == NULL)
            continue;
        state = 1;
        for (int trial = 0; trial < 3000; trial++) {
            lanes x = draw(), y = draw(), z = draw();
            int n = (int)(next() % 17);
            if (check) {
                wrong += f->wrong(&x, &y, &z, n);
            } else {
                lanes result = f->run(&x, &y, &z, n);
                for (int i = 0; i < LANES; i++)
                    hash = (hash ^ result.u[i]) * 1099511628211u;
            }
        }
        if (check)
            printf("%s %ld\n", f->name, wrong);
        else
            printf("%s %016llx\n", f->name, (unsigned long long)hash);
    }
    printf("fused %d\n", KK_FUSED);
    return 0;
}

#include "kk_simd_end.h"
