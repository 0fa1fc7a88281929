/* kk_transpose.h, repetitions too, against one element at a time, for every shape up to 20 x 20 and some larger, dense and with gaps between the rows; prints the
   number of wrong elements by element size, as results that are far and as others. What lies between the rows and behind the last stays as it was. */
#include "kk_simd.h"

#include "kk_transpose.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(bits)                                                                                                      \
    static long check_##bits(int64_t rows, int64_t columns, int64_t x_gap, int64_t y_gap, int far)                       \
    {                                                                                                                    \
        typedef uint##bits##_t element;                                                                                  \
        const int64_t x_stride = columns + x_gap, y_stride = rows + y_gap;                                               \
        const int64_t x_size = (rows - 1) * x_stride + columns, y_size = (columns - 1) * y_stride + rows;                \
        const int64_t behind = far ? KK_LINE / (bits / 8) : 0; /* so that y can begin with a line */                     \
        element *x = malloc((size_t)x_size * sizeof *x), *memory = malloc((size_t)(y_size + 2 * behind) * sizeof *x);    \
        element *y = memory;                                                                                             \
        long wrong = 0;                                                                                                  \
        if (!x || !y)                                                                                                    \
            return 1;                                                                                                    \
        while (far && !kk_begins_line(y))                                                                                \
            y++;                                                                                                         \
        for (int64_t i = 0; i < x_size; i++)                                                                             \
            x[i] = (element)((uint64_t)i * 2654435761u >> 3);                                                            \
        for (int64_t i = 0; i < y_size + behind; i++)                                                                    \
            y[i] = (element)(i ^ 85);                                                                                    \
        kk_transpose_##bits(y, y_stride, x, x_stride, rows, columns, far);                                                   \
        for (int64_t i = 0; i < y_size; i++) {                                                                           \
            const int64_t c = i / y_stride, r = i % y_stride;                                                            \
            wrong += y[i] != (r < rows && c < columns ? x[r * x_stride + c] : (element)(i ^ 85));                                       \
        }                                                                                                                \
        free(x);                                                                                                         \
        free(memory);                                                                                                    \
        return wrong;                                                                                                    \
    }
#define CHECK_REPEAT(bits)                                                                                               \
    static long check_repeat_##bits(int64_t count, int64_t times)                                                        \
    {                                                                                                                    \
        typedef uint##bits##_t element;                                                                                  \
        element *x = malloc((size_t)count * sizeof *x), *y = malloc((size_t)(count * times) * sizeof *y);                \
        long wrong = 0;                                                                                                  \
        if (!x || !y)                                                                                                    \
            return 1;                                                                                                    \
        for (int64_t i = 0; i < count; i++)                                                                              \
            x[i] = (element)((uint64_t)i * 2654435761u >> 3);                                                            \
        kk_repeat_##bits(y, x, count, times);                                                                            \
        for (int64_t i = 0; i < count * times; i++)                                                                      \
            wrong += y[i] != x[i / times];                                                                               \
        free(x);                                                                                                         \
        free(y);                                                                                                         \
        return wrong;                                                                                                    \
    }
CHECK_REPEAT(8)
CHECK_REPEAT(16)
CHECK_REPEAT(32)
CHECK_REPEAT(64)

CHECK(8)
CHECK(16)
CHECK(32)
CHECK(64)

static const int64_t larger[][2] = {{32, 64}, {33, 47}, {100, 3}, {3, 100}, {130, 70}, {16, 257}, {257, 16}, {1, 500}, {500, 1},
                                  {128, 33}, {1024, 70}, {2048, 20}, {4096, 17}};

#define ALL(bits)                                                                                  \
    {                                                                                              \
        long wrong = 0;                                                                            \
        for (int gaps = 0; gaps < 8; gaps++) {                                                     \
            for (int64_t rows = 1; rows <= 20; rows++)                                             \
                for (int64_t columns = 1; columns <= 20; columns++)                                \
                    wrong += check_##bits(rows, columns, gaps & 1 ? 5 : 0, gaps & 2 ? 3 : 0, gaps / 4);      \
            for (size_t n = 0; n < sizeof larger / sizeof *larger; n++)                            \
                wrong += check_##bits(larger[n][0], larger[n][1], gaps & 1 ? 5 : 0, gaps & 2 ? 3 : 0, gaps / 4); \
        }                                                                                          \
        for (int64_t count = 1; count < 70; count++)                                               \
            for (int64_t times = 2; times < 20; times++)                                           \
                wrong += check_repeat_##bits(count, times);                                        \
        printf(#bits " %ld\n", wrong);                                                             \
    }

int main(void)
{
    ALL(8)
    ALL(16)
    ALL(32)
    ALL(64)
    return 0;
}

#include "kk_simd_end.h"
