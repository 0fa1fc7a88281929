/* UTF-8, one character at a time. */
#ifndef KK_UNICODE_H
#define KK_UNICODE_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KK_REPLACEMENT_CHARACTER 0xFFFDu

/* What can follow: how many more bytes a character has after this first byte (0 for ASCII), and the least and the
   greatest second byte (table 3-7 of the Unicode standard). A byte that begins no character gives -1. */
static inline int kk_utf8_following(unsigned first, unsigned *least, unsigned *greatest)
{
    *least = 0x80;
    *greatest = 0xBF;
    if (first < 0x80)
        return 0;
    if (first < 0xC2 || first > 0xF4)
        return -1;
    if (first < 0xE0)
        return 1;
    if (first < 0xF0) {
        if (first == 0xE0)
            *least = 0xA0;
        if (first == 0xED)
            *greatest = 0x9F;
        return 2;
    }
    if (first == 0xF0)
        *least = 0x90;
    if (first == 0xF4)
        *greatest = 0x8F;
    return 3;
}

/* Reads the character at text, which ends at end (text < end). Returns its length in bytes; what is no character
   is one byte long and reads as U+FFFD. */
static inline size_t kk_utf8_read(const unsigned char *text, const unsigned char *end, uint32_t *code_point)
{
    unsigned least, greatest;
    int following = kk_utf8_following(text[0], &least, &greatest);
    *code_point = text[0];
    if (following == 0)
        return 1;
    if (following < 0 || end - text <= following || text[1] < least || text[1] > greatest) {
        *code_point = KK_REPLACEMENT_CHARACTER;
        return 1;
    }
    uint32_t value = text[0] & (0x3Fu >> following);
    for (int i = 1; i <= following; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            *code_point = KK_REPLACEMENT_CHARACTER;
            return 1;
        }
        value = value << 6 | (text[i] & 0x3Fu);
    }
    *code_point = value;
    return (size_t)following + 1;
}

/* Where the character that ends at text begins; it is not before begin (begin < text). */
static inline const unsigned char *kk_utf8_previous(const unsigned char *begin, const unsigned char *text)
{
    const unsigned char *at = text - 1;
    while (at > begin && text - at < 4 && (*at & 0xC0) == 0x80)
        at--;
    return at;
}

/* Writes a code point (below 0x110000) as UTF-8 and returns its length, 4 bytes at most. */
static inline size_t kk_utf8_write(unsigned char *text, uint32_t code_point)
{
    if (code_point < 0x80) {
        text[0] = (unsigned char)code_point;
        return 1;
    }
    size_t following = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
    static const unsigned char first[4] = {0, 0xC0, 0xE0, 0xF0};
    text[0] = (unsigned char)(first[following] | code_point >> 6 * following);
    for (size_t i = 1; i <= following; i++)
        text[i] = (unsigned char)(0x80 | (code_point >> 6 * (following - i) & 0x3F));
    return following + 1;
}

/* Where the run of ASCII that begins at text ends. */
static inline const unsigned char *kk_ascii_end(const unsigned char *text, const unsigned char *end)
{
    uint64_t eight;
    while (end - text >= 8) {
        memcpy(&eight, text, 8);
        if (eight & 0x8080808080808080u)
            break;
        text += 8;
    }
    while (text < end && *text < 0x80)
        text++;
    return text;
}

/* Whether the bytes are UTF-8 throughout. */
static inline int kk_utf8_valid(const unsigned char *text, size_t bytes)
{
    const unsigned char *end = text + bytes;
    while (text < end) {
        uint32_t code_point;
        uint64_t eight;
        /* Mostly ASCII: eight bytes at a look. */
        if (end - text >= 8) {
            memcpy(&eight, text, 8);
            if ((eight & 0x8080808080808080u) == 0) {
                text += 8;
                continue;
            }
        }
        size_t length = kk_utf8_read(text, end, &code_point);
        if (length == 1 && code_point == KK_REPLACEMENT_CHARACTER)
            return 0;
        text += length;
    }
    return 1;
}

#endif
