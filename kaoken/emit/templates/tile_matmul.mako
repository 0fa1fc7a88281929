## The register tiles of a file, the tables that pick one, and the loops around them.
## levels: list of (condition, tiles, table rows, [(name, widths)]); condition: the preprocessor line that begins the level
/* ---- Register tiles -------------------------------------------------------------------------------------------
 * A tile multiplies a few rows by a few panels (16 columns each) with every sum in a register: k ascending, SUM_BLOCK
 * products an accumulator, the blocks' sums added in order, so that a row's result is the same whichever tile computes it.
 *   x      [rows][depth], rows x_stride floats apart
 *   w      panel p is [depth][16]: w + p * panel_stride + k * w_stride
 *   sum    [rows][16 * panels], rows sum_stride floats apart; resume: add to these sums, else store
 *   ahead  address to prefetch while at it, ahead_step bytes further with each k; of panel p at ahead + p * ahead_stride. */
#define TILE_ARGUMENTS int64_t depth, const float *x, int64_t x_stride, const float *w, int64_t w_stride, int64_t panel_stride, float *sum, int64_t sum_stride, int resume, uintptr_t ahead, uintptr_t ahead_stride, uintptr_t ahead_step
typedef void tile_function(TILE_ARGUMENTS);

/* Distance, in bytes, at which a lone tile prefetches what it streams. */
#define STREAM_AHEAD 2048

/* Products that one accumulator takes: rounding errors grow with the root of a chain's length, and this is part of the bits. */
#define SUM_BLOCK ${sum_block}

KK_INLINE void add_sum(float *sum, kk_f32 block, int resume) { kk_store(sum, resume ? kk_add(kk_load(sum), block) : block); }
% for condition, tiles, table, widths in levels:

${condition}
${tiles}
/* tiles[rows][panels]; where a level has no tile one panel wide, the wider one takes that panel twice. */
static tile_function *const tiles[][5] = {
    {0, 0, 0, 0, 0},
% for row in table:
    {${", ".join(row)}},
% endfor
};
% for name, numbers, main in widths:

/* The most rows of a tile; the panels of a tile of 1, 2, ... rows where few hold all rows; the panels where many do. */
static const unsigned char ${name}[] = {${main.rows}, ${", ".join(map(str, numbers))}, ${main.panels}};
% endfor
% endfor
#endif
% if matmul:

/* Where 2 to so many tiles hold all rows, they take SUM_BLOCK of k at a time, so that the weights pass from memory through
 * the first-level cache once. */
#define FEW_TILES ${few_tiles}

/* One y = x W: its sizes and schedule. */
typedef struct matmul_plan {
    int64_t k, n;               /* x is [rows][k], W is [k][n], packed as [(n + 15) / 16][k][16] */
    int64_t k_block;            /* k that one call of a tile takes */
    int64_t column_block;       /* panels whose sums wait for the next k-block */
    int64_t row_block;          /* rows for which W is read once */
    int by_rows;                /* threads share the rows, else the columns */
    const unsigned char *tiles; /* tile heights and widths, as above */
} matmul_plan;

/* Where the results of a matmul go; each kernel's finish reads the members that it needs. */
typedef struct matmul_output {
    const float *bias, *residual;
    int64_t residual_stride;
    float *y;
    int64_t y_stride;
    int64_t seq;
    const kk_cache *cache;
} matmul_output;

/* Takes the sums [rows][16 * panels], sum_stride floats from row to row, that belong at y[row...][16 * panel...]. */
typedef void matmul_finish(const matmul_output *out, int64_t row, int64_t rows, int64_t panel, int64_t panels, const float *sum, int64_t sum_stride);

/* This thread's share of y[rows][n] = finish(x[rows][k] W).
 *   x       [rows][k], x_stride floats from row to row
 *   weight  [(n + 15) / 16][k][16], 64-byte aligned
 * Needs scratch: 16 * (panels of a tile + 1) floats for each row of FEW_TILES tiles, 16 * (column_block + 1) for each of row_block rows. */
static void matmul(kk_thread *t, const matmul_plan *plan, int64_t rows, const float *x, int64_t x_stride, const float *weight, matmul_finish *finish, const matmul_output *out)
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
        const int few = tile_count <= FEW_TILES;
        const int64_t panels = plan->tiles[few ? (count + tile_count - 1) / tile_count : plan->tiles[0] + 1];
        /* 2. Columns by k in blocks, so that the rows' part of x stays in cache while the columns of W pass; sums wait meanwhile. */
        const int64_t k_block = tile_count == 1 ? k : few ? SUM_BLOCK : plan->k_block;
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
                        const uintptr_t ahead = tile_count == 1 ? (uintptr_t)w + STREAM_AHEAD : (uintptr_t)(next + depth * tile / tile_count * 16);
                        const uintptr_t ahead_step = (uintptr_t)((64 + tile_count - 1) / tile_count);
                        float *sum = sums + (k_block < k ? (panel - column) * 16 * count + r0 * sum_stride : 0);
                        tiles[r1 - r0][step](depth, x + (from + r0) * x_stride + k0, x_stride, w, 16, stride, sum, sum_stride, k0 > 0, ahead, 4 * (uintptr_t)stride, ahead_step);
                        if (last)
                            finish(out, from + r0, r1 - r0, panel, step, sum, sum_stride);
                    }
                }
            }
        }
    }
}
% endif
% if attention:

/* e^x for x <= 0, and 0 where that is below the normal numbers: beside the weight 1 of the largest score it is nothing, and
 * arithmetic on subnormals, of which each hidden key would make one, takes processors a hundred times longer. */
KK_INLINE kk_f32 softmax_weight(kk_f32 x)
{
    const kk_f32 lowest = kk_set1(-87.0f);
    return kk_select(kk_lt(x, lowest), kk_zero(), kk_exp_nonpositive(kk_max(lowest, x)));
}
% endif
