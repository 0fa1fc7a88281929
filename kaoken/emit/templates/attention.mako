## Streaming attention of one spec. spec: an AttentionSpec; geometry: derived sizes; tiles_name: table of tile widths.
<%
head_dim, value_dim = spec.head_dim, spec.value_dim
group = spec.heads // spec.kv_heads
full, ragged = value_dim // 16, value_dim % 16 != 0
query_rows, value_width, edge_slot = geometry.query_rows, geometry.value_width, geometry.edge_slot
slot = f"(d < {16 * full} ? d : {edge_slot})" if ragged and full % 2 else "d"
key_block, query_block = spec.schedule.key_block, spec.schedule.query_block
mask_argument = ", const %s *mask, int64_t mask_stride" % spec.mask_type if spec.mask else ""
bias_argument = ", const float *bias, int64_t bias_batch, int64_t bias_head, int64_t bias_row" if spec.bias else ""
if spec.relative:
    bias_argument = ", const float *bias, int64_t bias_head"
%>
/* One task of ${spec.name}: some query rows of one key/value head, one row at a time from the outside:
 * score = ${scale_text}q K, p = softmax(score), y = p V, over blocks of ${key_block} keys; a row keeps the largest score so far, the
 * sum of exp(score - largest) and the weighted sum of values, and rescales them when a block raises the largest score.
 *   q         [rows][${head_dim}], q_stride floats from row to row
 *   keys      [capacity / 16][${head_dim}][16], values [capacity][${value_dim}], of which the first total positions hold data
% if spec.causal:
 *   position  of row 0; row r sees keys up to position + step * r (step 0: the rows are heads of one position)
% endif
% if spec.mask:
 *   mask      [total]; keys where it is ${spec.mask_test} are seen; NULL: all are
% endif
% if spec.bias:
 *   bias      [rows][total], bias_step floats from row to row, added to the scores
% endif
 *   y         [rows][${value_dim}], y_stride floats from row to row */
