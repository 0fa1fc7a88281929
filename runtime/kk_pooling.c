/* Pooling of token vectors into text vectors. */
#include "kk_prefix.h"

/* A fused multiply-add here and two roundings there would give other bits. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#include "kk_pooling.h"

#include <math.h>

enum { KK_POOLING_COLUMNS = 16 }; /* of a row, summed together */

/* The mean of columns [first, first + columns) over the tokens of a row. */
static void kk_pooling_mean(int64_t length, int64_t width, const float *hidden, const int64_t *mask, int64_t first,
                            int64_t columns, float *y)
{
    double sum[KK_POOLING_COLUMNS] = {0};
    int64_t tokens = 0;
    for (int64_t s = 0; s < length; s++) {
        const float *x = hidden + s * width + first;
        if (mask[s] == 0)
            continue;
        tokens++;
        for (int64_t d = 0; d < columns; d++)
            sum[d] += x[d];
    }
    for (int64_t d = 0; d < columns; d++)
        y[first + d] = tokens ? (float)(sum[d] / (double)tokens) : 0.0f;
}

/* The position of a row's first or last token, -1 where it has none. */
static int64_t kk_pooling_token(kk_pooling how, int64_t length, const int64_t *mask)
{
    int64_t found = -1;
    for (int64_t s = 0; s < length; s++)
        if (mask[s] != 0 && (found < 0 || how == KK_POOLING_LAST))
            found = s;
    return found;
}

void kk_pooling_rows(kk_thread *t, kk_pooling how, int64_t batch, int64_t length, int64_t width, const float *hidden,
                     const int64_t *mask, float *y)
{
    const int64_t pieces = (width + KK_POOLING_COLUMNS - 1) / KK_POOLING_COLUMNS, all = batch * pieces;
    const int64_t end = all * (t->index + 1) / t->count;
    for (int64_t i = all * t->index / t->count; i < end; i++) {
        const int64_t b = i / pieces, first = i % pieces * KK_POOLING_COLUMNS;
        const int64_t columns = width - first < KK_POOLING_COLUMNS ? width - first : KK_POOLING_COLUMNS;
        const float *row = hidden + b * length * width;
        if (how == KK_POOLING_MEAN) {
            kk_pooling_mean(length, width, row, mask + b * length, first, columns, y + b * width);
        } else {
            const int64_t token = kk_pooling_token(how, length, mask + b * length);
            for (int64_t d = first; d < first + columns; d++)
                y[b * width + d] = token < 0 ? 0.0f : row[token * width + d];
        }
    }
}

void kk_pooling_normalize(kk_thread *t, int64_t batch, int64_t width, float *y)
{
    const int64_t end = batch * (t->index + 1) / t->count;
    for (int64_t b = batch * t->index / t->count; b < end; b++) {
        float *row = y + b * width;
        double square = 0, length;
        for (int64_t d = 0; d < width; d++)
            square += (double)row[d] * row[d];
        length = sqrt(square);
        if (!(length >= 1e-12))
            length = length != length ? length : 1e-12;
        for (int64_t d = 0; d < width; d++)
            row[d] = (float)(row[d] / length);
    }
}
