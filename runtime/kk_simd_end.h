/* Ends what kk_simd.h began: the last line of every source that includes kk_simd.h. */
#if defined(KK_SIMD_H) && !defined(KK_SIMD_ENDED)
#define KK_SIMD_ENDED
#if defined(__clang__)
#if defined(KK_LEVEL_AVX512) || defined(KK_LEVEL_AVX2)
#pragma clang attribute pop
#endif
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#endif
