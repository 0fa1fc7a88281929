/* The vector vocabulary: 16 logical float32 lanes on every target.

   A source that computes includes this header before it defines any function, and ends with
   #include "kk_simd_end.h". Everything between the two is compiled for one level, with the contraction of
   a*b+c switched off by the source itself: a fused multiply-add happens where kk_fma or kk_fnma is written and
   nowhere else, whatever the compiler's flags say (clang's explicit -ffp-contract=fast excepted, which ignores the source).

   Level: KK_LEVEL_AVX512 or KK_LEVEL_AVX2 defined by the source (x86-64 only); else NEON on aarch64; else plain C.
   KK_LEVEL_NAME is avx512, avx2, neon or plain; KK_LEVEL_TEXT is the same as a string;
   KK_FUSED is 1 where kk_fma rounds once. With KK_FUSED == 1 every function here gives the same bits on every level
   (the sign and payload of a NaN excepted).

   Shared rules:
   - loads and stores take any alignment; a count n is 0..16, and nothing beyond p[n - 1] is touched;
   - kk_max(a, b) is a > b ? a : b and kk_min(a, b) is a < b ? a : b: the second operand wins when either is NaN or when both are zeros;
     kk_max_nan and kk_min_nan give NaN when either operand is NaN;
   - comparisons are false when either operand is NaN, except kk_ne, which is true;
   - kk_to_i32 rounds to nearest even; NaN and what int32 cannot hold give INT32_MIN;
   - int32 arithmetic wraps; shift counts are literals 0..31; kk_i32_shr shifts zeros in, kk_i32_sar the sign;
   - kk_sum adds in one fixed tree: lane i + lane i+8, then i+4, i+2, i+1. kk_hmax takes kk_max in that tree. */
#ifndef KK_SIMD_H
#define KK_SIMD_H

#if defined(__clang__)
#if defined(__FAST_MATH__)
#error "-ffast-math breaks the arithmetic of these kernels, and clang lets no source switch it off: compile without it"
#endif
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
/* Loops over other types than float32 are the compiler's to vectorise; at -O2 gcc does so only where no check is needed. */
#pragma GCC optimize("fp-contract=off", "no-fast-math", "no-math-errno", "tree-vectorize", "vect-cost-model=dynamic")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(KK_LEVEL_AVX512) || defined(KK_LEVEL_AVX2)
#include <immintrin.h>
#elif defined(__aarch64__) && !defined(KK_LEVEL_PLAIN)
#define KK_LEVEL_NEON 1
#include <arm_neon.h>
#elif !defined(KK_LEVEL_PLAIN)
#define KK_LEVEL_PLAIN 1
#endif

#if defined(__GNUC__) || defined(__clang__)
#define KK_INLINE static inline __attribute__((always_inline, unused))
#define KK_NOINLINE static __attribute__((noinline, unused))
#define kk_prefetch(address) __builtin_prefetch(address)
#elif defined(_MSC_VER)
#define KK_INLINE static __forceinline
#define KK_NOINLINE static __declspec(noinline)
#define kk_prefetch(address) ((void)(address))
#else
#define KK_INLINE static inline
#define KK_NOINLINE static
#define kk_prefetch(address) ((void)(address))
#endif

/* What lies `count` elements behind an address; there may be nothing. */
#define kk_prefetch_next(address, count) kk_prefetch((const void *)((uintptr_t)(address) + sizeof *(address) * (size_t)(count)))

#if defined(KK_LEVEL_AVX512)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
#define KK_LEVEL_NAME avx512
#define KK_LEVEL_TEXT "avx512"
#define KK_FUSED 1
#include "kk_simd_avx512.h"

#elif defined(KK_LEVEL_AVX2)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2,fma,f16c")
#endif
#define KK_LEVEL_NAME avx2
#define KK_LEVEL_TEXT "avx2"
#define KK_FUSED 1
#include "kk_simd_avx2.h"

#elif defined(KK_LEVEL_NEON)
#define KK_LEVEL_NAME neon
#define KK_LEVEL_TEXT "neon"
#define KK_FUSED 1
#include "kk_simd_neon.h"

#else
#define KK_LEVEL_NAME plain
#define KK_LEVEL_TEXT "plain"
#if (defined(__GNUC__) || defined(__clang__)) && !defined(KK_PLAIN_LOOPS)
#include "kk_simd_gnu.h"
#else
#include "kk_simd_plain.h"
#endif
#endif

/* What is one expression of the above on every level. */
KK_INLINE kk_f32 kk_zero(void) { return kk_set1(0.0f); }
/* Where a reduction hands in its result so far as the second operand, no comparison waits for it. */
KK_INLINE kk_f32 kk_max_nan(kk_f32 a, kk_f32 b) { return kk_select(kk_ne(a, a), a, kk_max(a, b)); }
KK_INLINE kk_f32 kk_min_nan(kk_f32 a, kk_f32 b) { return kk_select(kk_ne(a, a), a, kk_min(a, b)); }

/* -|a|: one instruction where kk_neg of kk_abs is two. */
KK_INLINE kk_f32 kk_neg_abs(kk_f32 a) { return kk_from_bits(kk_i32_or(kk_bits(a), kk_i32_set1(INT32_MIN))); }

/* |magnitude| with the sign bit of sign. */
KK_INLINE kk_f32 kk_copysign(kk_f32 magnitude, kk_f32 sign)
{
    kk_i32 sign_bit = kk_i32_set1(INT32_MIN);
#if defined(KK_LEVEL_AVX512)
    return kk_from_bits(_mm512_ternarylogic_epi32(sign_bit, kk_bits(sign), kk_bits(magnitude), 0xca)); /* sign_bit ? sign : magnitude */
#else
    return kk_from_bits(kk_i32_or(kk_bits(kk_abs(magnitude)), kk_i32_and(kk_bits(sign), sign_bit)));
#endif
}

#endif
