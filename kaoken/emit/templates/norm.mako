## ${spec.name}: layer or RMS normalisation of rows. spec: a NormSpec.
<%
layer = spec.kind == "layer"
whole, rest = spec.width // 16 * 16, spec.width % 16
%>
/* ${spec.name}: ${"layer normalisation, y = (x - mean) / sqrt(variance + eps)" if layer else "RMS normalisation, y = x / sqrt(mean square + eps)"}${" * scale" if spec.scale else ""}${" + shift" if spec.shift else ""}, eps = ${spec.eps}
% for line in spec.comment:
 * ${line}
% endfor
 * Schedule: rows over threads; sums in 16 lanes, then a fixed tree
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
    for (int64_t row = all * t->index / t->count; row < end; row++) {
        const float *in = x + row / rows * batch_stride + row % rows * row_stride;
        float *out = y + row * ${spec.width};
        kk_f32 sum = kk_zero();
% if layer:
        /* 1. The mean. */
% if whole:
        for (int64_t k = 0; k < ${whole}; k += 16)
            sum = kk_add(sum, kk_load(in + k));
% endif
% if rest:
        sum = kk_add(sum, kk_load_part(in + ${whole}, ${rest}));
% endif
        const kk_f32 mean = kk_set1(kk_sum(sum) / ${spec.width}.0f);
        /* 2. The variance, from the differences to the mean. */
        sum = kk_zero();
% if whole:
        for (int64_t k = 0; k < ${whole}; k += 16) {
            const kk_f32 d = kk_sub(kk_load(in + k), mean);
            sum = kk_fma(d, d, sum);
        }
% endif
% if rest:
        const kk_f32 d_rest = kk_select(kk_mask_first(${rest}), kk_sub(kk_load_part(in + ${whole}, ${rest}), mean), kk_zero());
        sum = kk_fma(d_rest, d_rest, sum);
% endif
% else:
        /* 1. The sum of squares. */
% if whole:
        for (int64_t k = 0; k < ${whole}; k += 16)
            sum = kk_fma(kk_load(in + k), kk_load(in + k), sum);
% endif
% if rest:
        const kk_f32 x_rest = kk_load_part(in + ${whole}, ${rest});
        sum = kk_fma(x_rest, x_rest, sum);
% endif
% endif
        const float spread = kk_sum(sum) / ${spec.width}.0f + ${eps};
        const kk_f32 factor = kk_div(kk_set1(1.0f), kk_sqrt(kk_set1(spread)));
        /* ${"3" if layer else "2"}. The result. */
<%def name="store(load, write)">\
kk_f32 v = ${"kk_mul(kk_sub(%s, mean), factor)" % load("in") if layer else "kk_mul(%s, factor)" % load("in")};
% if spec.scale and spec.shift:
            v = kk_fma(v, ${load("scale")}, ${load("shift")});
% elif spec.scale:
            v = kk_mul(v, ${load("scale")});
% elif spec.shift:
            v = kk_add(v, ${load("shift")});
% endif
            ${write};
</%def>\
% if whole:
        for (int64_t k = 0; k < ${whole}; k += 16) {
            ${store(lambda p: f"kk_load({p} + k)", "kk_store(out + k, v)")}\
        }
% endif
% if rest:
        {
            ${store(lambda p: f"kk_load_part({p} + {whole}, {rest})", f"kk_store_part(out + {whole}, v, {rest})")}\
        }
% endif
    }
}
