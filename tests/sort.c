/* Random keys, many of them equal and some extreme, sorted by kk_argsort and by qsort, floats likewise by kk_argsort_f32: prints how many
   places differ. */
#include "kk_sort.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct element {
    int64_t index, width;
    const int64_t *keys;
} element;

static int compare(const void *left, const void *right)
{
    const element *const a = left, *const b = right;
    for (int64_t n = 0; n < a->width; n++)
        if (a->keys[n] != b->keys[n])
            return a->keys[n] < b->keys[n] ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* What orders floats as kk_argsort_f32 does. */
static int64_t rank_of(float x) { return isnan(x) ? 1000 : isinf(x) ? (x > 0 ? 999 : -999) : (int64_t)x; }

static long wrong_floats(void)
{
    static const float special[] = {NAN, -NAN, INFINITY, -INFINITY, -0.0f};
    long wrong = 0;
    for (int run = 0; run < 3000; run++) {
        const int64_t count = 1 + rand() % 900, first = run % 4 == 0 ? count : rand() % (count + 1), descending = run / 4 % 2;
        const int range = run % 3 == 0 ? 3 : 900;
        float *const x = malloc((size_t)count * sizeof *x);
        int64_t *const keys = malloc((size_t)count * sizeof *keys), *const room = malloc((size_t)(first + 1) * sizeof *room);
        int64_t *const order = malloc((size_t)(first + 1) * sizeof *order), *const expected = malloc((size_t)(first + 1) * sizeof *order);
        kk_thread t = {0};
        if (!x || !keys || !room || !order || !expected)
            return 1;
        for (int64_t i = 0; i < count; i++) {
            x[i] = rand() % 20 == 0 ? special[rand() % 5] : (float)(rand() % range - range / 2);
            keys[i] = descending ? -rank_of(x[i]) : rank_of(x[i]);
        }
        t.count = 1;
        kk_argsort_f32(&t, x, order, room, 1, count, descending, first);
        kk_argsort(&t, keys, expected, room, 1, count, 1, first);
        for (int64_t i = 0; i < first; i++)
            wrong += order[i] != expected[i];
        free(x);
        free(keys);
        free(room);
        free(order);
        free(expected);
    }
    return wrong;
}

int main(void)
{
    long wrong = 0;
    srand(3);
    for (int run = 0; run < 3000; run++) {
        const int64_t count = 1 + rand() % 200, width = 1 + rand() % 3, rows = 1 + rand() % 3;
        const int64_t first = run % 4 == 0 ? count : rand() % (count + 1);
        const int range = 1 + rand() % 30;
        int64_t *const keys = malloc((size_t)(rows * count * width) * sizeof *keys);
        int64_t *const order = malloc((size_t)(rows * first + 1) * sizeof *order);
        int64_t *const room = malloc((size_t)(rows * first + 1) * sizeof *room);
        element *const expected = malloc((size_t)count * sizeof *expected);
        kk_thread t = {0};
        if (!keys || !order || !room || !expected)
            return 1;
        for (int64_t i = 0; i < rows * count * width; i++)
            keys[i] = rand() % 9 != 0 ? rand() % range - range / 2 : rand() % 2 ? INT64_MAX : INT64_MIN;
        t.count = 1;
        kk_argsort(&t, keys, order, room, rows, count, width, first);
        for (int64_t row = 0; row < rows; row++) {
            for (int64_t i = 0; i < count; i++) {
                expected[i].index = i;
                expected[i].width = width;
                expected[i].keys = keys + (row * count + i) * width;
            }
            qsort(expected, (size_t)count, sizeof *expected, compare);
            for (int64_t i = 0; i < first; i++)
                wrong += order[row * first + i] != expected[i].index;
        }
        free(keys);
        free(order);
        free(room);
        free(expected);
    }
    wrong += wrong_floats();
    printf("%ld\n", wrong);
    return 0;
}
