/* The weights file: named sections of packed weights, mapped read-only, or in the caller's memory.

   Layout, all numbers little-endian (written by kaoken/emit/weights.py):
     0   8   89 4B 41 4F 4B 45 4E 0A, which is "\x89KAOKEN\n"
     8   4   layout version: 1
     12  4   number of sections
     16  8   size of the file in bytes
     24  8   offset of the table
     32  32  hash of the model
     64  4   CRC-32 (as in zlib) of the table
     68  4   CRC-32 of the bytes 0..67
     72  56  zeros
     128     sections, each at a multiple of 64, ascending, zeros between; then the table, which ends the file:
   a section's entry: offset (8), size in bytes (8), CRC-32 of its bytes (4), length of its name (4), name padded with zeros (72). */
#ifndef KK_WEIGHTS_H
#define KK_WEIGHTS_H

#include "kk_platform.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KK_WEIGHTS_VERSION 1
#define KK_WEIGHTS_HASH_BYTES 32

/* Opened weights; the fields are private. Several handles may read one at the same time. */
typedef struct kk_weights {
    const unsigned char *data, *table;
    uint32_t count;
    kk_mapping mapping; /* cleared when the memory is the caller's */
} kk_weights;

/* Maps a weights file and checks its header and table (not the sections' bytes: time does not depend on the size).
   hash: KK_WEIGHTS_HASH_BYTES bytes that the file must carry. On error *weights is cleared, and the status says which:
   KK_ERROR_ARGUMENT: a null pointer. KK_ERROR_FILE: cannot be opened or mapped. KK_ERROR_WEIGHTS_FOREIGN: another kind of file.
   KK_ERROR_WEIGHTS_VERSION: another layout. KK_ERROR_WEIGHTS_SHORT: its size is not what it says. KK_ERROR_WEIGHTS_MODEL: another hash.
   KK_ERROR_WEIGHTS: header or table damaged. KK_ERROR_CPU: a big-endian processor. */
kk_status kk_weights_open(kk_weights *weights, const char *path, const unsigned char *hash);

/* The same for a weights file that lies in memory at `data`, 64-byte aligned (else KK_ERROR_ARGUMENT), until kk_weights_close. */
kk_status kk_weights_view(kk_weights *weights, const void *data, size_t size, const unsigned char *hash);

/* Unmaps; pointers into the sections end with it. Cleared weights are left alone. */
void kk_weights_close(kk_weights *weights);

/* A section's bytes, 64-byte aligned, and its size (size may be null); null when there is no such section. */
const void *kk_weights_section(const kk_weights *weights, uint32_t index, size_t *size);
const void *kk_weights_find(const kk_weights *weights, const char *name, size_t *size);

/* Reads every section once and compares its checksum: KK_ERROR_WEIGHTS when a byte has changed. */
kk_status kk_weights_check(const kk_weights *weights);

#ifdef __cplusplus
}
#endif

#endif
