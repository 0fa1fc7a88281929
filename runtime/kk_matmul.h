/* Matrix products from register tiles: KK_TILE writes a tile for a size, kk_matmul the loops around those that a plan names.

   A tile multiplies a few rows by a few panels (16 columns each) with every sum in a register: k ascending, KK_SUM_BLOCK products an
   accumulator, the blocks' sums added in order, so that a row's result is the same whichever tile computes it.
     x      [rows][depth], rows x_stride floats apart
     w      panel p is [depth][16]: w + p * panel_stride + k * w_stride
     sum    [rows][16 * panels], rows sum_stride floats apart; resume: add to these sums, else store
     ahead  address to prefetch while at it, ahead_step bytes further with each k; of panel p at ahead + p * ahead_stride.
   Included after kk_simd.h, once for each instruction set level. */
#ifndef KK_MATMUL_H
#define KK_MATMUL_H

#include "kk_cache.h"
#include "kk_threads.h"

/* Distance, in bytes, at which a lone tile prefetches what it streams. */
#define KK_STREAM_AHEAD 2048

/* Products that one accumulator takes: rounding errors grow with the root of a chain's length, and this is part of the bits. */
#define KK_SUM_BLOCK 256

/* Where 2 to so many tiles hold all rows, they take KK_SUM_BLOCK of k at a time, so that the weights pass from memory through
   the first-level cache once. */
#define KK_FEW_TILES 4

#define KK_TILE_ARGUMENTS int64_t depth, const float *x, int64_t x_stride, const float *w, int64_t w_stride, int64_t panel_stride, float *sum, int64_t sum_stride, int resume, uintptr_t ahead, uintptr_t ahead_stride, uintptr_t ahead_step
typedef void kk_tile(KK_TILE_ARGUMENTS);

KK_INLINE void kk_add_sum(float *sum, kk_f32 block, int resume) { kk_store(sum, resume ? kk_add(kk_load(sum), block) : block); }

/* What a row does at the beginning of a block (START), with each k (STEP) and at the end (STORE); LOAD: a k of the panels, AHEAD:
   its prefetches. A number behind each is the tile's width. r: the row; at: its element k. */
#define KK_TILE_START_16(r, at) kk_f32 s##r##_0 = kk_zero();
#define KK_TILE_START_32(r, at) KK_TILE_START_16(r, at) kk_f32 s##r##_1 = kk_zero();
#define KK_TILE_START_48(r, at) KK_TILE_START_32(r, at) kk_f32 s##r##_2 = kk_zero();
#define KK_TILE_START_64(r, at) KK_TILE_START_48(r, at) kk_f32 s##r##_3 = kk_zero();
#define KK_TILE_LOAD_16 const kk_f32 w0 = kk_load(w);
#define KK_TILE_LOAD_32 KK_TILE_LOAD_16 const kk_f32 w1 = kk_load(w + panel_stride);
#define KK_TILE_LOAD_48 KK_TILE_LOAD_32 const kk_f32 w2 = kk_load(w + 2 * panel_stride);
#define KK_TILE_LOAD_64 KK_TILE_LOAD_48 const kk_f32 w3 = kk_load(w + 3 * panel_stride);
#define KK_TILE_AHEAD_16 kk_prefetch((const void *)(ahead));
#define KK_TILE_AHEAD_32 KK_TILE_AHEAD_16 kk_prefetch((const void *)(ahead + ahead_stride));
#define KK_TILE_AHEAD_48 KK_TILE_AHEAD_32 kk_prefetch((const void *)(ahead + 2 * ahead_stride));
#define KK_TILE_AHEAD_64 KK_TILE_AHEAD_48 kk_prefetch((const void *)(ahead + 3 * ahead_stride));
#define KK_TILE_STEP_16(r, at) const kk_f32 b##r = kk_set1(at); s##r##_0 = kk_fma(b##r, w0, s##r##_0);
#define KK_TILE_STEP_32(r, at) KK_TILE_STEP_16(r, at) s##r##_1 = kk_fma(b##r, w1, s##r##_1);
#define KK_TILE_STEP_48(r, at) KK_TILE_STEP_32(r, at) s##r##_2 = kk_fma(b##r, w2, s##r##_2);
#define KK_TILE_STEP_64(r, at) KK_TILE_STEP_48(r, at) s##r##_3 = kk_fma(b##r, w3, s##r##_3);
#define KK_TILE_STORE_16(r, at) kk_add_sum(sum + r * sum_stride, s##r##_0, resume);
#define KK_TILE_STORE_32(r, at) KK_TILE_STORE_16(r, at) kk_add_sum(sum + r * sum_stride + 16, s##r##_1, resume);
#define KK_TILE_STORE_48(r, at) KK_TILE_STORE_32(r, at) kk_add_sum(sum + r * sum_stride + 32, s##r##_2, resume);
#define KK_TILE_STORE_64(r, at) KK_TILE_STORE_48(r, at) kk_add_sum(sum + r * sum_stride + 48, s##r##_3, resume);

