/* kk_far_copy against memmove: every length up to 300 bytes between places of every kind, apart and overlapping; prints how many bytes are
   wrong, those around the copied ones included. */
#include "kk_simd.h"

#include "kk_far.h"

#include <stdio.h>

#define PLACES 1024

static void fill(unsigned char *memory)
{
    for (int i = 0; i < PLACES; i++)
        memory[i] = (unsigned char)((unsigned)i * 2654435761u >> 9);
}

int main(void)
{
    unsigned char found[PLACES], expected[PLACES];
    long wrong = 0;
    for (int far = 0; far < 2; far++)
        for (size_t bytes = 0; bytes <= 300; bytes++)
            for (size_t to = 0; to < 600; to += to < 130 ? 1 : 67) {
                const size_t from = 250;
                fill(found);
                fill(expected);
                memmove(expected + to, expected + from, bytes);
                kk_far_copy(found + to, found + from, bytes, far);
                kk_far_end(far);
                for (int i = 0; i < PLACES; i++)
                    wrong += found[i] != expected[i];
            }
    printf("wrong %ld\n", wrong);
    return 0;
}

#include "kk_simd_end.h"
