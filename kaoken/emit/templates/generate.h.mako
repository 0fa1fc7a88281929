<%
g = m.generation

def listed(name, ids):
    return [f"{name} {', '.join(map(str, ids[:8]))}{', ...' if len(ids) > 8 else ''}"] if ids else []

lists = listed("stop_ids", g.stop_ids) + listed("suppress_ids", g.suppress_ids) + listed("begin_suppress_ids", g.begin_suppress_ids)
words = [f"{len(g.bad_words)} bad_words"] if g.bad_words else []
defaults = [f"{name} {value}" for name, value in g.numbers()] + [f"early_stopping {g.early_stopping}", *lists, *words]
%>
% if g.pad_id >= 0:
#define ${m.upper}_PAD_ID ${g.pad_id}
% endif

${m.fixed("generate.h")}
/* The options that generation_config.json asks for:
   ${m.wrapped(defaults)}. */
${m.name}_generate_options ${m.name}_generate_defaults(void);