/* `each` for every row of a tile. Rows share a pointer in threes, so that all pointers stay in general registers. */
#define KK_TILE_ROWS_1(each) each(0, x0[0])
#define KK_TILE_ROWS_2(each) KK_TILE_ROWS_1(each) each(1, x0[x_stride])
#define KK_TILE_ROWS_3(each) KK_TILE_ROWS_2(each) each(2, x0[2 * x_stride])
#define KK_TILE_ROWS_4(each) KK_TILE_ROWS_3(each) each(3, x3[0])
#define KK_TILE_ROWS_5(each) KK_TILE_ROWS_4(each) each(4, x3[x_stride])
#define KK_TILE_ROWS_6(each) KK_TILE_ROWS_5(each) each(5, x3[2 * x_stride])
#define KK_TILE_ROWS_7(each) KK_TILE_ROWS_6(each) each(6, x6[0])
#define KK_TILE_ROWS_8(each) KK_TILE_ROWS_7(each) each(7, x6[x_stride])
#define KK_TILE_ROWS_9(each) KK_TILE_ROWS_8(each) each(8, x6[2 * x_stride])
#define KK_TILE_ROWS_10(each) KK_TILE_ROWS_9(each) each(9, x9[0])
#define KK_TILE_ROWS_11(each) KK_TILE_ROWS_10(each) each(10, x9[x_stride])
#define KK_TILE_ROWS_12(each) KK_TILE_ROWS_11(each) each(11, x9[2 * x_stride])
#define KK_TILE_ROWS_13(each) KK_TILE_ROWS_12(each) each(12, x12[0])
#define KK_TILE_ROWS_14(each) KK_TILE_ROWS_13(each) each(13, x12[x_stride])
#define KK_TILE_ROWS_15(each) KK_TILE_ROWS_14(each) each(14, x12[2 * x_stride])
#define KK_TILE_ROWS_16(each) KK_TILE_ROWS_15(each) each(15, x15[0])

/* tile_ROWSxWIDTH: sum[rows][width] (+)= x[rows][depth] w[depth][width], for 1 to 16 rows and 16 to 64 columns. */
#define KK_TILE(rows, width) \
    static void tile_##rows##x##width(KK_TILE_ARGUMENTS) \
    { \
        const float *x0 = x, *x3 = rows > 3 ? x + 3 * x_stride : x, *x6 = rows > 6 ? x + 6 * x_stride : x; \
        const float *x9 = rows > 9 ? x + 9 * x_stride : x, *x12 = rows > 12 ? x + 12 * x_stride : x; \
        const float *x15 = rows > 15 ? x + 15 * x_stride : x; \
        (void)x3, (void)x6, (void)x9, (void)x12, (void)x15, (void)panel_stride, (void)ahead_stride; \
        for (int64_t begin = 0; begin < depth; begin += KK_SUM_BLOCK, resume = 1) { \
            const int64_t end = depth - begin < KK_SUM_BLOCK ? depth : begin + KK_SUM_BLOCK; \
            KK_TILE_ROWS_##rows(KK_TILE_START_##width) \
            for (int64_t k = begin; k < end; k++, x0++, x3++, x6++, x9++, x12++, x15++, w += w_stride, ahead += ahead_step) { \
                KK_TILE_LOAD_##width \
                KK_TILE_AHEAD_##width \
                KK_TILE_ROWS_##rows(KK_TILE_STEP_##width) \
            } \
            KK_TILE_ROWS_##rows(KK_TILE_STORE_##width) \
        } \
    }

/* One y = x W: its sizes and schedule. */
typedef struct kk_matmul_plan {
    int64_t k, n;               /* x is [rows][k], W is [k][n], packed as [(n + 15) / 16][k][16] */
    int64_t k_block;            /* k that one call of a tile takes */
    int64_t column_block;       /* panels whose sums wait for the next k-block */
    int64_t row_block;          /* rows for which W is read once */
    int by_rows;                /* threads share the rows, else the columns */
    kk_tile *const (*tile)[5];  /* by rows and panels; where a level has no tile one panel wide, the wider one takes that panel twice */
    const unsigned char *tiles; /* the most rows of a tile; the panels of a tile of 1, 2, ... rows where few hold all rows; the panels
                                   where many do */
} kk_matmul_plan;

/* Where the results of a matmul go; each kernel's finish reads the members that it needs. */
typedef struct kk_matmul_output {
    const float *bias, *residual;
    int64_t residual_stride;
    float *y;
    int64_t y_stride;
    int64_t seq;
    const kk_cache *cache;
} kk_matmul_output;

