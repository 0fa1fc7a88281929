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
% for n, (status, text) in enumerate(m.statuses):
    ${m.upper}_${status} = ${n}${"," if n + 1 < len(m.statuses) else ""}${" " * (30 - len(status))}/* ${text} */
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

/* Bytes of activations that live at once for these sizes (null: the defaults), and bytes of everything that a handle
   needs except the weights; 0 for sizes outside their bounds. */
size_t ${m.name}_arena_size(const ${m.name}_sizes *sizes);
size_t ${m.name}_memory_size(const ${m.name}_sizes *sizes);

/* Makes a handle that maps the weights file read-only, and shares it with every process that maps it.
   weights_path: ${m.name}.weights${"; null: the weights embedded in the program" if m.embedded else ""}. sizes: null for the defaults. *handle is null on error. */
${m.name}_status ${m.name}_create(${m.name} **handle, const char *weights_path, const ${m.name}_sizes *sizes);

/* The same in the caller's memory: `memory`, 64-byte aligned, of at least ${m.name}_memory_size(sizes) bytes, and
   the contents of the weights file at `weights`, 64-byte aligned; both stay until ${m.name}_destroy. */
${m.name}_status ${m.name}_create_in(${m.name} **handle, const void *weights, size_t weights_size,
    const ${m.name}_sizes *sizes, void *memory, size_t memory_size);

/* Ends a handle. Null is left alone. */
void ${m.name}_destroy(${m.name} *handle);

/* Reads the whole weights file and compares its checksums: slow, once after a download. */
${m.name}_status ${m.name}_check_weights(const ${m.name} *handle);

/* The instruction set level the handle chose: "avx512", "avx2", "neon" or "plain". */
const char *${m.name}_level(const ${m.name} *handle);

/* What a step of the model takes: a kernel of one layer. Times are those of the calling thread, from the end of the step before. */
#define ${m.upper}_STEPS ${len(m.steps.rows)}
typedef struct ${m.name}_step {
    const char *layer, *kernel;      /* the layer as the ONNX model calls it, and the function in ${m.name}_kernels.c */
    int64_t calls;                   /* how often it ran */
    int64_t nanoseconds, waiting;    /* working on its share, and then waiting for the other threads; sums over all calls */
    double flop, bytes;              /* FLOP of all threads, and bytes of weights and earlier positions that they read; sums as well */
} ${m.name}_step;

/* From now on every call adds to steps[${m.upper}_STEPS], which stays the caller's; it is cleared first. Null: no longer. It costs a look at the
   clock or two for each step, and nothing while it is off. */
${m.name}_status ${m.name}_profile(${m.name} *handle, ${m.name}_step *steps);

/* The model as the ONNX file has it: every input and output, nothing kept between calls. */
typedef struct ${m.name}_arguments {
% for c in i.composed.values():
% if c["kind"] == "strings":
    /* ${c["name"]}: strings. bytes has all of them one after the other, UTF-8 each, ends where each one ends. */
<% continue %>
% endif
% if c["kind"] == "maps":
    /* ${c["name"]}: a row of values for each map, under these keys:
       ${i.keys_text(c["keys"])} */
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

/* How many ids a row holds (-1: no such row), and how many it can hold. */
int64_t ${m.name}_position(const ${m.name} *handle, int64_t row);
int64_t ${m.name}_capacity(const ${m.name} *handle);

/* Forgets all rows; or what a row holds from position `length` on. */
${m.name}_status ${m.name}_reset(${m.name} *handle);
${m.name}_status ${m.name}_truncate(${m.name} *handle, int64_t row, int64_t length);

/* Row i becomes what row rows[i] was, for i below count: beams of a search change places. Rows that only change places are not
   copied; a row that is wanted twice is, from where it differs from what it is copied to. */
${m.name}_status ${m.name}_reorder(${m.name} *handle, const int64_t *rows, int64_t count);

<%include file="generate.h.mako"/>\
% endif
% if m.tokenizer:

${m.fixed("text.h")}\
% endif
% if m.embedding:
<%include file="embed.h.mako"/>\
% endif

#ifdef __cplusplus
}
#endif

#endif
