/* Non-maximum suppression: every candidate against those kept before it. */
#include "kk_prefix.h"

#include "kk_suppress.h"

static int kk_overlap(const float *a, const float *b, float threshold)
{
    float shared = 1, area_a = 1, area_b = 1, both;
    for (int axis = 0; axis < 2; axis++) {
        const float low = a[axis] > b[axis] ? a[axis] : b[axis], high = a[axis + 2] < b[axis + 2] ? a[axis + 2] : b[axis + 2];
        shared *= high > low ? high - low : 0;
        area_a *= a[axis + 2] - a[axis];
        area_b *= b[axis + 2] - b[axis];
    }
    both = area_a + area_b - shared;
    return both > 0 && shared / both > threshold;
}

void kk_suppress(const kk_thread *t, const float *boxes, const int64_t *order, const uint8_t *candidates, const float *threshold, const int64_t *most,
                 uint8_t *kept, int64_t rows, int64_t classes, int64_t count)
{
    const int64_t tasks = rows * classes;
    for (int64_t task = tasks * t->index / t->count; task < tasks * (t->index + 1) / t->count; task++) {
        const float *const own = boxes + task / classes * count * 4;
        const int64_t first = task * count;
        int64_t chosen = 0;
        for (int64_t i = 0; i < count; i++) {
            const int64_t box = order[first + i];
            int keep = candidates[first + i] && chosen < *most && box >= 0 && box < count;
            for (int64_t j = 0, seen = 0; keep && seen < chosen; j++) {
                if (!kept[first + j])
                    continue;
                seen++;
                keep = !kk_overlap(own + box * 4, own + order[first + j] * 4, *threshold);
            }
            kept[first + i] = (uint8_t)keep;
            chosen += keep;
        }
    }
}
