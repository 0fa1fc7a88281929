## One register tile. rows, panels: its size.
<%
R = range(rows)
P = range(panels)
width = 16 * panels
wide = panels > 2 and rows > 1
unused = (["ahead_stride", "ahead_step"] if wide else []) + (["x_stride", "sum_stride"] if rows == 1 else []) + (["panel_stride", "ahead_stride"] if panels == 1 else [])
def column(p, variable, unit=16):
    """Address offset of panel p: nothing for the first."""
    return "" if p == 0 else f" + {variable}" if p * unit == 1 else f" + {p * unit} * {variable}"
%>
/* sum[${rows}][${width}] (+)= x[${rows}][depth] w[depth][${width}]; the ${panels} panel${"s" if panels > 1 else ""} of w lie panel_stride apart. */
static void tile_${rows}x${width}(TILE_ARGUMENTS)
{
% if unused:
    (void)${", (void)".join(unused)};
% endif
    for (int64_t begin = 0; begin < depth; begin += SUM_BLOCK, resume = 1${', ahead += 16 * SUM_BLOCK' if wide else ''}) {
        const int64_t end = depth - begin < SUM_BLOCK ? depth : begin + SUM_BLOCK;
% for r in R:
        kk_f32 ${", ".join(f"s{r}{p} = kk_zero()" for p in P)};
% endfor
        for (int64_t k = begin; k < end; k++, w += w_stride${'' if wide else ', ahead += ahead_step'}) {
            const kk_f32 ${", ".join(f"w{p} = kk_load(w{column(p, 'panel_stride', 1)})" for p in P)};
% if wide:
            kk_prefetch((const void *)(ahead + 8 * (uintptr_t)k));
            kk_prefetch((const void *)(ahead + 8 * (uintptr_t)k + 8 * SUM_BLOCK));
            kk_prefetch((const void *)(ahead + 8 * (uintptr_t)k + 16 * SUM_BLOCK));
% else:
% for p in P:
            kk_prefetch((const void *)(ahead${column(p, "ahead_stride", 1)}));
% endfor
% endif
% for r in R:
            const kk_f32 x${r} = kk_set1(x[${f"{r} * x_stride + " if r > 1 else "x_stride + " if r else ""}k]);
            ${" ".join(f"s{r}{p} = kk_fma(x{r}, w{p}, s{r}{p});" for p in P)}
% endfor
        }
% for r in R:
        ${" ".join(f"add_sum(sum{column(r, 'sum_stride', 1)}{f' + {16 * p}' if p else ''}, s{r}{p}, resume);" for p in P)}
% endfor
    }
}
