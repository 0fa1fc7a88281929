/* A layer's keys and values, as linear kernels write them and attention reads them. */
#ifndef KK_CACHE_H
#define KK_CACHE_H

#include <stdint.h>

/* keys    [batch][kv_heads][capacity / 16][head_dim][16]: 16 successive positions are the lanes of a vector
   values  [batch][kv_heads][capacity][value_dim]
   Positions that were not written yet hold anything, NaN included; kernels never let them reach a result. */
typedef struct kk_cache {
    float *keys, *values;
    int64_t capacity;    /* positions a batch row has room for; a multiple of 16 */
    const int64_t *past; /* [batch]: positions that a row held before this call; NULL: none */
} kk_cache;

#endif
