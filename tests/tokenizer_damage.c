/* Opens tokenizer tables that were changed at random, with the checksum put right again, and uses whatever opens.
   Arguments: tables, texts (separated by zero bytes), rounds. Prints how many opened and how many were refused. Built
   with the sanitizers: the first access outside the tables or the buffers ends it. */
#include "kk_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of the header before the directory, and arrays in that. */
enum { NUMBERS = 21, ARRAYS = KK_TOKENIZER_ARRAYS, DIRECTORY = 4 * NUMBERS, HEADER = DIRECTORY + 8 * ARRAYS };

static uint64_t state = 1;

static uint64_t random_below(uint64_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % limit;
}

static unsigned char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        exit(2);
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*bytes + 1);
    if (data == NULL || fread(data, 1, *bytes, file) != *bytes)
        exit(2);
    data[*bytes] = 0;
    fclose(file);
    return data;
}

static void put32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t checksum(const unsigned char *data, size_t bytes)
{
    static uint32_t table[256];
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; table[1] == 0 || i < 256; i++) {
        uint32_t value = i & 255;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
        table[i & 255] = value;
    }
    for (size_t i = 0; i < bytes; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xFF];
    return ~crc;
}

/* Changes a number of the header, of the directory's arrays (each as likely as the others), or cuts the end. */
static void damage(unsigned char *tables, size_t bytes, const unsigned char *whole)
{
    uint64_t kind = random_below(16);
    unsigned char *at;
    if (kind == 0) {
        at = tables + (random_below(8) ? 16 + random_below(HEADER - 16) : 8);
    } else {
        const unsigned char *entry = whole + DIRECTORY + 8 * random_below(ARRAYS);
        uint32_t first = get32(entry), next = (uint32_t)bytes;
        for (int i = 0; i < ARRAYS; i++) {
            uint32_t other = get32(whole + DIRECTORY + 8 * i);
            if (other > first && other < next)
                next = other;
        }
        if (next <= first)
            return;
        at = tables + first + random_below(next - first);
    }
    switch (random_below(4)) {
    case 0: *at ^= (unsigned char)(1u << random_below(8)); break;
    case 1: *at = 0xFF; break;
    case 2: *at = (unsigned char)random_below(256); break;
    default:
        if (at + 4 <= tables + bytes)
            put32(at, random_below(2) ? 0xFFFFFFFFu : (uint32_t)random_below(1000));
    }
}

static void use(const kk_tokenizer *tokenizer, const char *texts, size_t bytes)
{
    const char *end = texts + bytes;
    for (const char *text = texts; text < end; text += strlen(text) + 1) {
        size_t length = strlen(text), count, given;
        size_t scratch_bytes = kk_tokenizer_scratch(tokenizer, length), capacity = 4 * length + 8;
        void *scratch = malloc(scratch_bytes);
        int64_t *ids = malloc(capacity * sizeof *ids), *types = malloc(capacity * sizeof *types);
        char *decoded = malloc(64 * capacity);
        if (scratch == NULL || ids == NULL || types == NULL || decoded == NULL)
            exit(2);
        const int two = (int)random_below(2);
        const kk_text_pair pair = {text, length, two ? text : NULL, two ? random_below(length + 1) : 0};
        (void)kk_tokenizer_encode_pair(tokenizer, &pair, (int)random_below(4), scratch, scratch_bytes, ids, types,
                                       random_below(2) ? capacity : random_below(16), &count);
        (void)kk_tokenizer_encode(tokenizer, text, length, 1, scratch, scratch_bytes, ids, capacity, &count);
        for (size_t i = 0; i < capacity; i++)
            if (i >= count)
                ids[i] = (int64_t)random_below(1000);
        (void)kk_tokenizer_decode(tokenizer, ids, capacity, (int)random_below(2), decoded, 64 * capacity, &given);
        free(scratch);
        free(ids);
        free(types);
        free(decoded);
    }
}

int main(int argc, char **argv)
{
    size_t bytes, text_bytes;
    long opened = 0, refused = 0;
    if (argc != 4)
        return 2;
    unsigned char *whole = read_file(argv[1], &bytes);
    unsigned char *texts = read_file(argv[2], &text_bytes);
    for (long round = atol(argv[3]); round > 0; round--) {
        size_t kept = random_below(20) == 0 ? HEADER + random_below(bytes - HEADER) : bytes;
        unsigned char *tables = malloc(bytes);
        kk_tokenizer tokenizer;
        if (tables == NULL)
            return 2;
        memcpy(tables, whole, bytes);
        for (uint64_t i = random_below(3); i < 3 && kept == bytes; i++)
            damage(tables, bytes, whole);
        if (kept < bytes)
            put32(tables + 16, (uint32_t)kept);
        uint32_t stated = get32(tables + 16);
        if (stated >= 16 && stated <= bytes)
            put32(tables + 12, checksum(tables + 16, stated - 16));
        unsigned char *exact = malloc(kept);
        if (exact == NULL)
            return 2;
        memcpy(exact, tables, kept);
        if (kk_tokenizer_open(exact, kept, &tokenizer) == KK_OK) {
            opened++;
            use(&tokenizer, (const char *)texts, text_bytes);
        } else {
            refused++;
        }
        free(exact);
        free(tables);
    }
    printf("%ld opened, %ld refused\n", opened, refused);
    free(whole);
    free(texts);
    return 0;
}
