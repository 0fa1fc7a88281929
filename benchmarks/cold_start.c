/* A fresh process that reaches a language model's first token: cold_start WEIGHTS THREADS ID... Compiled with -DMODEL=name.
   Prints the token, nanoseconds that creation and the first token took, page faults without reading, and the largest resident
   memory in KB (0 where /proc does not tell; getrusage's would be the parent's, which made this process). */
#define _DEFAULT_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define JOIN_AGAIN(a, b) a##_##b
#define JOIN(a, b) JOIN_AGAIN(a, b)
#define OF_MODEL(name) JOIN(MODEL, name)
#include HEADER

enum { MOST_IDS = 256 };

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static long peak_memory(void)
{
    char line[256];
    long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &kilobytes) == 1)
            break;
    if (status)
        fclose(status);
    return kilobytes;
}

int main(int argc, char **argv)
{
    static float logits[VOCABULARY];
    int64_t ids[MOST_IDS], best = 0, started = now(), created, found;
    const int64_t count = argc - 3;
    OF_MODEL(sizes) sizes;
    struct rusage usage;
    MODEL *model;

    if (count < 1 || count > MOST_IDS)
        return 2;
    for (int64_t i = 0; i < count; i++)
        ids[i] = strtol(argv[i + 3], NULL, 10);
    memset(&sizes, 0, sizeof sizes);
    sizes.threads = strtol(argv[2], NULL, 10);
    if (OF_MODEL(create)(&model, argv[1], &sizes))
        return 1;
    created = now();
    if (OF_MODEL(feed)(model, 1, count, ids, logits))
        return 1;
    for (int64_t i = 1; i < VOCABULARY; i++)
        if (logits[i] > logits[best])
            best = i;
    found = now();
    getrusage(RUSAGE_SELF, &usage);
    printf("%" PRId64 " %" PRId64 " %" PRId64 " %ld %ld\n", best, created - started, found - created, usage.ru_minflt, peak_memory());
    fflush(stdout);
    OF_MODEL(destroy)(model);
    return 0;
}
