/* Measures kk_math.h and kk_activation.h against float64 over a sample of all 2^32 float32 arguments.

   math_errors STEP [NAME]: every STEP-th argument (1: all of them), for every function or one. A line a function:
     name  ULP  ULP for x >= bound  greatest |error| / max(1, |result|)  wrong special values  worst argument
   math_errors pow COUNT: random pairs and all pairs of special values, one line alike.
   An infinity instead of a finite value, or the reverse, is measured against 2^128. The float64 references come from libm, whose error is
   below 1e-8 of a float32 ULP. */
#include "kk_math.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double silu(double x) { return x / (1 + exp(-x)); }
static double quick_gelu(double x) { return x / (1 + exp(-1.702 * x)); }
static double gelu_tanh(double x) { return x / (1 + exp(-2 * sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x))); }
static double gelu(double x) { return 0.5 * x * erfc(-x / sqrt(2.0)); }
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double mish(double x) { return x * tanh(softplus(x)); }
static double softsign(double x) { return x / (1 + fabs(x)); }
static double exp_nonpositive(double x) { return exp(x); }

/* name, greatest argument, smallest argument of the third column */
#define FUNCTIONS(X) \
    X(exp, INFINITY, -INFINITY) X(exp_nonpositive, 0, -INFINITY) X(expm1, INFINITY, -INFINITY) X(tanh, INFINITY, -INFINITY) \
    X(erf, INFINITY, -INFINITY) X(log, INFINITY, -INFINITY) X(log1p, INFINITY, -INFINITY) X(atan, INFINITY, -INFINITY) X(sin, INFINITY, -INFINITY) \
    X(cos, INFINITY, -INFINITY) X(sigmoid, INFINITY, -INFINITY) X(silu, INFINITY, -87) X(quick_gelu, INFINITY, -1) \
    X(gelu_tanh, INFINITY, -1) X(gelu, INFINITY, -1) X(softplus, INFINITY, -INFINITY) X(mish, INFINITY, -87) X(softsign, INFINITY, -INFINITY)

#define VECTOR(name, last, from) \
    KK_NOINLINE void vector_##name(float *y, const float *x) { kk_store(y, kk_##name(kk_load(x))); }
FUNCTIONS(VECTOR)

typedef struct function {
    const char *name;
    void (*vector)(float *y, const float *x);
    double (*reference)(double x);
    double last, from;
} function;

#define ROW(name, last, from) {#name, vector_##name, name, last, from},
static const function functions[] = {FUNCTIONS(ROW)};

typedef struct errors {
    double ulp, bounded, absolute;
    long special;
    float worst;
} errors;

static void compare(errors *e, float argument, int bounded, float got, long double exact)
{
    float rounded = (float)exact;
    long double value = got, error, unit, size = fabsl(exact) > 1 ? fabsl(exact) : 1;
    int exponent;
    if (isnan(rounded) || isnan(got)) {
        e->special += isnan(rounded) != isnan(got);
        return;
    }
    /* The sign of a zero counts where the argument is one; elsewhere a value may round to 0 from its own side only. */
    if (!signbit(rounded) != !signbit(got))
        e->special++;
    if (isinf(exact) || (isinf(rounded) && isinf(got))) {
        e->special += rounded != got;
        return;
    }
    if (isinf(got))
        value = got > 0 ? 0x1p128L : -0x1p128L;
    frexp(isinf(rounded) ? 0x1p127 : rounded, &exponent);
    unit = ldexpl(1, (exponent < -125 ? -125 : exponent) - 24);
    error = fabsl(value - exact);
    if (error / unit > e->ulp) {
        e->ulp = (double)(error / unit);
        e->worst = argument;
    }
    if (bounded && error / unit > e->bounded)
        e->bounded = (double)(error / unit);
    if (!isinf(got) && error / size > e->absolute)
        e->absolute = (double)(error / size);
}

static void print(const char *name, const errors *e)
{
    printf("%s %.4f %.4f %.4g %ld %a\n", name, e->ulp, e->bounded, e->absolute, e->special, e->worst);
    fflush(stdout);
}

static void measure(const function *f, uint64_t step)
{
    errors e = {0};
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32;) {
        float x[16], y[16];
        for (int i = 0; i < 16; i++, bits += step) {
            uint32_t low = (uint32_t)bits;
            memcpy(&x[i], &low, sizeof low);
            if (x[i] > f->last)
                x[i] = -x[i];
        }
        f->vector(y, x);
        for (int i = 0; i < 16; i++)
            compare(&e, x[i], x[i] >= f->from, y[i], f->reference(x[i]));
    }
    print(f->name, &e);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double uniform(double low, double high) { return low + (high - low) * (double)(random_bits() >> 11) * 0x1p-53; }

static float any_float(void)
{
    uint32_t bits = (uint32_t)(random_bits() >> 16);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

KK_NOINLINE void vector_pow(float *z, const float *x, const float *y) { kk_store(z, kk_pow(kk_load(x), kk_load(y))); }

/* All pairs of special values, then: any two floats; any base with an exponent chosen so that the power is in range; a base near 1 likewise. */
static void measure_pow(long count)
{
    static const float special[] = {0.0f, -0.0f, 1, -1, 2, -2, 3, -3, 0.5f, -0.5f, 1.5f, INFINITY, -INFINITY, NAN, 1e-40f, -1e-40f,
                                    3e38f, -3e38f, 16777216, 8388609, -8388609, 4294967296.0f, -4294967296.0f, 0.99999994f, 1.0000001f,
                                    1e-45f, -1e-45f, 127, 128, -149, -150, -151};
    const long kinds = (long)(sizeof special / sizeof *special);
    errors e = {0};
    for (long first = 0; first < count; first += 16) {
        float x[16], y[16], z[16];
        for (long i = 0, k = first; i < 16; i++, k++) {
            if (k < kinds * kinds) {
                x[i] = special[k / kinds];
                y[i] = special[k % kinds];
            } else {
                x[i] = k % 3 < 2 ? any_float() : (float)exp(uniform(-2, 2));
                y[i] = k % 3 < 1 ? any_float() : (float)(uniform(-104, 104) / log(fabs((double)x[i])));
            }
        }
        vector_pow(z, x, y);
        for (int i = 0; i < 16; i++)
            compare(&e, x[i], 1, z[i], powl(x[i], y[i]));
    }
    print("pow", &e);
}

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "pow") == 0) {
        measure_pow(atol(arguments[2]));
        return 0;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (count < 3 || strcmp(arguments[2], functions[i].name) == 0)
            measure(&functions[i], count < 2 ? 1009 : strtoull(arguments[1], NULL, 10));
    return 0;
}

#include "kk_simd_end.h"
