/* How far a register tile falls below the register-only multiply-adds, step by step. benchmarks/ceiling.py puts the tiles of the level
   before this file, and TILE, ROWS and PANELS; a line of four figures comes out for each round, in FLOP/s. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "probes.h"

#define DEEP 768
#define TILES 10
#define NEAR 128
#define WALK ((int64_t)24 << 20) /* floats that successive blocks of weights walk through */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *filled(int64_t floats)
{
    float *memory = aligned_alloc(1 << 21, (size_t)((floats * 4 + (1 << 21) - 1) >> 21 << 21));
    for (int64_t i = 0; memory && i < floats; i++)
        memory[i] = (float)(i * 2654435761u % 1024u) / 1024.0f - 0.5f;
    return memory;
}

int main(int count, char **words)
{
    const int rounds = count > 1 ? atoi(words[1]) : 9;
    float *w = filled(WALK + 2 * 16 * PANELS * DEEP), *x = filled(TILES * ROWS * DEEP), *sum = filled(ROWS * PANELS * 16);
    if (!w || !x || !sum)
        return 2;
    for (int round = 0; round < rounds; round++) {
        /* 1. Registers only. */
        double start = now();
        for (int i = 0; i < 20; i++)
            sum[0] = probe_fma();
        printf("%.6g", 20 * PROBE_FMA_FLOP / (now() - start));
        /* 2. The tile with x and w in the first-level cache. */
        start = now();
        for (int i = 0; i < 20000; i++)
            TILE(NEAR, x, NEAR, w, 16, 16 * NEAR, sum, 16 * PANELS, 0, (uintptr_t)w, 0, 0);
        printf(" %.6g", 20000.0 * 2 * ROWS * PANELS * 16 * NEAR / (now() - start));
        /* 3. Tiles that share weights which stay in the second-level cache; 4. weights from memory, fetched a block ahead. */
        for (int memory = 0; memory < 2; memory++) {
            const int64_t block = 16 * PANELS * DEEP;
            start = now();
            for (int64_t b = 0; b < 400; b++) {
                const float *at = w + (memory ? b * block % WALK : 0), *next = memory ? at + block : at;
                for (int64_t tile = 0; tile < TILES; tile++)
                    TILE(DEEP, x + tile * ROWS * DEEP, DEEP, at, 16, 16 * DEEP, sum, 16 * PANELS, 0,
                         (uintptr_t)(next + DEEP * tile / TILES * 16), 64 * DEEP, 64 / TILES + 1);
            }
            printf(" %.6g", 400.0 * TILES * 2 * ROWS * PANELS * 16 * DEEP / (now() - start));
        }
        puts("");
        fflush(stdout);
    }
    return 0;
}

#include "kk_simd_end.h"
