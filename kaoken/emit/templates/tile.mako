## One register tile. rows, panels: its size.
<%
R = range(rows)
P = range(panels)
width = 16 * panels
unused = (["x_stride", "sum_stride"] if rows == 1 else []) + (["panel_stride", "ahead_stride"] if panels == 1 else [])
bases = range(0, rows, 3)
step = ", ".join(f"x{r}++" for r in bases)
def row(r):
    """Element k of row r: rows share a pointer in threes, so that all pointers stay in general registers."""
    return f"*x{r}" if r % 3 == 0 else f"x{r // 3 * 3}[{r % 3} * x_stride]" if r % 3 > 1 else f"x{r - 1}[x_stride]"
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
    const float *${", *".join("x0 = x" if r == 0 else f"x{r} = x + {r} * x_stride" for r in bases)};
    for (int64_t begin = 0; begin < depth; begin += SUM_BLOCK, resume = 1) {
        const int64_t end = depth - begin < SUM_BLOCK ? depth : begin + SUM_BLOCK;
% for r in R:
        kk_f32 ${", ".join(f"s{r}{p} = kk_zero()" for p in P)};
% endfor
        for (int64_t k = begin; k < end; k++, ${step}, w += w_stride, ahead += ahead_step) {
            const kk_f32 ${", ".join(f"w{p} = kk_load(w{column(p, 'panel_stride', 1)})" for p in P)};
% for p in P:
            kk_prefetch((const void *)(ahead${column(p, "ahead_stride", 1)}));
% endfor
% for r in R:
            const kk_f32 b${r} = kk_set1(${row(r)});
            ${" ".join(f"s{r}{p} = kk_fma(b{r}, w{p}, s{r}{p});" for p in P)}
% endfor
        }
% for r in R:
        ${" ".join(f"add_sum(sum{column(r, 'sum_stride', 1)}{f' + {16 * p}' if p else ''}, s{r}{p}, resume);" for p in P)}
% endfor
    }
}
