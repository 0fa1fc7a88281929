## One linear layer: its finish and its call of the shared matmul loops. spec: a LinearSpec; activation: C function or None.
<%
panels = (spec.n + 15) // 16
ragged = spec.n % 16 != 0
steps = "x W" + (" + bias" if spec.bias else "")
steps = f"{spec.activation}({steps})" if spec.activation else steps
steps += " + residual" if spec.residual else ""
%>
% if spec.parts is None:
static void ${spec.name}_finish(const kk_matmul_output *out, int64_t row, int64_t rows, int64_t panel, int64_t panels, const float *sum, int64_t sum_stride)
{
    for (int64_t p = 0; p < panels; p++, sum += 16) {
        const int64_t column = 16 * (panel + p);
% if ragged:
        const int width = column + 16 <= ${spec.n} ? 16 : (int)(${spec.n} - column);
% endif
% if spec.bias:
        const kk_f32 bias = ${load("out->bias + column")};
% endif
        for (int64_t r = 0; r < rows; r++) {
            kk_f32 v = kk_load(sum + r * sum_stride);
% if spec.bias:
            v = kk_add(v, bias);
% endif
% if activation:
            v = ${activation}(v);
% endif
% if spec.residual:
            v = kk_add(v, ${load("out->residual + (row + r) * out->residual_stride + column")});
% endif
% if ragged:
            kk_store_part(out->y + (row + r) * out->y_stride + column, v, width);
% else:
            kk_store(out->y + (row + r) * out->y_stride + column, v);
% endif
        }
    }
}
% else:
static void ${spec.name}_finish(const kk_matmul_output *out, int64_t row, int64_t rows, int64_t panel, int64_t panels, const float *sum, int64_t sum_stride)
{
% if cached:
    int64_t batch = row / out->seq, s = row % out->seq;
    for (int64_t r = 0; r < rows; r++, s++, sum += sum_stride) {
        if (s == out->seq) {
            s = 0;
            batch++;
        }
        const int64_t position = s + (out->cache->past ? out->cache->past[batch] : 0);
        const int64_t place = out->cache->row ? out->cache->row[batch] : batch;
% else:
    for (int64_t r = 0; r < rows; r++, sum += sum_stride) {
% endif
        for (int64_t p = 0; p < panels; p++) {
            const int64_t column = 16 * (panel + p);
% if aligned:
% if spec.bias:
            const kk_f32 v = kk_add(kk_load(sum + 16 * p), kk_load(out->bias + column));
% else:
            const kk_f32 v = kk_load(sum + 16 * p);
% endif
% for part, test, offset in parts:
            ${test} {
% if part.kind == "rows":
                kk_store(out->y + (row + r) * out->y_stride + column${offset}, v);
% elif part.kind == "values":
                const int64_t head = (column${offset}) / ${part.head_dim}, d = (column${offset}) % ${part.head_dim};
                kk_store(out->cache->values + ((place * ${part.heads} + head) * out->cache->capacity + position) * ${part.head_dim} + d, v);
% else:
                const int64_t head = (column${offset}) / ${part.head_dim}, d = (column${offset}) % ${part.head_dim};
                float *key = out->cache->keys + ((place * ${part.heads} + head) * out->cache->capacity + position / 16 * 16) * ${part.head_dim} + d * 16 + position % 16;
                float lane[16];
                kk_store(lane, v);
                for (int i = 0; i < 16; i++)
                    key[16 * i] = lane[i];
% endif
            }
% endfor
% else:
            for (int64_t c = column; c < column + 16 && c < ${spec.n}; c++) {
                const float v = sum[c - 16 * panel]${" + out->bias[c]" if spec.bias else ""};
% for part, test, offset in parts:
                ${test.replace("column", "c")} {
% if part.kind == "rows":
                    out->y[(row + r) * out->y_stride + c${offset}] = v;
% elif part.kind == "values":
                    const int64_t head = (c${offset}) / ${part.head_dim}, d = (c${offset}) % ${part.head_dim};
                    out->cache->values[((place * ${part.heads} + head) * out->cache->capacity + position) * ${part.head_dim} + d] = v;
% else:
                    const int64_t head = (c${offset}) / ${part.head_dim}, d = (c${offset}) % ${part.head_dim};
                    out->cache->keys[((place * ${part.heads} + head) * out->cache->capacity + position / 16 * 16) * ${part.head_dim} + d * 16 + position % 16] = v;
% endif
                }
% endfor
            }
% endif
        }
    }
}
% endif

/* ${spec.name}: y = ${steps}
 * Schedule: ${spec.schedule}
% if spec.parts is None:
 *   x         [rows][${spec.k}], x_stride floats from row to row
% else:
 *   x         [batch * seq][${spec.k}], x_stride floats from row to row
% endif
 *   weight    [${panels}][${spec.k}][16], packed panels of W[${spec.k}][${spec.n}]
% if spec.bias:
 *   bias      [${spec.n}]
% endif
% if spec.residual:
 *   residual  [rows][${spec.n}], residual_stride floats from row to row; y may be the same memory
% endif
% if spec.parts is None:
 *   y         [rows][${spec.n}], y_stride floats from row to row */
% else:
% for part, test, offset in parts:
% if part.kind == "rows":
 *   q         [batch * seq][${part.columns}], q_stride floats from row to row
% else:
 *   cache     ${part.kind} [rows][${part.heads}]${"[capacity / 16][%d][16]" % part.head_dim if part.kind == "keys" else "[capacity][%d]" % part.head_dim}: those of row (b, s) go to row row[b], position past[b] + s
% endif
% endfor
 */
% endif
static void ${spec.name}(${", ".join(arguments)})
{
    static const kk_matmul_plan plan = {${spec.k}, ${spec.n}, ${spec.schedule.k_block}, ${spec.schedule.column_block}, ${spec.schedule.row_block}, ${1 if spec.schedule.partition == "rows" else 0}, tiles, ${tiles_name}};
    const kk_matmul_output out = {${", ".join(outputs)}};
    kk_matmul(t, &plan, ${"rows" if spec.parts is None else "batch * seq"}, x, x_stride, weight, ${spec.name}_finish, &out);
}
