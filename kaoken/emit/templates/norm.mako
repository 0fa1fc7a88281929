## ${spec.name}: layer or RMS normalisation of rows. spec: a NormSpec.
<%
layer = spec.kind == "layer"
AT_ONCE = 4
whole, rest = spec.width // 16 * 16, spec.width % 16
%>
/* ${spec.name}: ${"layer normalisation, y = (x - mean) / sqrt(variance + eps)" if layer else "RMS normalisation, y = x / sqrt(mean square + eps)"}${" * scale" if spec.scale else ""}${" + shift" if spec.shift else ""}, eps = ${spec.eps}
 * Schedule: rows over threads, ${AT_ONCE} at a time, since the sums of one row wait for each other; sums in 16 lanes, then a fixed tree
 *   x      [batch][rows][${spec.width}], batch_stride and row_stride floats apart
% if spec.scale:
 *   scale  [${spec.width}]
% endif
% if spec.shift:
 *   shift  [${spec.width}]
% endif
 *   y      [batch * rows][${spec.width}], dense; may be x when that is dense too */
static void ${spec.name}(kk_thread *t, int64_t batch, int64_t rows, const float *x, int64_t batch_stride, int64_t row_stride${", const float *scale" if spec.scale else ""}${", const float *shift" if spec.shift else ""}, float *y)
{
    const int64_t all = batch * rows, end = all * (t->index + 1) / t->count;
    int64_t row = all * t->index / t->count;
    for (; row + ${AT_ONCE} <= end; row += ${AT_ONCE}) {
${block(AT_ONCE)}\
    }
    for (; row < end; row++) {
${block(1)}\
    }
}
## Rows from `row` on: their passes side by side.
<%def name="block(count)">\
<%
each = [("", "row")] if count == 1 else [(str(n), f"(row + {n})") for n in range(count)]
%>\
% for n, at in each:
        const float *in${n} = x + ${at} / rows * batch_stride + ${at} % rows * row_stride;
        float *out${n} = y + ${at} * ${spec.width};
        kk_f32 sum${n} = kk_zero();
% endfor
% if layer:
        /* 1. The mean. */
% if whole:
        for (int64_t k = 0; k < ${whole}; k += 16) {
% for n, _ in each:
            sum${n} = kk_add(sum${n}, kk_load(in${n} + k));
% endfor
        }
% endif
% for n, _ in each:
% if rest:
        sum${n} = kk_add(sum${n}, kk_load_part(in${n} + ${whole}, ${rest}));
% endif
        const kk_f32 mean${n} = kk_set1(kk_sum(sum${n}) / ${spec.width}.0f);
        sum${n} = kk_zero();
% endfor
        /* 2. The variance, from the differences to the mean. */
% if whole:
        for (int64_t k = 0; k < ${whole}; k += 16) {
% for n, _ in each:
            const kk_f32 d${n} = kk_sub(kk_load(in${n} + k), mean${n});
            sum${n} = kk_fma(d${n}, d${n}, sum${n});
% endfor
        }
% endif
% if rest:
% for n, _ in each:
        const kk_f32 d${n}_rest = kk_select(kk_mask_first(${rest}), kk_sub(kk_load_part(in${n} + ${whole}, ${rest}), mean${n}), kk_zero());
        sum${n} = kk_fma(d${n}_rest, d${n}_rest, sum${n});
% endfor
% endif
% else:
        /* 1. The sum of squares. */
% if whole:
        for (int64_t k = 0; k < ${whole}; k += 16) {
% for n, _ in each:
            sum${n} = kk_fma(kk_load(in${n} + k), kk_load(in${n} + k), sum${n});
% endfor
        }
% endif
% if rest:
% for n, _ in each:
        const kk_f32 x${n}_rest = kk_load_part(in${n} + ${whole}, ${rest});
        sum${n} = kk_fma(x${n}_rest, x${n}_rest, sum${n});
% endfor
% endif
% endif
% for n, _ in each:
        const kk_f32 factor${n} = kk_div(kk_set1(1.0f), kk_sqrt(kk_set1(kk_sum(sum${n}) / ${spec.width}.0f + ${eps})));
% endfor
        /* ${"3" if layer else "2"}. The result. */
% if whole:
        for (int64_t k = 0; k < ${whole}; k += 16) {
${operands(lambda p: f"kk_load({p} + k)")}\
% for n, _ in each:
            ${result(n, lambda p: f"kk_load({p} + k)")}\
% endfor
## Behind all loads: one a multiple of 4096 bytes from a store before would wait for it.
% for n, _ in each:
            kk_store(out${n} + k, v${n});
% endfor
        }
% endif
% if rest:
% for n, _ in each:
        {
${operands(lambda p: f"kk_load_part({p} + {whole}, {rest})")}\
            ${result(n, lambda p: f"kk_load_part({p} + {whole}, {rest})")}\
            kk_store_part(out${n} + ${whole}, v${n}, ${rest});
        }
% endfor
% endif
</%def>\
<%def name="operands(load)">\
% for name in [name for name, wanted in (("scale", spec.scale), ("shift", spec.shift)) if wanted]:
            const kk_f32 ${name}_k = ${load(name)};
% endfor
</%def>\
<%def name="result(n, load)">\
kk_f32 v${n} = ${f"kk_mul(kk_sub({load('in' + n)}, mean{n}), factor{n})" if layer else f"kk_mul({load('in' + n)}, factor{n})"};
% if spec.scale and spec.shift:
            v${n} = kk_fma(v${n}, scale_k, shift_k);
% elif spec.scale:
            v${n} = kk_mul(v${n}, scale_k);
% elif spec.shift:
            v${n} = kk_add(v${n}, shift_k);
% endif
</%def>\
