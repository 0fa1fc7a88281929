/* Integers as ONNX and Python define them, without undefined behaviour whatever the operands: results wrap around, and a division
   by 0 gives 0. Types of 32 bits and fewer are passed as int64; a cast back wraps to their width, since gcc, clang and MSVC define
   conversion to a signed type to keep the low bits. */
#ifndef KK_INTEGER_H
#define KK_INTEGER_H

#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define KK_UNUSED __attribute__((unused))
#else
#define KK_UNUSED
#endif

static inline KK_UNUSED int64_t kk_add_i64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline KK_UNUSED int64_t kk_sub_i64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static inline KK_UNUSED int64_t kk_mul_i64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

/* Division towards zero; 0 where the divisor is 0; the one overflow wraps. */
static inline KK_UNUSED int64_t kk_div_i64(int64_t a, int64_t b)
{
    if (b == 0)
        return 0;
    return b == -1 ? kk_sub_i64(0, a) : a / b;
}

/* What division towards zero leaves: it has the dividend's sign. */
static inline KK_UNUSED int64_t kk_fmod_i64(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }

/* Division towards minus infinity, and what it leaves, which has the divisor's sign. */
static inline KK_UNUSED int64_t kk_floordiv_i64(int64_t a, int64_t b)
{
    const int64_t quotient = kk_div_i64(a, b);
    return kk_fmod_i64(a, b) != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

static inline KK_UNUSED int64_t kk_mod_i64(int64_t a, int64_t b)
{
    const int64_t rest = kk_fmod_i64(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static inline KK_UNUSED uint64_t kk_div_u64(uint64_t a, uint64_t b) { return b == 0 ? 0 : a / b; }
static inline KK_UNUSED uint64_t kk_mod_u64(uint64_t a, uint64_t b) { return b == 0 ? 0 : a % b; }

static inline KK_UNUSED int64_t kk_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline KK_UNUSED int64_t kk_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline KK_UNUSED uint64_t kk_max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline KK_UNUSED uint64_t kk_min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline KK_UNUSED int64_t kk_abs_i64(int64_t a) { return a < 0 ? kk_sub_i64(0, a) : a; }
static inline KK_UNUSED int64_t kk_sign_i64(int64_t a) { return (a > 0) - (a < 0); }

/* a to the power b, modulo 2^64. */
static inline KK_UNUSED uint64_t kk_pow_u64(uint64_t a, uint64_t b)
{
    uint64_t power = 1;
    for (; b != 0; b /= 2, a *= a)
        if (b % 2 != 0)
            power *= a;
    return power;
}

/* A negative exponent gives 1 / a**-b towards zero: 0 unless a is 1 or -1. */
static inline KK_UNUSED int64_t kk_pow_i64(int64_t a, int64_t b)
{
    if (b >= 0)
        return (int64_t)kk_pow_u64((uint64_t)a, (uint64_t)b);
    return a == 1 ? 1 : a == -1 ? (b % 2 != 0 ? -1 : 1) : 0;
}

/* Shifts of a type of `bits` bits: by its width or more, or by less than 0, leaves 0, or to the right of a signed type its sign. */
static inline KK_UNUSED uint64_t kk_shift_left_u64(uint64_t a, uint64_t by, unsigned bits) { return by >= bits ? 0 : a << by; }
static inline KK_UNUSED uint64_t kk_shift_right_u64(uint64_t a, uint64_t by, unsigned bits) { return by >= bits ? 0 : a >> by; }
static inline KK_UNUSED int64_t kk_shift_left_i64(int64_t a, int64_t by, unsigned bits)
{
    return (int64_t)kk_shift_left_u64((uint64_t)a, (uint64_t)by, bits);
}
static inline KK_UNUSED int64_t kk_shift_right_i64(int64_t a, int64_t by, unsigned bits)
{
    const uint64_t steps = (uint64_t)by >= bits ? bits - 1 : (uint64_t)by;
    return a < 0 ? (int64_t)~(~(uint64_t)a >> steps) : a >> steps;
}

/* 64 random bits for each counter: two words of Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). */
static inline KK_UNUSED uint64_t kk_random_bits(uint64_t key, uint64_t counter)
{
    uint32_t word[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    uint32_t keys[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)word[0] * 0xD2511F53u, b = (uint64_t)word[2] * 0xCD9E8D57u;
        word[0] = (uint32_t)(b >> 32) ^ word[1] ^ keys[0];
        word[1] = (uint32_t)b;
        word[2] = (uint32_t)(a >> 32) ^ word[3] ^ keys[1];
        word[3] = (uint32_t)a;
        keys[0] += 0x9E3779B9u;
        keys[1] += 0xBB67AE85u;
    }
    return word[0] | (uint64_t)word[1] << 32;
}

/* An index as ONNX defines it: a negative one counts from the end. */
static inline KK_UNUSED int64_t kk_wrap_index(int64_t index, int64_t extent) { return index < 0 ? kk_add_i64(index, extent) : index; }

/* An index that was computed from data, kept inside 0..extent-1 so that no read leaves the tensor. */
static inline KK_UNUSED int64_t kk_clamp_index(int64_t index, int64_t extent)
{
    return index < 0 ? 0 : index >= extent ? extent - 1 : index;
}

/* Where the share of thread `index` of `threads` begins, in whole vectors: its end is where the next one's begins. */
static inline KK_UNUSED int64_t kk_share(int64_t count, int64_t index, int64_t threads)
{
    return index == threads ? count : count / 16 * index / threads * 16;
}

/* How wide to make bands of columns, of which there are so many in each of `rows`: the widest that leaves every thread a band, from the narrowest
   on, as a multiple of 16. */
static inline KK_UNUSED int64_t kk_band(int64_t columns, int64_t rows, int64_t threads, int64_t narrowest, int64_t widest)
{
    const int64_t share = (columns * rows / threads + 15) / 16 * 16;
    return kk_min_i64(kk_max_i64(narrowest, kk_min_i64(share, widest)), (columns + 15) / 16 * 16);
}

#endif
