% if k.text:
// example/main.c: ${"answers" if m.interface.encode else "continues"} a text with ${m.name}.
//
//   cc -O2 example/main.c *.c kaoken/*.c ${m.name + "_weights.o " if m.embedded else ""}-lm -lpthread -o main
//   ./main ${"" if m.embedded else m.name + ".weights "}"${k.prompt}"
#include "../${m.name}.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WEIGHTS "${"[-w weights] " if m.embedded else m.name + ".weights "}"

enum { linked = ${int(m.embedded)}, continues = ${int(not m.interface.encode)} }; /* whether weights are part of the program, and the answer of the prompt */

/* The most ids of a prompt. */
static size_t longest_prompt(const ${m.name} *model)
{
% if m.interface.encoder_dims:
    (void)model;
    return ${m.interface.encoder_dims[0].upper};
% else:
    return (size_t)${m.name}_capacity(model);
% endif
}

static ${m.name}_status answer(${m.name} *model, const int64_t *ids, size_t count, const ${m.name}_generate_options *options,
    ${m.name}_generate_result *result)
{
% if m.interface.encode:
    const ${m.name}_status status = ${m.name}_encode(model, ${"1, " if m.interface.batch else ""}(int64_t)count, ids, 0${", 0" * len(m.interface.encoder_outputs)});
    return status == ${m.upper}_OK ? ${m.name}_generate(model, 0, 0, options, result) : status;
% else:
    return ${m.name}_generate(model, ids, count, options, result);
% endif
}

${m.fixed("example_failed.c")}

${m.fixed("example_text.c")}
% elif k.encoder:
<%include file="encoder_main.c.mako"/>\
% else:
// example/main.c: runs ${m.name} once on made-up inputs and prints how its outputs begin.
//
//   cc -O2 example/main.c *.c kaoken/*.c ${m.name + "_weights.o " if m.embedded else ""}-lm -lpthread -o main
//   ./main${"" if m.embedded else " " + m.name + ".weights"}
#include "../${m.name}.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 10 };

/* Memory for a tensor, set to zero; at least one element, so that null means that there is none left. */
static void *tensor(int64_t count, size_t size)
{
    return calloc(count > 0 ? (size_t)count : 1, size);
}

% for c_type in sorted({t.c_type for t in m.interface.outputs if not t.is_state}):
static void print_${c_type}(const char *name, const ${c_type} *values, int64_t count)
{
    printf("%s:", name);
    for (int64_t i = 0; i < count && i < 8; i++)
        printf(" %${"g" if c_type in ("float", "double") else "ld"}", (${"double" if c_type in ("float", "double") else "long"})values[i]);
    puts(count > 8 ? " ..." : "");
}

% endfor
int main(int argc, char **argv)
{
    const char *const weights = argc > 1 ? argv[1] : ${"0" if m.embedded else f'"{m.name}.weights"'};
    ${m.name}_sizes sizes;
    ${m.name}_arguments arguments, *const a = &arguments;
    ${m.name} *model;
    ${m.name}_status status;
    clock_t start = 0;

    memset(&sizes, 0, sizeof sizes); /* 0: the default */
% for name, value in k.example_sizes:
    sizes.${name} = ${value};
% endfor
    status = ${m.name}_create(&model, weights, &sizes);
    if (status != ${m.upper}_OK) {
        fprintf(stderr, "main: %s: %s\n", weights ? weights : "model", ${m.name}_status_text(status));
        return 1;
    }
    memset(a, 0, sizeof *a);
% for name, value in k.example_dims:
    a->${name} = ${value};
% endfor
% for v in m.interface.inputs:
    ${v.c_type} *const ${v.c_name} = tensor(${k.count(v)}, sizeof *${v.c_name});
% endfor
% for v in m.interface.outputs:
    ${v.c_type} *const ${v.c_name} = tensor(${k.count(v)}, sizeof *${v.c_name});
% endfor
% for f in m.interface.found:
    int64_t ${f.name} = 0;
    a->${f.name} = &${f.name};
% endfor
    status = ${" && ".join(v.c_name for v in m.interface.inputs + m.interface.outputs)} ? ${m.upper}_OK : ${m.upper}_ERROR_MEMORY;
    if (status == ${m.upper}_OK) {
% for v in m.interface.inputs:
% if k.value(v) is not None:
        for (int64_t i = 0; i < ${k.count(v)}; i++)
            ${v.c_name}[i] = ${k.value(v)};
% endif
        a->${v.c_name} = ${v.c_name};
% endfor
% for v in m.interface.outputs:
        a->${v.c_name} = ${v.c_name};
% endfor
        status = ${m.name}_run(model, a);
        start = clock();
        for (int i = 0; i < RUNS && status == ${m.upper}_OK; i++)
            status = ${m.name}_run(model, a);
    }
    if (status == ${m.upper}_OK) {
        const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC / RUNS;
% for v in m.interface.outputs:
% if not v.is_state:
        print_${v.c_type}("${v.name.replace(chr(92), "").replace('"', "")}", ${v.c_name}, ${k.found_count(v, "a->", "")});
% endif
% endfor
        fprintf(stderr, "%.3f ms of processor time a run (%s)\n", seconds * 1e3, ${m.name}_level(model));
    } else {
        fprintf(stderr, "main: %s\n", ${m.name}_status_text(status));
    }
% for v in m.interface.inputs + m.interface.outputs:
    free(${v.c_name});
% endfor
    ${m.name}_destroy(model);
    return status != ${m.upper}_OK;
}
% endif