static void ${spec.name}_task(kk_thread *t, int64_t rows, const float *q, int64_t q_stride, const float *keys, const float *values, int64_t total${", int64_t position, int64_t step" if spec.causal else ""}${", const %s *mask" % spec.mask_type if spec.mask else ""}${", const float *bias, int64_t bias_step" if spec.bias else ""}, float *y, int64_t y_stride)
{
    const kk_f32 minus_infinity = kk_set1(-INFINITY);
    float shift[16] = {0.0f}, decay[16] = {0.0f}; /* of the rows of a tile: what is subtracted, how old sums shrink */
    float *const score = (float *)t->scratch;             /* [${tile_rows}][${key_block}] of the tile at work */
    float *const sum = score + ${tile_rows * key_block};${" " * (26 - len(str(tile_rows * key_block)))}/* [rows][${value_width}] */
    float *const largest = sum + ${query_rows * value_width};${" " * (22 - len(str(query_rows * value_width)))}/* [rows] */
    float *const weight = largest + ${query_rows};${" " * (21 - len(str(query_rows)))}/* [rows] */
% if spec.mask:
    float *const seen = weight + ${query_rows};${" " * (24 - len(str(query_rows)))}/* [${key_block}], 1 where the padding mask lets a key through */
% endif
% if ragged:
    float *const edge = weight + ${query_rows + (key_block if spec.mask else 0)};${" " * (24 - len(str(query_rows + (key_block if spec.mask else 0))))}/* [${key_block}][16], the last columns of a block of values */
% endif
    const int64_t tile_count = (rows + ${tiles_name}[0] - 1) / ${tiles_name}[0];
    for (int64_t r = 0; r < rows; r++) {
        largest[r] = -INFINITY;
        weight[r] = 0.0f;
        for (int64_t d = 0; d < ${value_width}; d += 16)
            kk_store(sum + r * ${value_width} + d, kk_zero());
    }
% if spec.causal:
    const int64_t last_seen = position + step * (rows - 1) + 1, end = last_seen < total ? last_seen : total;
% else:
    const int64_t end = total;
% endif
    for (int64_t k0 = 0; k0 < end; k0 += ${key_block}) {
        const int64_t count = end - k0 < ${key_block} ? end - k0 : ${key_block};
% if spec.mask:
        /* 1. The padding mask of this block; a block that it hides entirely is skipped. */
        int64_t let_through = count;
        if (mask) {
            let_through = 0;
            for (int64_t k = 0; k < ${key_block}; k++) {
                seen[k] = k < count && mask[k0 + k] ${spec.mask_test} ? 1.0f : 0.0f;
                let_through += seen[k] != 0.0f;
            }
            if (let_through == 0)
                continue;
        }
% endif
% if ragged:
        for (int64_t k = 0; k < count; k++)
            kk_store(edge + 16 * k, kk_load_part(values + (k0 + k) * ${value_dim} + ${16 * full}, ${value_dim % 16}));
% endif
        for (int64_t tile = 0; tile < tile_count; tile++) {
            const int64_t r0 = rows * tile / tile_count, r1 = rows * (tile + 1) / tile_count;
            const int64_t width = ${tiles_name}[r1 - r0];
% if spec.causal:
            const int64_t reach = position + step * (r1 - 1) + 1 - k0, depth = reach < count ? reach : count;
            if (depth <= 0)
                continue;
% else:
            const int64_t depth = count;
% endif
            const int64_t panels = (depth + 15) / 16;
            /* 2. Scores of these rows: q times packed keys, while the values of the same positions are fetched. */
            for (int64_t panel = 0, wide; panel < panels; panel += wide) {
                const float *w = keys + (k0 / 16 + panel) * ${16 * head_dim};
                wide = panels - panel >= width ? width : panels - panel >= 2 ? 2 : 1;
                const int64_t stride = wide == 1 ? 0 : ${16 * head_dim};
                tiles[r1 - r0][wide](${head_dim}, q + r0 * q_stride, q_stride, w, 16, stride, score + 16 * panel, ${key_block}, 0, (uintptr_t)(values + (k0 + 16 * panel) * ${value_dim}), ${64 * value_dim}, 64);
            }
            /* 3. Their softmax, continued: the largest scores first; what a row does not see weighs nothing. */
            for (int64_t r = r0; r < r1; r++) {
                float *s = score + (r - r0) * ${key_block};
% if spec.causal:
                const int64_t own_reach = position + step * r + 1 - k0, own = own_reach < count ? own_reach : count;
% else:
                const int64_t own = depth;
% endif
                kk_f32 top = minus_infinity;
                for (int64_t k = 0; k < 16 * panels; k += 16) {
                    kk_f32 v = kk_load(s + k);
% if scale is not None:
                    v = kk_mul(v, kk_set1(${scale}));
% endif
% if spec.bias:
                    v = kk_add(v, kk_load_part(bias + r * bias_step + k0 + k, (int)(count - k < 16 ? count - k : 16)));
% endif
                    if (own - k < 16)
                        v = kk_select(kk_mask_first((int)(own > k ? own - k : 0)), v, minus_infinity);
% if spec.mask:
                    if (let_through < count)
                        v = kk_select(kk_ne(kk_load(seen + k), kk_zero()), v, minus_infinity);
% endif
                    top = kk_max(top, v);
                    kk_store(s + k, v);
                }
                const float block_top = kk_hmax(top), old_top = largest[r];
                const float new_top = block_top > old_top ? block_top : old_top;
                shift[r - r0] = new_top == -INFINITY ? 0.0f : new_top;
                decay[r - r0] = old_top - shift[r - r0];
                largest[r] = new_top;
            }
            kk_store(decay, kk_softmax_weight(kk_load(decay)));
            for (int64_t r = r0; r < r1; r++) {
                float *s = score + (r - r0) * ${key_block}, *o = sum + r * ${value_width};
                const kk_f32 row_shift = kk_set1(shift[r - r0]), row_decay = kk_set1(decay[r - r0]);
                kk_f32 block_weight = kk_zero();
                for (int64_t k = 0; k < 16 * panels; k += 16) {
                    const kk_f32 p = kk_softmax_weight(kk_sub(kk_load(s + k), row_shift));
                    block_weight = kk_add(block_weight, p);
                    kk_store(s + k, p);
                }
                weight[r] = weight[r] * decay[r - r0] + kk_sum(block_weight);
                for (int64_t d = 0; d < ${value_width}; d += 16)
                    kk_store(o + d, kk_mul(kk_load(o + d), row_decay));
            }
            /* 4. The weighted sum of these values, continued. */
            for (int64_t panel = 0, wide; panel < ${full}; panel += wide) {
                const int64_t left = ${full} - panel;
                wide = left >= width ? width : left >= 2 ? 2 : 1;
                const int64_t stride = wide == 1 ? 0 : 16;
                const float *w = values + k0 * ${value_dim} + 16 * panel;
                tiles[r1 - r0][wide](depth, score, ${key_block}, w, ${value_dim}, stride, sum + r0 * ${value_width} + 16 * panel, ${value_width}, 1, (uintptr_t)w + KK_STREAM_AHEAD, 4 * (uintptr_t)stride, ${4 * value_dim});
            }
% if ragged:
            tiles[r1 - r0][1](depth, score, ${key_block}, edge, 16, 0, sum + r0 * ${value_width} + ${edge_slot}, ${value_width}, 1, (uintptr_t)edge, 0, 0);
% endif
        }
    }
    /* 5. Divide by the sum of weights. Adding +0 leaves every value but -0, whose sign would depend on hidden keys. */
    for (int64_t r = 0; r < rows; r++) {
        const kk_f32 divisor = kk_set1(weight[r]);
        for (int64_t d = 0; d < ${value_dim}; d += 16) {
            kk_f32 v = kk_add(kk_div(kk_load(sum + r * ${value_width} + ${slot}), divisor), kk_zero());
% if spec.empty_row == "zero":
            if (weight[r] == 0.0f)
                v = kk_zero();
% elif spec.empty_row == "mean":
            if (weight[r] == 0.0f) { /* the row sees no key: equal scores everywhere, so the mean of all values */
                v = kk_zero();
                for (int64_t k = 0; k < total; k++)
                    v = kk_add(v, ${load_values("values + k * %d + d" % value_dim)});
                v = kk_div(v, kk_set1((float)total));
            }
% endif
            ${store_values("y + r * y_stride + d", "v")};
        }
    }
}

