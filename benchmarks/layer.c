/* A compiled layer, called again and again without Python in between. Compiled with -DMODEL=name -DHEADER="name.h". */
#define _DEFAULT_SOURCE
#include <string.h>
#include <time.h>

#define JOIN_AGAIN(a, b) a##_##b
#define JOIN(a, b) JOIN_AGAIN(a, b)
#define OF_MODEL(name) JOIN(MODEL, name)
#include HEADER

/* A handle for n tokens, or null. */
MODEL *layer_open(const char *weights, int64_t n, int64_t threads);
MODEL *layer_open(const char *weights, int64_t n, int64_t threads)
{
    OF_MODEL(sizes) sizes;
    MODEL *model;
    memset(&sizes, 0, sizeof sizes);
    sizes.n = n;
    sizes.threads = threads;
    return OF_MODEL(create)(&model, weights, &sizes) ? 0 : model;
}

/* Seconds of `times` calls for n tokens together, or -1. */
double layer_run(MODEL *model, int64_t n, const float *hidden, float *result, int64_t times);
double layer_run(MODEL *model, int64_t n, const float *hidden, float *result, int64_t times)
{
    OF_MODEL(arguments) arguments;
    struct timespec begin, end;
    memset(&arguments, 0, sizeof arguments);
    arguments.n = n;
    arguments.hidden = hidden;
    arguments.result = result;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int64_t i = 0; i < times; i++)
        if (OF_MODEL(run)(model, &arguments))
            return -1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}
