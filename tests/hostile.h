/* What the drivers of hostile and random calls share: numbers, buffers that end where the API says, and giving up. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state;
static const char *doing = "";

static inline void seed(const char *text)
{
    random_state = strtoull(text, 0, 10) * 2654435761u + 88172645463325252u;
}

/* Marsaglia's xorshift64*. */
static inline uint64_t next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(0x2545F4914F6CDD1D);
}

static inline int64_t below(int64_t n)
{
    return (int64_t)((next() >> 11) % (uint64_t)n);
}

/* A number around the limits of what is allowed, or far beyond. */
static inline int64_t odd(int64_t limit)
{
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1,            INT32_MIN,     -1,
                                       INT32_MAX, (int64_t)UINT32_MAX + 1, INT64_MAX / 8, INT64_MAX};
    switch (below(4)) {
    case 0: return extremes[below(8)];
    case 1: return limit + below(3) - 1;
    default: return below(limit + 2);
    }
}

static inline void fail(const char *what, long status)
{
    printf("%s: %s (status %ld)\n", doing, what, status);
    exit(1);
}

/* `count` zeroed elements, with nothing behind them; a count that is no count gives a single byte, which nobody may read. */
static inline void *exactly(int64_t count, size_t size)
{
    void *memory = count > 0 && count < 1 << 20 ? calloc((size_t)count, size) : calloc(1, 1);
    if (!memory)
        fail("out of memory", 0);
    return memory;
}

#endif
