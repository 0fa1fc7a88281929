/* Natural numbers of a few thousand bits, for decimal numbers that are read and written exactly. */
#ifndef KK_BIG_INTEGER_H
#define KK_BIG_INTEGER_H

#include "kk_prefix.h"

#include <stdint.h>
#include <string.h>

/* Room for 10^1150 times 2^64. */
#define KK_BIG_WORDS 128

/* words[0] is the lowest; those from `count` on mean nothing. */
typedef struct kk_big {
    int count;
    uint32_t words[KK_BIG_WORDS];
} kk_big;

static inline void kk_big_set(kk_big *a, uint64_t value)
{
    a->count = 0;
    for (; value != 0; value >>= 32)
        a->words[a->count++] = (uint32_t)value;
}

/* a = a * factor + more; what would not fit is cut off. */
static inline void kk_big_multiply(kk_big *a, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;
    for (int i = 0; i < a->count; i++) {
        carry += (uint64_t)a->words[i] * factor;
        a->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0 && a->count < KK_BIG_WORDS)
        a->words[a->count++] = (uint32_t)carry;
}

static inline void kk_big_times_power_of_ten(kk_big *a, int64_t exponent)
{
    for (; exponent >= 9; exponent -= 9)
        kk_big_multiply(a, 1000000000u, 0);
    for (; exponent > 0; exponent--)
        kk_big_multiply(a, 10, 0);
}

static inline int64_t kk_big_bits(const kk_big *a)
{
    int64_t bits = 32 * (int64_t)a->count;
    if (a->count > 0)
        for (uint32_t top = a->words[a->count - 1]; !(top & 0x80000000u); top <<= 1)
            bits--;
    return bits;
}

/* a = a * 2^bits; what would not fit is cut off. */
static inline void kk_big_shift(kk_big *a, int64_t bits)
{
    int64_t words = bits / 32;
    if (words > KK_BIG_WORDS - a->count)
        words = KK_BIG_WORDS - a->count;
    if (a->count == 0 || bits <= 0)
        return;
    memmove(a->words + words, a->words, sizeof a->words[0] * (size_t)a->count);
    memset(a->words, 0, sizeof a->words[0] * (size_t)words);
    a->count += (int)words;
    kk_big_multiply(a, (uint32_t)1 << (bits % 32), 0);
}

/* Below, at or above 0 as a is below, at or above b. */
static inline int kk_big_compare(const kk_big *a, const kk_big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--)
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i] ? -1 : 1;
    return 0;
}

static inline void kk_big_trim(kk_big *a)
{
    while (a->count > 0 && a->words[a->count - 1] == 0)
        a->count--;
}

/* a = a - b, where b is not above a. */
static inline void kk_big_subtract(kk_big *a, const kk_big *b)
{
    uint64_t borrow = 0;
    for (int i = 0; i < a->count; i++) {
        const uint64_t taken = borrow + (i < b->count ? b->words[i] : 0);
        borrow = a->words[i] < taken;
        a->words[i] = (uint32_t)(a->words[i] - taken);
    }
    kk_big_trim(a);
}

/* sum = a + b; what would not fit is cut off. */
static inline void kk_big_add(kk_big *sum, const kk_big *a, const kk_big *b)
{
    uint64_t carry = 0;
    const int count = a->count > b->count ? a->count : b->count;
    sum->count = 0;
    for (int i = 0; i < count; i++) {
        carry += (uint64_t)(i < a->count ? a->words[i] : 0) + (i < b->count ? b->words[i] : 0);
        sum->words[sum->count++] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0 && sum->count < KK_BIG_WORDS)
        sum->words[sum->count++] = (uint32_t)carry;
}

#endif
