#include "kk_prefix.h"

#include "kk_cache.h"

#include <string.h>

int64_t kk_cache_floats(int64_t rows, int64_t heads, int64_t capacity, int64_t dim)
{
    return rows * heads * capacity * dim;
}

void kk_cache_place(kk_cache *caches, const kk_cache_shape *shapes, int count, int64_t rows, int64_t positions, const int64_t *past,
                    const int64_t *row, kk_layout *layout)
{
    const int64_t capacity = (positions + 15) / 16 * 16;
    for (int i = 0; i < count; i++) {
        caches[i].keys = kk_place(layout, 4 * kk_cache_floats(rows, shapes[i].heads, capacity, shapes[i].key_dim));
        caches[i].values = kk_place(layout, 4 * kk_cache_floats(rows, shapes[i].heads, capacity, shapes[i].value_dim));
        caches[i].capacity = capacity;
        caches[i].past = past;
        caches[i].row = row;
    }
}

void kk_cache_import(const kk_thread *t, const kk_cache *cache, kk_cache_shape shape, int64_t batch, int64_t count, const float *keys,
                     const float *values)
{
    const int64_t rows = batch * shape.heads, end = rows * (t->index + 1) / t->count;
    for (int64_t row = rows * t->index / t->count; row < end && count > 0; row++) {
        float *key = cache->keys + row * cache->capacity * shape.key_dim;
        for (int64_t p = 0; p < count; p++)
            for (int64_t d = 0; d < shape.key_dim; d++)
                key[p / 16 * 16 * shape.key_dim + 16 * d + p % 16] = keys[(row * count + p) * shape.key_dim + d];
        memcpy(cache->values + row * cache->capacity * shape.value_dim, values + row * count * shape.value_dim,
               (size_t)(count * shape.value_dim) * sizeof *values);
    }
}

void kk_cache_export(const kk_thread *t, const kk_cache *cache, kk_cache_shape shape, int64_t batch, int64_t count, float *keys,
                     float *values)
{
    const int64_t rows = batch * shape.heads, end = rows * (t->index + 1) / t->count;
    for (int64_t row = rows * t->index / t->count; row < end && count > 0; row++) {
        const float *key = cache->keys + row * cache->capacity * shape.key_dim;
        if (keys)
            for (int64_t p = 0; p < count; p++)
                for (int64_t d = 0; d < shape.key_dim; d++)
                    keys[(row * count + p) * shape.key_dim + d] = key[p / 16 * 16 * shape.key_dim + 16 * d + p % 16];
        if (values)
            memcpy(values + row * count * shape.value_dim, cache->values + row * cache->capacity * shape.value_dim,
                   (size_t)(count * shape.value_dim) * sizeof *values);
    }
}

void kk_cache_copy(const kk_cache *cache, kk_cache_shape shape, int64_t from, int64_t to, int64_t first, int64_t end)
{
    /* Keys lie in panels of 16 positions; those of a panel before `first` are equal already. */
    const int64_t begin = first / 16 * 16, panels = (end + 15) / 16 * 16 - begin;
    for (int64_t h = 0; h < shape.heads && first < end; h++) {
        const int64_t a = (from * shape.heads + h) * cache->capacity, b = (to * shape.heads + h) * cache->capacity;
        memcpy(cache->keys + (b + begin) * shape.key_dim, cache->keys + (a + begin) * shape.key_dim,
               (size_t)(panels * shape.key_dim) * sizeof(float));
        memcpy(cache->values + (b + first) * shape.value_dim, cache->values + (a + first) * shape.value_dim,
               (size_t)((end - first) * shape.value_dim) * sizeof(float));
    }
}
