/* The checksum of weights files and tokenizer tables. */
#ifndef KK_CRC32_H
#define KK_CRC32_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CRC-32 of IEEE 802.3, as in zlib, of `size` bytes. Tables of 8 KB are made on the stack at each call: there is no state to share. */
uint32_t kk_crc32(const unsigned char *bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
