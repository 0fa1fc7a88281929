/* A compiled layer, called again and again without Python in between. Compiled with -DMODEL=name -DHEADER="name.h". */
#include <string.h>

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

/* So many calls for n tokens; 0, or the status of the first that fails. */
int layer_run(MODEL *model, int64_t n, const float *hidden, float *result, int64_t times);
int layer_run(MODEL *model, int64_t n, const float *hidden, float *result, int64_t times)
{
    OF_MODEL(arguments) arguments;
    OF_MODEL(status) status = 0;
    memset(&arguments, 0, sizeof arguments);
    arguments.n = n;
    arguments.hidden = hidden;
    arguments.result = result;
    for (int64_t i = 0; i < times && !status; i++)
        status = OF_MODEL(run)(model, &arguments);
    return (int)status;
}
