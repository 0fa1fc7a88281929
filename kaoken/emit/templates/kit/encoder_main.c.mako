<%
    batch, sequence = k.encoder
    most_texts = min(k.upper(batch), 64) if m.embedding else 1
    most_ids = k.upper(sequence)
    if m.embedding and m.embedding.pooling.max_length:
        most_ids = min(most_ids, m.embedding.pooling.max_length)
    command = "./main " + ("" if m.embedded else m.name + ".weights ")
    outputs = [v for v in m.interface.outputs if not v.is_state]
%>\
% if m.embedding:
// example/main.c: the vectors of texts by ${m.name}, and how like the first text the others are.
//
//   cc -O2 example/main.c *.c kaoken/*.c ${m.name + "_weights.o " if m.embedded else ""}-lm -lpthread -o main
//   ${command}"A cat sat down." "A dog lay down."
% else:
// example/main.c: what ${m.name} computes for a text, or for a text and a second one that goes with it.
//
//   cc -O2 example/main.c *.c kaoken/*.c ${m.name + "_weights.o " if m.embedded else ""}-lm -lpthread -o main
//   ${command}"A cat sat down."
//   ${command}"Who sat down?" "A cat sat down."
% endif
#include "../${m.name}.h"

% if m.embedding:
#include <math.h>
% endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = ${most_texts}, LENGTH = ${most_ids} };

#define WEIGHTS "${"" if m.embedded else m.name + ".weights "}"
% if m.embedding:
#define POOLING ${m.upper}_POOLING_${"DEFAULT" if m.embedding.pooling.mode else "MEAN"}
% endif

enum { linked = ${int(m.embedded)} }; /* whether weights are part of the program */

/* A handle for so many texts; what is 0 takes its default. */
static ${m.name}_sizes sizes_for(int64_t count)
{
    ${m.name}_sizes sizes;
    memset(&sizes, 0, sizeof sizes);
    sizes.${batch} = count;
    sizes.${sequence} = LENGTH;
    return sizes;
}

${m.fixed("example_failed.c")}

% if m.embedding:
${m.fixed("example_embed.c")}
% else:
${m.fixed("example_rows.c")}

/* inputs: room for three rows of LENGTH. */
static int print_outputs(${m.name} *model, const ${m.name}_text *text, int64_t *inputs)
{
    ${m.name}_arguments arguments, *const a = &arguments;
    ${m.name}_status status;
    int64_t length = LENGTH;

    memset(a, 0, sizeof *a);
    status = ${m.name}_tokenize_batch(model, text, 1, inputs, inputs + LENGTH, inputs + 2 * LENGTH, &length);
    if (status != ${m.upper}_OK)
        return failed("text", status);
    a->${batch} = 1;
    a->${sequence} = length;
% for v in m.interface.inputs:
    a->${v.c_name} = inputs${{"input_ids": "", "attention_mask": " + LENGTH", "token_type_ids": " + 2 * LENGTH"}[v.name]};
% endfor
% for v in outputs:
    ${v.c_type} *const ${v.c_name} = calloc((size_t)(${k.count(v)}) + 1, sizeof *${v.c_name});
    a->${v.c_name} = ${v.c_name};
% endfor
    status = ${" && ".join(v.c_name for v in outputs)} ? ${m.name}_run(model, a) : ${m.upper}_ERROR_MEMORY;
    if (status == ${m.upper}_OK) {
% for v in outputs:
% if v.c_type == "float":
        print_rows("${v.name.replace(chr(92), "").replace('"', "")}", ${v.c_name}, (${k.count(v)}) / ${k.width(v)}, ${k.width(v)});
% endif
% endfor
    }
% for v in outputs:
    free(${v.c_name});
% endfor
    return status == ${m.upper}_OK ? 0 : failed("run", status);
}

${m.fixed("example_outputs.c")}
% endif
