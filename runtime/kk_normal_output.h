/* Where a step of the normalizer writes. Part of the tokenizer; not for callers. */
#ifndef KK_NORMAL_OUTPUT_H
#define KK_NORMAL_OUTPUT_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kk_unicode.h"

/* Writes from `at` on; full is set, and nothing more written, when there is no room. */
typedef struct kk_normal_output {
    unsigned char *at, *end;
    int full;
} kk_normal_output;

static inline void kk_output_bytes(kk_normal_output *out, const unsigned char *bytes, size_t count)
{
    if ((size_t)(out->end - out->at) < count) {
        out->full = 1;
        out->end = out->at;
        return;
    }
    memcpy(out->at, bytes, count);
    out->at += count;
}

static inline void kk_output_character(kk_normal_output *out, uint32_t code_point)
{
    unsigned char bytes[4];
    kk_output_bytes(out, bytes, kk_utf8_write(bytes, code_point));
}

#endif
