/* Classes of code points, as runs: the first 128 entries of a table are ASCII's, if it has as many. */
#ifndef KK_CODE_POINTS_H
#define KK_CODE_POINTS_H

#include "kk_prefix.h"

#include <stdint.h>

/* The last of `count` ascending entries that is not above a code point, of which the first is 0. */
static inline int64_t kk_run_of(const int32_t *runs, int64_t count, uint32_t code_point)
{
    int64_t low = 0, high = count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if ((uint32_t)runs[middle] <= code_point)
            low = middle;
        else
            high = middle;
    }
    return low;
}

#endif
