<%
i_capacity = str(m.interface.encoder_dims[0].upper) if m.interface.encoder_dims else f"(size_t){m.name}_capacity(model)"
%>\
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

static int usage(void)
{
    fputs("usage: main [-n tokens] [-t temperature] [-s seed] [-b beams] [-j threads] ${"[-w weights] " if m.embedded else m.name + ".weights "}\"prompt\"\n"
          "  -t 0 always takes the likeliest token; equal seeds give equal texts; beams search for the likeliest text\n", stderr);
    return 2;
}

static int failed(const char *what, ${m.name}_status status)
{
    fprintf(stderr, "main: %s: %s\n", what, ${m.name}_status_text(status));
    return 1;
}

/* Prints the text of each token as soon as there is one. */
static int print_token(int64_t row, int64_t id, const char *text, size_t bytes, void *user)
{
    (void)row;
    (void)id;
    (void)user;
    fwrite(text, 1, bytes, stdout);
    return fflush(stdout) != 0; /* not 0 stops: nobody reads any more */
}

static int continue_text(${m.name} *model, const char *prompt, const ${m.name}_generate_options *options)
{
    ${m.name}_generate_result result = {${m.upper}_STOP_LENGTH, 0, -1, 0};
    ${m.name}_status status;
    size_t count = 0;
    const size_t capacity = ${i_capacity};
    int64_t *ids = malloc(capacity * sizeof *ids);
    clock_t start;
    double seconds;

    if (!ids)
        return failed("prompt", ${m.upper}_ERROR_MEMORY);
    status = ${m.name}_tokenize(model, prompt, strlen(prompt), ids, capacity, &count);
    if (status == ${m.upper}_OK && count == 0)
        status = ${m.upper}_ERROR_ARGUMENT;
    if (status != ${m.upper}_OK) {
        free(ids);
        return failed("prompt", status);
    }
% if m.interface.encode:
    start = clock();
    status = ${m.name}_encode(model, ${"1, " if m.interface.batch else ""}(int64_t)count, ids, 0${", 0" * len(m.interface.encoder_outputs)});
    if (status == ${m.upper}_OK)
        status = ${m.name}_generate(model, 0, 0, options, &result);
% else:
    fputs(prompt, stdout);
    start = clock();
    status = ${m.name}_generate(model, ids, count, options, &result);
% endif
    seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    putchar('\n');
    fflush(stdout);
    free(ids);
    if (status != ${m.upper}_OK)
        return failed("generate", status);
    fprintf(stderr, "%lu tokens read, %ld written in %.3f s of processor time (%s)\n", (unsigned long)count, (long)result.tokens,
            seconds, ${m.name}_level(model));
    return 0;
}

int main(int argc, char **argv)
{
    ${m.name}_generate_options options = ${m.name}_generate_defaults();
    ${m.name}_sizes sizes;
    ${m.name}_status status;
    ${m.name} *model;
    const char *weights = 0, *prompt = 0;
    int result;

    memset(&sizes, 0, sizeof sizes);
    options.callback = print_token;
    for (int i = 1; i < argc; i++) {
        const char option = argv[i][0] == '-' && strlen(argv[i]) == 2 ? argv[i][1] : 0;
        char *end = 0;
        if (!option && ${"!prompt" if m.embedded else "(!weights || !prompt)"}) {
% if not m.embedded:
            if (!weights)
                weights = argv[i];
            else
                prompt = argv[i];
% else:
            prompt = argv[i];
% endif
            continue;
        }
        if (!option || i + 1 == argc)
            return usage();
        i++;
        errno = 0;
        if (option == 'n')
            options.max_new_tokens = strtol(argv[i], &end, 10);
        else if (option == 't') {
            options.temperature = strtod(argv[i], &end);
            options.num_beams = 1; /* a search draws no lots */
        }
        else if (option == 's')
            options.seed = strtoull(argv[i], &end, 10);
        else if (option == 'b')
            sizes.batch = options.num_beams = strtol(argv[i], &end, 10);
        else if (option == 'j')
            sizes.threads = strtol(argv[i], &end, 10);
% if m.embedded:
        else if (option == 'w')
            weights = argv[i];
% endif
        else
            return usage();
        if (errno || (end && (*end || end == argv[i])))
            return usage();
    }
    if (!prompt)
        return usage();
    status = ${m.name}_create(&model, weights, &sizes);
    if (status != ${m.upper}_OK)
        return failed(weights ? weights : "model", status);
    result = continue_text(model, prompt, &options);
    ${m.name}_destroy(model);
    return result;
}
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

% for c_type in k.output_types:
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
