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

% if m.embedding:
#define WEIGHTS "${"" if m.embedded else m.name + ".weights "}"
#define POOLING ${m.upper}_POOLING_${"DEFAULT" if m.embedding.pooling.mode else "MEAN"}

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

${m.fixed("example_embed.c")}
% else:
static int failed(const char *what, ${m.name}_status status)
{
    fprintf(stderr, "main: %s: %s\n", what, ${m.name}_status_text(status));
    return 1;
}

/* Prints values [rows][width], for each row where its greatest is. */
static void print_rows(const char *name, const float *values, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++, values += width) {
        int64_t best = 0;
        for (int64_t i = 1; i < width; i++)
            best = values[i] > values[best] ? i : best;
        printf("%s %ld: greatest at %ld;", name, (long)row, (long)best);
        for (int64_t i = 0; i < width && i < 8; i++)
            printf(" %.6g", (double)values[i]);
        puts(width > 8 ? " ..." : "");
    }
}

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

int main(int argc, char **argv)
{
    const int first = ${1 if m.embedded else 2}, count = argc - first;
    ${m.name}_text texts[1];
    ${m.name}_sizes sizes;
    ${m.name}_status status;
    ${m.name} *model;
    int result;

    if (count < 1 || count > 2) {
        fputs("usage: ${command.replace("./", "")}\"text\" [\"second text\"]\n", stderr);
        return 2;
    }
    memset(texts, 0, sizeof texts);
    texts->text = argv[first];
    texts->bytes = strlen(texts->text);
    texts->second = count > 1 ? argv[first + 1] : 0;
    texts->second_bytes = count > 1 ? strlen(texts->second) : 0;
    memset(&sizes, 0, sizeof sizes); /* 0: the default */
    sizes.${batch} = 1;
    sizes.${sequence} = LENGTH;
    status = ${m.name}_create(&model, ${"0" if m.embedded else "argv[1]"}, &sizes);
    if (status != ${m.upper}_OK)
        return failed(${'"model"' if m.embedded else "argv[1]"}, status);
    int64_t *const inputs = calloc(3 * LENGTH, sizeof *inputs);
    result = inputs ? print_outputs(model, texts, inputs) : failed("text", ${m.upper}_ERROR_MEMORY);
    free(inputs);
    ${m.name}_destroy(model);
    return result;
}
% endif
