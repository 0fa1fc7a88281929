/* Random keys, many of them equal and some extreme, sorted by kk_argsort and by qsort: prints how many places differ. */
#include "kk_sort.h"

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
    printf("%ld\n", wrong);
    return 0;
}
