## ${spec.name}: layer or RMS normalisation of rows. spec: a NormSpec.
<%
layer = spec.kind == "layer"
%>
/* ${spec.name}: ${"layer normalisation, y = (x - mean) / sqrt(variance + eps)" if layer else "RMS normalisation, y = x / sqrt(mean square + eps)"}${" * scale" if spec.scale else ""}${" + shift" if spec.shift else ""}, eps = ${spec.eps}
 * Schedule: rows over threads, 4 at a time (kaoken/kk_norm.h)
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
    const kk_norm_rows a = {x, rows, batch_stride, row_stride, ${"scale" if spec.scale else "0"}, ${"shift" if spec.shift else "0"}, y,
        ${int(layer)}, ${int(spec.scale)}, ${int(spec.shift)}, ${spec.width}, ${eps}};
    kk_norm(t, batch, a);
}
