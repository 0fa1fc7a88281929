/* Opens thousands of damaged copies of a weights file from memory of exactly its size, under the sanitizers.

   weights_damage FILE COUNT: prints "kind count accepted" a kind of damage, then "status number" for every status seen.
   kinds: header, table (one byte changed), short (cut off), long (bytes behind), foreign (begins with something else), random (bytes of nothing),
   section (one byte of data changed: opening accepts it, the check must not), forged (any change of header or table with all checksums made right:
   may be accepted, and then everything it promises is read). Returns 1 at the first broken promise. */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include "kk_weights.c"

#include <stdio.h>
#include <stdlib.h>

static uint64_t state = 1;

static uint32_t next(uint32_t bound)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % bound;
}

static void put_u32(unsigned char *p, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(x >> 8 * i);
}

static void put_u64(unsigned char *p, uint64_t x)
{
    put_u32(p, (uint32_t)x);
    put_u32(p + 4, (uint32_t)(x >> 32));
}

/* Makes the checksums of a forged copy right, as far as its own fields allow. */
static void seal(unsigned char *data, size_t size)
{
    uint64_t table = kk_read_u64(data + 24), bytes = (uint64_t)kk_read_u32(data + 12) * KK_ENTRY_BYTES;
    if (table <= size && bytes <= size - table)
        put_u32(data + 64, kk_crc32(data + table, (size_t)bytes));
    put_u32(data + 68, kk_crc32(data, 68));
}

/* Reads all that opened weights promise. */
static unsigned touch(const kk_weights *weights)
{
    unsigned sum = 0;
    for (uint32_t i = 0; i < weights->count; i++) {
        size_t size;
        const unsigned char *section = kk_weights_section(weights, i, &size);
        for (size_t k = 0; k < size; k++)
            sum += section[k];
        if ((uintptr_t)section % 64 != 0)
            abort();
    }
    return sum + (kk_weights_find(weights, "no such section", NULL) == NULL) + (unsigned)kk_weights_check(weights);
}

static const uint64_t edges[] = {0, 1, 63, 64, 127, 128, 4096, 0x7fffffff, 0x80000000u, 0xffffffffu, 0x7fffffffffffffff, 0xffffffffffffffff,
                                 0xffffffffffffff80, 0x8000000000000000};

enum { HEADER, TABLE, SHORT, LONG, FOREIGN, RANDOM, SECTION, FORGED, KINDS };
static const char *const names[KINDS] = {"header", "table", "short", "long", "foreign", "random", "section", "forged"};

int main(int count, char **arguments)
{
    static unsigned char good[1 << 20];
    long statuses[64] = {0}, accepted[KINDS] = {0}, trials = count == 3 ? atol(arguments[2]) : 0;
    FILE *file = count == 3 ? fopen(arguments[1], "rb") : NULL;
    size_t good_size = file ? fread(good, 1, sizeof good, file) : 0, table;
    unsigned sum = 0;
    if (good_size < KK_HEADER_BYTES)
        return 2;
    fclose(file);
    table = (size_t)kk_read_u64(good + 24);
    for (long trial = 0; trial < trials; trial++) {
        int kind = (int)(trial % KINDS);
        size_t size = kind == SHORT ? next((uint32_t)good_size) : kind == LONG ? good_size + 1 + next(200) : good_size, at;
        unsigned char *data = malloc(size + 1);
        void *exact = NULL;
        kk_weights weights;
        kk_status status;
        if (data == NULL || posix_memalign(&exact, 64, size > 0 ? size : 1) != 0)
            return 2;
        memset(data, 0, size);
        memcpy(data, good, size < good_size ? size : good_size);
        if (kind == HEADER || kind == TABLE || kind == SECTION) {
            size_t first = kind == HEADER ? 0 : kind == TABLE ? table : 128, end = kind == HEADER ? 72 : kind == TABLE ? size : table;
            do
                at = first + next((uint32_t)(end - first));
            while (kind == SECTION && at - 128 >= 4000); /* the first section; padding has no checksum */
            data[at] ^= (unsigned char)(1 + next(255));
        } else if (kind == FOREIGN) {
            data[next(8)] ^= 1;
        } else if (kind == RANDOM) {
            for (at = trial % 2 ? 8 : 0; at < size; at++)
                data[at] = (unsigned char)next(256);
        } else if (kind == FORGED) {
            for (int changes = 1 + (int)next(3); changes > 0; changes--) {
                uint64_t value = next(2) ? edges[next(sizeof edges / sizeof *edges)] : next((uint32_t)(2 * size)) / 64 * 64;
                if (next(3) == 0)
                    put_u32(data + 12, (uint32_t)value);
                else if (next(3) == 0)
                    put_u64(data + 24, value);
                else
                    put_u64(data + table + next((uint32_t)((size - table) / 8)) * 8, value);
            }
            seal(data, size);
        }
        /* Exactly its size, so that the sanitizer sees a read of the first byte beyond. */
        memcpy(exact, data, size);
        status = kk_weights_view(&weights, exact, size, good + 32);
        statuses[status]++;
        if (status == KK_OK) {
            accepted[kind]++;
            sum += touch(&weights);
            if (kind == SECTION && kk_weights_check(&weights) != KK_ERROR_WEIGHTS)
                return 1;
        } else if (weights.data != NULL || kk_weights_section(&weights, 0, NULL) != NULL) {
            return 1;
        }
        kk_weights_close(&weights);
        free(exact);
        free(data);
    }
    for (int kind = 0; kind < KINDS; kind++)
        printf("%s %ld %ld\n", names[kind], trials / KINDS, accepted[kind]);
    for (int i = 0; i < 64; i++)
        if (statuses[i])
            printf("status %d %ld\n", i, statuses[i]);
    return sum == 12345;
}
