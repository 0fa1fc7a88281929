<%page expression_filter="h"/>
<%
    peak = max(r["memory"]["live_bytes"], default=0)
    schedules = {k["name"]: k["schedule"] for k in r["kernels"]}
%>
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${r["name"]}: report</title>
<style>
:root { color-scheme: light dark; --line: #8884; --bar: #3b7dd8; --quiet: #888; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; font-size: .92em; }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; white-space: nowrap; }
code { font-size: .92em; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); }
.facts { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1.2rem 0; }
.facts b { display: block; font-size: 1.3rem; }
summary { cursor: pointer; padding: .2rem 0; }
svg { width: 100%; height: 110px; }
svg.memory { height: auto; border-bottom: 1px solid var(--line); }
svg.memory rect { fill-opacity: .75; stroke: #fff; stroke-width: .5; }
svg.memory polyline { fill: none; stroke: #d33; stroke-width: 1.5; }
.graph { max-height: 34rem; overflow: auto; border: 1px solid var(--line); }
.graph svg { width: auto; height: auto; font-size: 12px; }
.graph path { fill: none; stroke: var(--quiet); stroke-width: 1.2; }
.graph circle { fill: var(--bar); }
.graph text, .roofline text { fill: currentColor; }
.graph tspan.quiet { fill: var(--quiet); }
svg.roofline { height: 340px; max-width: 46rem; overflow: visible; font-size: 12px; }
.roofline circle { fill: var(--bar); fill-opacity: .65; stroke: var(--bar); }
.roofline line { stroke: var(--line); }
.roofline polyline { fill: none; stroke: #d33; stroke-width: 2; }
rect { fill: var(--bar); }
</style>
</head>
<body>
<h1>${r["name"]}</h1>
<div class="quiet">compiled by Kaoken ${r["kaoken"]} from ${r["source"]}</div>
<div class="facts">
<div><b>${f'{r["parameters"]:,}'}</b>parameters</div>
<div><b>${size(r["weights_bytes"])}</b>of packed weights</div>
<div><b>${f'{r["onnx_nodes"]:,}'} → ${r["kernel_calls"]}</b>ONNX nodes to kernel calls</div>
<div><b>${len(r["kernels"])}</b>distinct kernels</div>
<div><b>${f'{r["c_lines"]:,}'}</b>lines of generated C</div>
<div><b>${size(r["memory"]["arena_bytes"])}</b>of activations at the default sizes</div>
</div>

<h2>Interface</h2>
<table>
<tr><th>tensor</th><th>name</th><th>type</th><th>shape</th></tr>
% for kind in ("inputs", "outputs"):
% for t in r["interface"][kind]:
<tr><td>${kind[:-1]}${", state" if t["state"] else ""}</td><td><code>${t["name"]}</code></td><td>${t["dtype"]}</td><td><code>[${", ".join(t["shape"])}]</code></td></tr>
% endfor
% endfor
</table>
% if r["interface"]["sizes"]:
<table>
<tr><th>size of a handle</th><th class="n">from</th><th class="n">to</th><th class="n">default</th></tr>
% for s in r["interface"]["sizes"]:
<tr><td><code>${s["name"]}</code></td><td class="n">${s["lower"]}</td><td class="n">${s["upper"]}</td><td class="n">${s["default"]}</td></tr>
% endfor
</table>
% endif
% if r["interface"]["dims"]:
<table>
<tr><th>dimension of a call</th><th class="n">from</th><th class="n">to</th><th>bounded by the handle's</th></tr>
% for d in r["interface"]["dims"]:
<tr><td><code>${d["name"]}</code></td><td class="n">${d["lower"]}</td><td class="n">${d["upper"]}</td><td><code>${d["size"]}</code></td></tr>
% endfor
</table>
% endif

<h2>Layers</h2>
<p class="quiet">Every kernel call in order; equal layers call the same kernels. The origin is the ONNX nodes that a call stands for.</p>
% for name, calls in layers:
<details><summary><code>${name or "(no layer)"}</code> <span class="quiet">${len(calls)} call${"s" if len(calls) > 1 else ""}</span></summary>
<table>
<tr><th>layer</th><th>kernel</th><th>schedule</th><th>origin</th></tr>
% for c in calls:
<tr><td><code>${c["layer"]}</code></td><td><code>${c["kernel"]}</code></td><td>${schedules[c["kernel"]]}</td><td><code>${" ".join(c["origin"])}</code></td></tr>
% endfor
</table>
</details>
% endfor

% if p:
<%include file="profile.html.mako" args="p=p, pictures=pictures"/>
% endif
<h2>Kernels</h2>
<table>
<tr><th>kernel</th><th class="n">layers</th><th>schedule</th></tr>
% for k in r["kernels"]:
<tr><td><code>${k["name"]}</code></td><td class="n">${len(k["layers"])}</td><td>${k["schedule"]}</td></tr>
% endfor
</table>

<h2>Graph</h2>
<p class="quiet">The fused graph: every kernel call in order with its edges, what it reads of the model's inputs and gives of its outputs.</p>
<div class="graph">
<svg width="${pictures.graph_width(r["calls"])}" height="${pictures.ROW_HEIGHT * len(r["calls"])}" role="img" aria-label="the fused graph">
% for row in pictures.graph_rows(r["calls"], pictures.GRAPH_LEFT):
% for path in row.paths:
<path d="${path}"/>
% endfor
<circle cx="${pictures.GRAPH_LEFT}" cy="${row.y}" r="4"/>
<text x="${pictures.GRAPH_LEFT + 12}" y="${row.y + 4}">${row.layer}<tspan class="quiet" dx="8">${row.kernel}${f" ← {row.reads}" if row.reads else ""}${f" → {row.gives}" if row.gives else ""}</tspan></text>
% endfor
</svg>
</div>

<h2>Memory</h2>
<p>The arena holds ${size(r["memory"]["arena_bytes"])} at the default sizes (${", ".join(f"{k} {v}" for k, v in r["memory"]["default_sizes"].items()) or "all fixed"});
the most that lives at once is ${size(peak)}. Each block is a value, from the call that makes it (left)
to the last that needs it, at its place in the arena; what is written in place stays one block. The line is what lives at once.</p>
% if peak:
<svg class="memory" viewBox="0 0 ${pictures.MEMORY_WIDTH} ${pictures.MEMORY_HEIGHT}" role="img" aria-label="the arena over the kernel calls">
% for b in pictures.memory_blocks(r["memory"]):
<rect x="${f"{b.x:.1f}"}" y="${f"{b.y:.1f}"}" width="${f"{b.width:.1f}"}" height="${f"{b.height:.1f}"}" style="fill: hsl(${b.hue}, 55%, 55%)"><title>${b.text}</title></rect>
% endfor
<polyline points="${pictures.live_line(r["memory"])}"/>
</svg>
% endif
<table>
<tr><th>place</th><th>behind</th><th class="n">bytes</th><th>for any sizes, the largest of</th><th>values</th></tr>
% for n, s in enumerate(r["memory"]["slots"]):
<tr><td>${n}</td><td>${", ".join(map(str, s["behind"])) or "the start"}</td><td class="n">${size(s["default_bytes"])}</td><td><code>${"; ".join(s["bytes"])}</code></td><td><details><summary>${len(s["values"])}</summary><code>${" ".join(s["values"])}</code></details></td></tr>
% endfor
</table>
% if r["memory"]["caches"]:
<p>${len(r["memory"]["caches"])} caches of keys and values${", kept between calls" if any(c["kind"] == "state" for c in r["memory"]["caches"]) else ""}:
${r["memory"]["caches"][0]["heads"]} heads, ${r["memory"]["caches"][0]["key_dim"]} floats a key, ${r["memory"]["caches"][0]["value_dim"]} a value.</p>
% endif

<h2>Fusions</h2>
<table>
<tr><th>fusion</th><th class="n">times</th></tr>
% for name, count in sorted(r["fusions"].items()):
<tr><td>${name}</td><td class="n">${count}</td></tr>
% endfor
</table>
% if r["misses"]:
<h2>Near misses</h2>
<table>
<tr><th>fusion</th><th>at</th><th>because</th></tr>
% for fusion, where, reason in r["misses"]:
<tr><td>${fusion}</td><td><code>${where}</code></td><td>${reason}</td></tr>
% endfor
</table>
% else:
<p>No near misses.</p>
% endif
</body>
</html>
