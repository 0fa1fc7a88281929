/* log(softmax(x)), fast with any compiler: loops over 16 lanes that it can make vectors of. */
#include "kk_prefix.h"

/* A fused multiply-add here and two roundings there would choose different tokens. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("O3", "fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#include "kk_log_softmax.h"

#include <math.h>
#include <string.h>

enum { KK_LANES = 16, KK_BLOCK = 32 };

/* sum += e^(x - shift) in every lane; x - shift <= 0. Below -87 the terms are taken for e^-87, which no sum of at least 1
   can tell from 0. x = n ln 2 + r with |r| <= ln 2 / 2 and a bit; e^r by its Taylor series, whose next term is below
   3e-9, so each term is within 2 ULP. */
static void kk_add_exponentials(const float *x, float shift, float *sum)
{
    float below[KK_LANES]; /* in a loop of its own, or gcc makes a branch of the bound and no vectors */
    for (int i = 0; i < KK_LANES; i++) {
        const float difference = x[i] - shift;
        below[i] = difference > -87.0f ? difference : -87.0f;
    }
    for (int i = 0; i < KK_LANES; i++) {
        const float y = below[i];
        const int32_t n = (int32_t)(y * 1.44269504f - 0.5f);
        const float whole = (float)n;
        /* ln 2 in two parts; the first has few bits, so that its product with n is exact. */
        const float r = (y - whole * 0.693359375f) + whole * 2.12194440e-4f;
        const float series = 1.0f + r * (1.0f + r * (0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040)))))));
        const int32_t bits = (n + 127) << 23;
        float power;
        memcpy(&power, &bits, sizeof power);
        sum[i] += series * power;
    }
}

/* Whether all are numbers below infinity; *greatest receives the greatest. */
static int kk_greatest_of(const float *x, int64_t count, float *greatest)
{
    float top[KK_LANES], all;
    int32_t bad[KK_LANES] = {0}, any = 0;
    int64_t i = 0;
    for (int lane = 0; lane < KK_LANES; lane++)
        top[lane] = -INFINITY;
    for (; i + KK_LANES <= count; i += KK_LANES)
        for (int lane = 0; lane < KK_LANES; lane++) {
            top[lane] = x[i + lane] > top[lane] ? x[i + lane] : top[lane];
            bad[lane] |= !(x[i + lane] < INFINITY);
        }
    for (; i < count; i++) {
        top[0] = x[i] > top[0] ? x[i] : top[0];
        bad[0] |= !(x[i] < INFINITY);
    }
    all = top[0];
    for (int lane = 0; lane < KK_LANES; lane++) {
        all = top[lane] > all ? top[lane] : all;
        any |= bad[lane];
    }
    *greatest = all;
    return !any && all > -INFINITY;
}

kk_status kk_log_softmax(float *logits, int64_t count)
{
    float shift, logarithm;
    double sum = 0.0;
    int64_t i = 0;
    if (!kk_greatest_of(logits, count, &shift))
        return KK_ERROR_NUMBER;
    while (i < count) {
        float lanes[KK_LANES] = {0.0f}, rest[KK_LANES];
        for (int block = 0; block < KK_BLOCK && i + KK_LANES <= count; block++, i += KK_LANES)
            kk_add_exponentials(logits + i, shift, lanes);
        if (i + KK_LANES > count && i < count) {
            for (int lane = 0; lane < KK_LANES; lane++)
                rest[lane] = i + lane < count ? logits[i + lane] : -INFINITY;
            kk_add_exponentials(rest, shift, lanes);
            i = count;
        }
        for (int lane = 0; lane < KK_LANES; lane++)
            sum += lanes[lane];
    }
    logarithm = (float)log(sum);
    for (i = 0; i < count; i++)
        logits[i] = (logits[i] - shift) - logarithm;
    return KK_OK;
}
