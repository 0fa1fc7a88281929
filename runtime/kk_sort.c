/* Sorting: merge sort from below, over runs that insertion made; heaps where the first few are wanted. */
#include "kk_prefix.h"

#include "kk_sort.h"

#include <string.h>

#define KK_RUN 16 /* so many elements are sorted by insertion */

/* Whether element b comes before element a, which stands before it. */
static int kk_precedes(const int64_t *keys, int64_t width, int64_t b, int64_t a)
{
    for (int64_t n = 0; n < width; n++)
        if (keys[b * width + n] != keys[a * width + n])
            return keys[b * width + n] < keys[a * width + n];
    return 0;
}

static void kk_sort_row(const int64_t *keys, int64_t *order, int64_t *room, int64_t count, int64_t width)
{
    int64_t *from = order, *to = room;
    for (int64_t i = 0; i < count; i++) {
        int64_t place = i;
        for (; place > i / KK_RUN * KK_RUN && kk_precedes(keys, width, i, order[place - 1]); place--)
            order[place] = order[place - 1];
        order[place] = i;
    }
    for (int64_t run = KK_RUN; run < count; run *= 2) {
        int64_t *const swapped = from;
        for (int64_t begin = 0; begin < count; begin += 2 * run) {
            const int64_t middle = begin + run < count ? begin + run : count;
            const int64_t end = begin + 2 * run < count ? begin + 2 * run : count;
            int64_t left = begin, right = middle;
            for (int64_t i = begin; i < end; i++) {
                const int second = left == middle || (right < end && kk_precedes(keys, width, from[right], from[left]));
                to[i] = second ? from[right++] : from[left++];
            }
        }
        from = to;
        to = swapped;
    }
    if (from != order)
        memcpy(order, from, (size_t)count * sizeof *order);
}

/* Whether element a stands behind element b in the sorted order. */
static int kk_behind(const int64_t *keys, int64_t width, int64_t a, int64_t b)
{
    return kk_precedes(keys, width, b, a) || (a > b && !kk_precedes(keys, width, a, b));
}

/* Lets the element at `place` of a heap, whose root stands behind all others, sink to where it belongs. */
static void kk_sink(const int64_t *keys, int64_t width, int64_t *heap, int64_t size, int64_t place)
{
    const int64_t element = heap[place];
    for (int64_t child; (child = 2 * place + 1) < size; place = child) {
        if (child + 1 < size && kk_behind(keys, width, heap[child + 1], heap[child]))
            child++;
        if (!kk_behind(keys, width, heap[child], element))
            break;
        heap[place] = heap[child];
    }
    heap[place] = element;
}

/* The first elements only: a heap of those that are first so far, taken apart from its end. */
static void kk_select_row(const int64_t *keys, int64_t *heap, int64_t count, int64_t width, int64_t first)
{
    for (int64_t i = 0; i < first; i++)
        heap[i] = i;
    for (int64_t i = first / 2; i-- > 0;)
        kk_sink(keys, width, heap, first, i);
    int64_t limit = first > 0 ? keys[heap[0] * width] : 0;
    for (int64_t i = first; i < count && first > 0; i++)
        if (keys[i * width] <= limit && kk_precedes(keys, width, i, heap[0])) { /* most stop at the first comparison */
            heap[0] = i;
            kk_sink(keys, width, heap, first, 0);
            limit = keys[heap[0] * width];
        }
    for (int64_t size = first; size-- > 1;) {
        const int64_t last = heap[size];
        heap[size] = heap[0];
        heap[0] = last;
        kk_sink(keys, width, heap, size, 0);
    }
}

void kk_argsort(const kk_thread *t, const int64_t *keys, int64_t *order, int64_t *room, int64_t rows, int64_t count, int64_t width, int64_t first)
{
    for (int64_t row = rows * t->index / t->count; row < rows * (t->index + 1) / t->count; row++) {
        if (first == count)
            kk_sort_row(keys + row * count * width, order + row * first, room + row * first, count, width);
        else
            kk_select_row(keys + row * count * width, order + row * first, count, width, first);
    }
}