/* Scores that a task over queries [s, s_end) of batch row b computes, near enough to share the work out. */
static int64_t ${spec.name}_work(const kk_cache *cache, int64_t appended, int64_t b, int64_t s, int64_t s_end)
{
    const int64_t past = cache->past ? cache->past[b] : 0;
% if spec.causal:
    const int64_t reach = past + s_end, keys = reach < past + appended ? reach : past + appended;
    return (s_end - s) * (keys > 0 ? keys : 1);
% else:
    return (s_end - s) * (past + appended > 0 ? past + appended : 1);
% endif
}

/* ${spec.name}: ${spec.heads} heads${f" on {spec.kv_heads} key/value heads" if group > 1 else ""} of ${head_dim}${f" (values {value_dim})" if value_dim != head_dim else ""}${", causal" if spec.causal else ""}${", padding mask" if spec.mask else ""}${", additive bias" if spec.bias else ""}
 * Schedule: ${spec.schedule}
 *   q      [batch * seq][${spec.heads}][${head_dim}], q_stride floats from row to row
 *   cache  keys [rows][${spec.kv_heads}][capacity / 16][${head_dim}][16], values [rows][${spec.kv_heads}][capacity][${value_dim}]; batch row b is row
 *          row[b] (NULL: b) and holds past[b] + appended
% if spec.causal:
 *          positions; the query at s sees those up to past[b] + s
% else:
 *          positions
% endif
% if spec.mask:
 *   mask   [rows of the cache][past[b] + appended], mask_stride elements from row to row; a key is seen where it is ${spec.mask_test}; NULL: all are
% endif
% if spec.relative:
 *   bias   at distance 0 of a row of distances; key k's score at position p gets bias[k - p]; bias_head floats from head to head (0: shared)
% elif spec.bias:
 *   bias   [batch][${spec.heads}][seq][past[b] + appended], added to the scores; bias_batch, bias_head, bias_row: floats between neighbours (0: shared)
% endif
 *   y      [batch * seq][${spec.heads}][${value_dim}], y_stride floats from row to row; of a query that sees no key: ${empty_text} */
static void ${spec.name}(kk_thread *t, int64_t batch, int64_t seq, const float *q, int64_t q_stride, const kk_cache *cache, int64_t appended${mask_argument}${bias_argument}, float *y, int64_t y_stride)
{
% if group > 1:
    /* One query a row: the ${group} heads that share a key/value head go together, so that it is read once. */
    const int64_t together = seq == 1 && batch * ${spec.kv_heads} >= t->count ? ${group} : 1;
% endif
    const int64_t blocks = (seq + ${query_block - 1}) / ${query_block};
    int64_t all_work = 0, done = 0;
    for (int64_t b = 0; b < batch; b++)
        for (int64_t block = 0; block < blocks; block++)
            all_work += ${spec.heads} * ${spec.name}_work(cache, appended, b, seq * block / blocks, seq * (block + 1) / blocks);
    for (int64_t b = 0; b < batch; b++) {
        const int64_t past = cache->past ? cache->past[b] : 0, total = past + appended, row = cache->row ? cache->row[b] : b;
        for (int64_t head = 0; head < ${spec.heads}; head += ${"together" if group > 1 else "1"}) {
            const int64_t kv = row * ${spec.kv_heads} + head${f" / {group}" if group > 1 else ""};
            const float *keys = cache->keys + kv * cache->capacity * ${head_dim}, *values = cache->values + kv * cache->capacity * ${value_dim};
            for (int64_t block = 0; block < blocks; block++) {
                /* A task belongs to the thread in whose share of all the work its middle falls. */
                const int64_t s = seq * block / blocks, s_end = seq * (block + 1) / blocks;
                const int64_t work = ${"together * " if group > 1 else ""}${spec.name}_work(cache, appended, b, s, s_end);
                const int64_t owner = (2 * done + work) * t->count / (2 * all_work);
                done += work;
                if (owner != t->index)
                    continue;
                const int64_t first = b * seq + s;
% if group > 1:
                const int64_t rows = together > 1 ? together : s_end - s;
                const int64_t q_step = together > 1 ? ${head_dim} : q_stride, y_step = together > 1 ? ${value_dim} : y_stride;
% else:
                const int64_t rows = s_end - s, q_step = q_stride, y_step = y_stride;
% endif
                ${spec.name}_task(t, rows, q + first * q_stride + head * ${head_dim}, q_step, keys, values, total${position_call}${mask_call}${bias_call}, y + first * y_stride + head * ${value_dim}, y_step);
            }
        }
    }
}
