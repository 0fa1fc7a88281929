/* Sorting float32: an element's key and its index are one integer, so that one comparison orders both. */
#include "kk_prefix.h"

#include "kk_sort_floats.h"

#include "kk_simd.h"

#define KK_RUN 16 /* so many elements are sorted by insertion */
#define KK_INDICES ((int64_t)1 << 32)

/* What is smaller comes before: the key above, the index below. `flip` is -1 for the largest first. */
static int64_t kk_pair(float x, int64_t index, int32_t flip)
{
    int32_t bits;
    x += 0.0f; /* no negative zero */
    memcpy(&bits, &x, sizeof bits);
    bits = x != x ? INT32_MAX : bits < 0 ? bits ^ INT32_MAX : bits;
    return (bits ^ flip) * KK_INDICES + index;
}

static int64_t kk_index_of(int64_t pair) { return (int64_t)((uint64_t)pair % KK_INDICES); }

/* Pairs in `order` sorted; `room` as large. */
static void kk_sort_pairs(int64_t *order, int64_t *room, int64_t count)
{
    int64_t *from = order, *to = room;
    for (int64_t i = 1; i < count; i++) {
        const int64_t pair = order[i];
        int64_t place = i;
        for (; place % KK_RUN != 0 && order[place - 1] > pair; place--)
            order[place] = order[place - 1];
        order[place] = pair;
    }
    for (int64_t run = KK_RUN; run < count; run *= 2) {
        int64_t *const swapped = from;
        for (int64_t begin = 0; begin < count; begin += 2 * run) {
            const int64_t middle = begin + run < count ? begin + run : count;
            const int64_t end = begin + 2 * run < count ? begin + 2 * run : count;
            int64_t left = begin, right = middle;
            for (int64_t i = begin; i < end; i++)
                to[i] = left == middle || (right < end && from[right] < from[left]) ? from[right++] : from[left++];
        }
        from = to;
        to = swapped;
    }
    if (from != order)
        memcpy(order, from, (size_t)count * sizeof *order);
}

/* A pair goes where one at `place` of a heap was, whose root is the last of all, and sinks to where it belongs. */
static void kk_sink_pair(int64_t *heap, int64_t size, int64_t place, int64_t pair)
{
    for (int64_t child; (child = 2 * place + 1) < size; place = child) {
        if (child + 1 < size && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= pair)
            break;
        heap[place] = heap[child];
    }
    heap[place] = pair;
}

#define KK_AT_ONCE 64

/* Whether none of so many elements comes before `limit`, or equals it, or is no number. */
static int kk_all_behind(const float *x, float limit, int32_t flip)
{
    const kk_f32 b = kk_set1(limit);
    kk_mask behind = kk_mask_first(16);
    for (int i = 0; i < KK_AT_ONCE; i += 16) {
        const kk_f32 a = kk_load(x + i);
        behind = kk_mask_and(behind, flip ? kk_lt(a, b) : kk_gt(a, b));
    }
    return kk_mask_all(behind);
}

/* The first pairs only: a heap of those that are first so far, in which most elements, many at once, have no place. */
static void kk_select_pairs(const float *x, int64_t *heap, int64_t count, int64_t first, int32_t flip)
{
    for (int64_t i = 0; i < first; i++)
        heap[i] = kk_pair(x[i], i, flip);
    for (int64_t i = first / 2; i-- > 0;)
        kk_sink_pair(heap, first, i, heap[i]);
    for (int64_t i = first; i < count;) {
        if (i + KK_AT_ONCE <= count && kk_all_behind(x + i, x[kk_index_of(heap[0])], flip)) {
            i += KK_AT_ONCE;
            continue;
        }
        for (const int64_t end = i + KK_AT_ONCE < count ? i + KK_AT_ONCE : count; i < end; i++) {
            const int64_t pair = kk_pair(x[i], i, flip);
            if (pair < heap[0])
                kk_sink_pair(heap, first, 0, pair);
        }
    }
    for (int64_t size = first; size-- > 1;) {
        const int64_t last = heap[size];
        heap[size] = heap[0];
        kk_sink_pair(heap, size, 0, last);
    }
}

void kk_argsort_f32(const kk_thread *t, const float *x, int64_t *order, int64_t *room, int64_t rows, int64_t count, int64_t descending, int64_t first)
{
    const int32_t flip = descending ? -1 : 0;
    for (int64_t row = rows * t->index / t->count; row < rows * (t->index + 1) / t->count; row++) {
        const float *const own = x + row * count;
        int64_t *const found = order + row * first;
        if (first == count) {
            for (int64_t i = 0; i < count; i++)
                found[i] = kk_pair(own[i], i, flip);
            kk_sort_pairs(found, room + row * first, count);
        } else if (first > 0)
            kk_select_pairs(own, found, count, first, flip);
        for (int64_t i = 0; i < first; i++)
            found[i] = kk_index_of(found[i]);
    }
}

#include "kk_simd_end.h"