/* Takes the sums [rows][16 * panels], sum_stride floats from row to row, that belong at y[row...][16 * panel...]. */
typedef void kk_matmul_finish(const kk_matmul_output *out, int64_t row, int64_t rows, int64_t panel, int64_t panels, const float *sum, int64_t sum_stride);

/* This thread's share of y[rows][n] = finish(x[rows][k] W).
     x       [rows][k], x_stride floats from row to row
     weight  [(n + 15) / 16][k][16], 64-byte aligned
   Needs scratch: 16 * (panels of a tile + 1) floats for each row of KK_FEW_TILES tiles, 16 * (column_block + 1) for each of row_block rows. */
KK_NOINLINE void kk_matmul(kk_thread *t, const kk_matmul_plan *plan, int64_t rows, const float *x, int64_t x_stride, const float *weight, kk_matmul_finish *finish, const kk_matmul_output *out)
{
    const int64_t k = plan->k, all_panels = (plan->n + 15) / 16, panel_stride = 16 * k;
    float *const sums = (float *)t->scratch;
    int64_t row_begin = 0, row_end = rows, panel_begin = 0, panel_end = all_panels;
    if (plan->by_rows) {
        row_begin = rows * t->index / t->count;
        row_end = rows * (t->index + 1) / t->count;
    } else {
        panel_begin = all_panels * t->index / t->count;
        panel_end = all_panels * (t->index + 1) / t->count;
    }
    const int64_t blocks = (row_end - row_begin + plan->row_block - 1) / plan->row_block;
    for (int64_t block = 0; block < blocks; block++) {
        /* 1. A block of rows, cut into tiles of nearly equal height. */
        const int64_t from = row_begin + (row_end - row_begin) * block / blocks;
        const int64_t count = row_begin + (row_end - row_begin) * (block + 1) / blocks - from;
        const int64_t tile_count = (count + plan->tiles[0] - 1) / plan->tiles[0];
        const int few = tile_count <= KK_FEW_TILES;
        const int64_t panels = plan->tiles[few ? (count + tile_count - 1) / tile_count : plan->tiles[0] + 1];
        /* 2. Columns by k in blocks, so that the rows' part of x stays in cache while the columns of W pass; sums wait meanwhile. */
        const int64_t k_block = tile_count == 1 ? k : few ? KK_SUM_BLOCK : plan->k_block;
        const int64_t column_block = k_block >= k ? all_panels : few ? panels : plan->column_block;
        for (int64_t column = panel_begin; column < panel_end; column += column_block) {
            const int64_t column_end = panel_end - column < column_block ? panel_end : column + column_block;
            for (int64_t k0 = 0; k0 < k; k0 += k_block) {
                const int64_t depth = k - k0 < k_block ? k - k0 : k_block;
                const int last = k0 + depth == k;
                for (int64_t panel = column, step; panel < column_end; panel += step) {
                    /* 3. As many panels as a tile is wide; what is left over in twos and ones. */
                    const int64_t left = column_end - panel;
                    step = left >= panels ? panels : left >= 2 ? 2 : 1;
                    const int64_t stride = step == 1 ? 0 : panel_stride, sum_stride = step > 2 || panels == 1 ? 16 * step : 32;
                    const float *w = weight + panel * panel_stride + 16 * k0, *next = w;
                    if (left > step)
                        next = w + step * panel_stride;
                    else if (!last)
                        next = weight + column * panel_stride + 16 * (k0 + depth);
                    else if (column_end < panel_end)
                        next = weight + column_end * panel_stride;
                    for (int64_t tile = 0; tile < tile_count; tile++) {
                        /* 4. A lone tile prefetches what it streams; several share in fetching the next block, a part of every panel each. */
                        const int64_t r0 = count * tile / tile_count, r1 = count * (tile + 1) / tile_count;
                        const uintptr_t ahead = tile_count == 1 ? (uintptr_t)w + KK_STREAM_AHEAD : (uintptr_t)(next + depth * tile / tile_count * 16);
                        const uintptr_t ahead_step = (uintptr_t)((64 + tile_count - 1) / tile_count);
                        float *sum = sums + (k_block < k ? (panel - column) * 16 * count + r0 * sum_stride : 0);
                        plan->tile[r1 - r0][step](depth, x + (from + r0) * x_stride + k0, x_stride, w, 16, stride, sum, sum_stride, k0 > 0, ahead, 4 * (uintptr_t)stride, ahead_step);
                        if (last)
                            finish(out, from + r0, r1 - r0, panel, step, sum, sum_stride);
                    }
                }
            }
        }
    }
}

#endif
