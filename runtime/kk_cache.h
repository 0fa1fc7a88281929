/* A layer's keys and values, as linear kernels write them and attention reads them. */
#ifndef KK_CACHE_H
#define KK_CACHE_H

#include "kk_layout.h"
#include "kk_prefix.h"
#include "kk_threads.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* keys    [rows][kv_heads][capacity / 16][head_dim][16]: 16 successive positions are the lanes of a vector
   values  [rows][kv_heads][capacity][value_dim]
   Positions that were not written yet hold anything, NaN included; kernels never let them reach a result. */
typedef struct kk_cache {
    float *keys, *values;
    int64_t capacity;    /* positions a row has room for; a multiple of 16 */
    const int64_t *past; /* [batch]: positions that a row of the call held before it; NULL: none */
    const int64_t *row;  /* [batch]: which row of keys and values a row of the call uses; NULL: row b the b-th. Rows that are
                            only read may be used by several: beams of one input share what the encoder made of it */
} kk_cache;

/* What a cache holds of each position. */
typedef struct kk_cache_shape {
    int64_t heads, key_dim, value_dim;
} kk_cache_shape;

/* Floats that the keys, or the values, of `rows` rows of `capacity` positions take. */
int64_t kk_cache_floats(int64_t rows, int64_t heads, int64_t capacity, int64_t dim);

/* Gives `count` caches their memory: room for `positions` in each of `rows` rows. past, row: what they have of every call. */
void kk_cache_place(kk_cache *caches, const kk_cache_shape *shapes, int count, int64_t rows, int64_t positions, const int64_t *past,
                    const int64_t *row, kk_layout *layout);

/* Stores positions 0..count-1 of each row from row-major tensors [batch][heads][count][dim]; cache->row is not looked at.
   Every thread of a run calls it. */
void kk_cache_import(const kk_thread *t, const kk_cache *cache, kk_cache_shape shape, int64_t batch, int64_t count, const float *keys,
                     const float *values);

/* Gives positions 0..count-1 of each row as row-major tensors [batch][heads][count][dim]; a null tensor is not wanted. */
void kk_cache_export(const kk_thread *t, const kk_cache *cache, kk_cache_shape shape, int64_t batch, int64_t count, float *keys,
                     float *values);

/* Copies positions first..end-1 of one row to another row, which must hold the same positions before `first`. */
void kk_cache_copy(const kk_cache *cache, kk_cache_shape shape, int64_t from, int64_t to, int64_t first, int64_t end);

#ifdef __cplusplus
}
#endif

#endif
