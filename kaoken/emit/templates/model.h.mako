<%! import json %>\
/* ${m.name}.h: ${m.title}
 *
 * Made by Kaoken ${m.version} from ${m.source}. C99, no dependency but libc; C++ may include it too.
 *
 * A handle serves one thread at a time; different handles may be used from different threads at once and share the
 * weights. No function prints, exits or allocates after creation; every one says in its status what went wrong.
 * Tensors are dense and row-major, in the caller's memory, which is only used during the call.
 */
#ifndef ${m.upper}_H
#define ${m.upper}_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ${m.name}_status {
% for n, (status, text) in enumerate(statuses):
    ${m.upper}_${status} = ${n}${"," if n + 1 < len(statuses) else ""}${" " * (30 - len(status))}/* ${text} */
% endfor
} ${m.name}_status;

/* One English sentence for a status. */
const char *${m.name}_status_text(${m.name}_status status);

/* The model in memory. */
typedef struct ${m.name} ${m.name};

/* The largest sizes that a handle is to serve; a field that is 0 takes its default. More memory for more. */
typedef struct ${m.name}_sizes {
% for size in i.sizes:
    int64_t ${size.name};${" " * max(1, 24 - len(size.name))}/* ${size.lower} to ${size.upper}; default ${size.default}${": " + size.text if size.text else ""} */
% endfor
    int64_t threads;                 /* threads that work on a call, 1 to 256; default 1 */
} ${m.name}_sizes;

/* Steps of a call, each a row of what ${m.name}_profile counts. */
#define ${m.upper}_STEPS ${len(m.steps.rows)}

${m.fixed("handle.h")}

/* The model as the ONNX file has it: every input and output, nothing kept between calls. */
typedef struct ${m.name}_arguments {
% for c in i.composed.values():
% if c["kind"] == "strings":
    /* ${c["name"]}: strings. bytes has all of them one after the other, UTF-8 each, ends where each one ends. */
<% continue %>
% endif
% if c["kind"] == "maps":
    /* ${c["name"]}: a row of values for each map, under these keys:
       ${m.wrapped(list(map(json.dumps, c["keys"])))} */
<% continue %>
% endif
% if c["dtype"] == "string":
    /* ${c["name"]}: ${"an" if c["kind"][0] == "o" else "a"} ${c["kind"]} of strings. bytes has all of them one after the other, UTF-8 each, ends where each one ends,
       shapes a row of 9 integers for each tensor: its rank, then its extents, then ones.${" No row: it is not there." if c["kind"] == "optional" else " present: whether there is one." if len(c["parts"]) > 3 else ""} */
<% continue %>
% endif
    /* ${c["name"]}: ${"an" if c["kind"][0] == "o" else "a"} ${c["kind"]} of ${c["dtype"]}. values has the elements of all its tensors one after the other, shapes a row of 9 integers for each:
       its rank, then its extents, then ones.${" No row: it is not there." if c["kind"] == "optional" else " present: whether there is one." if len(c["parts"]) > 2 else ""} */
% endfor
    /* sizes of this call, within the handle's */
% for d in i.dims:
    int64_t ${d.name};${" " * max(1, 24 - len(d.name))}/* ${d.lower} to ${d.upper} */
% endfor
    /* inputs */
% for v in i.inputs:
    const ${v.c_type} *${v.c_name};${" " * max(1, 40 - len(v.c_type) - len(v.c_name))}/* ${v.shape_text} ${"of 0 and 1" if v in m.binary_inputs else ""} */
% endfor
    /* outputs${"; a cache that is not wanted may be null" if m.states else ""} */
% for v in i.outputs:
    ${v.c_type} *${v.c_name};${" " * max(1, 46 - len(v.c_type) - len(v.c_name))}/* ${v.shape_text} */
% endfor
% if i.found:
    /* sizes that the call finds, for outputs of such shapes: have room for the largest. Each is written, or null */
% endif
% for f in i.found:
    int64_t *${f.name};${" " * max(1, 39 - len(f.name))}/* at most ${str(f.upper)} */
% endfor
} ${m.name}_arguments;

/* Computes all outputs. ${m.upper}_ERROR_RANGE: a size outside the handle's, or an index outside the tensor it points into${", or a mask of other than 0 and 1" if m.binary_inputs else ""};
   then no output is written.${" %s_ERROR_CAPACITY: a size that is found while running is larger than its bound; what the outputs hold then means nothing." % m.upper if m.may_stop else ""}${" What the handle keeps for feed is overwritten: reset it before feeding again." if i.feed else ""} */
${m.name}_status ${m.name}_run(${m.name} *handle, const ${m.name}_arguments *arguments);
% if i.encode:

/* Encodes an input for the decoder: every later ${m.name}_feed attends to it, until the next ${m.name}_encode, _run or _reset. Row b of
   what is fed reads row b of the input; ${m.name}_reorder makes several rows read one. Positions of all rows begin at 0 again.
% for v in i.encoder_inputs:
   ${v.c_name}: ${v.shape_text}${", 0 or 1; null: all 1" if v in i.optional_masks else ""}.
% endfor
% for v in i.encoder_outputs:
   ${v.c_name}: ${v.shape_text}, or null.
% endfor
   ${m.upper}_ERROR_RANGE: a size, an id or a mask's element out of bounds; then nothing is encoded. */
${m.name}_status ${m.name}_encode(${m.name} *handle${i.encode_parameters});
% endif
% if i.feed:

/* Text generation: the handle keeps keys and values of what it was fed, row by row. */
#define ${m.upper}_VOCABULARY ${i.vocabulary}

/* Appends `count` ids to each of the first `batch` rows. ids: [batch][count], each 0 to ${m.id_limit - 1}.
   logits: [batch][${i.vocabulary}] after each row's last id, or null. How a text is cut into calls changes no bit of the result.
   ${m.upper}_ERROR_RANGE: an id; ${m.upper}_ERROR_CAPACITY: a row has no room (nothing is appended)${"; %s_ERROR_ORDER: no input was encoded for a row" % m.upper if i.encode else ""}. */
${m.name}_status ${m.name}_feed(${m.name} *handle, int64_t batch, int64_t count, const int64_t *ids, float *logits);

${m.fixed("feed.h")}

<%include file="generate.h.mako"/>\
% endif
% if m.tokenizer:

${m.fixed("text.h")}
% endif
% if m.embedding:
<%include file="embed.h.mako"/>\
% endif

#ifdef __cplusplus
}
#endif

#endif
