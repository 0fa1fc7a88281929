## What `kaoken profile` measured: a roofline and tables for each workload. p: Profile.as_json().
<%page expression_filter="h" args="p, pictures"/>
<%def name="table(rows, name, total)">
<table>
<tr><th>${name}</th><th class="n">ms</th><th class="n">of steps</th><th class="n">GFLOP/s</th><th class="n">GB/s</th><th class="n">of limit</th><th>bound by</th><th class="n">waiting</th></tr>
% for k in rows:
<% seconds = 1e-3 * k["ms"] or 1e-9 %>
<tr><td><code>${k.get("layer") or k["kernel"]}</code></td><td class="n">${f'{k["ms"]:.3f}'}</td><td class="n">${f'{100 * k["ms"] / (total["ms"] or 1e-9):.1f}%'}</td><td class="n">${f'{k["flop"] / seconds / 1e9:.1f}' if k["flop"] else ""}</td><td class="n">${f'{k["bytes"] / seconds / 1e9:.2f}' if k["bytes"] else ""}</td><td class="n">${f'{100 * k["share"]:.0f}%' if k["limit_ms"] else ""}</td><td>${k["bound"]}</td><td class="n">${f'{100 * k["waiting_ms"] / (k["ms"] or 1e-9):.1f}%'}</td></tr>
% endfor
</table>
</%def>
<h2>Profile</h2>
<p>${p["level"]}, ${p["threads"]} thread${"s" if p["threads"] > 1 else ""}. The machine's limits, probed in the same run: ${f'{p["limits"]["flops"] / 1e9:.0f}'} GFLOP/s and
${f'{p["limits"]["bandwidth"] / 1e9:.1f}'} GB/s read. A kernel's limit is computing its FLOP or reading its weights and cache, whichever takes longer.</p>
% for w in p["workloads"]:
<h3>${w["workload"]}: ${f'{w["call_ms"]:.3f}'} ms</h3>
<%
    plot = pictures.roofline(p["limits"], w)
    left, top, width, height = 60, 10, 620, 280
    def px(x): return f"{left + width * x / 100:.1f}"
    def py(y): return f"{top + height * y / 100:.1f}"
    def corner(pair):
        x, y = pair.split(",")
        return px(float(x)) + "," + py(float(y))
%>
<svg class="roofline" viewBox="0 0 700 340" role="img" aria-label="roofline of ${w["workload"]}">
% for x, text in plot.x_ticks:
<line x1="${px(x)}" x2="${px(x)}" y1="${top}" y2="${top + height}"/><text x="${px(x)}" y="${top + height + 16}" text-anchor="middle">${text}</text>
% endfor
% for y, text in plot.y_ticks:
<line x1="${left}" x2="${left + width}" y1="${py(y)}" y2="${py(y)}"/><text x="${left - 6}" y="${py(y)}" dy="4" text-anchor="end">${text}</text>
% endfor
<polyline points="${" ".join(corner(pair) for pair in plot.roof.split())}"/>
% for dot in plot.dots:
<circle cx="${px(dot.x)}" cy="${py(dot.y)}" r="${f"{3.2 * dot.radius:.1f}"}"><title>${dot.text}</title></circle>
% endfor
<text x="${left + width // 2}" y="${top + height + 36}" text-anchor="middle">FLOP a byte from memory (right edge: nothing from memory)</text>
<text x="14" y="${top + height // 2}" text-anchor="middle" transform="rotate(-90 14 ${top + height // 2})">GFLOP/s</text>
</svg>
<p class="quiet">A dot is a kernel function, larger with its part of the time; its text shows when it is pointed at.</p>
${table(sorted(w["kernels"], key=lambda k: -k["ms"]) + [{**w["total"], "kernel": "total"}], "kernel", w["total"])}
<details><summary>layer by layer</summary>
${table(w["steps"], "layer", w["total"])}
</details>
% endfor
