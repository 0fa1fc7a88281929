/* Results that are far larger than the caches: whole lines of them go to memory without being read first and without driving out what
   lies in the caches. Needs kk_simd.h.

   A kernel asks once whether its result is such (kk_is_far), passes the answer on, and ends with kk_far_end, behind which other threads
   may read. Where the target has no such stores, or a result begins amid a line, all of it is stored as usual. */
#ifndef KK_FAR_H
#define KK_FAR_H

#define KK_LINE 64 /* bytes */

/* Such results leave nothing of themselves in most caches; what reads them next takes as long either way. */
#define KK_FAR_BYTES ((int64_t)32 << 20)

KK_INLINE int kk_begins_line(const void *p) { return (uintptr_t)p % KK_LINE == 0; }
KK_INLINE int kk_is_far(int64_t elements, size_t size) { return elements >= KK_FAR_BYTES / (int64_t)size; }

#if defined(KK_LEVEL_AVX512)
KK_INLINE void kk_copy_line(void *to, const void *from, int far)
{
    const __m512i line = _mm512_loadu_si512(from);
    if (far)
        _mm512_stream_si512((__m512i *)to, line);
    else
        _mm512_storeu_si512(to, line);
}
#elif defined(KK_LEVEL_AVX2)
KK_INLINE void kk_copy_line(void *to, const void *from, int far)
{
    const __m256i low = _mm256_loadu_si256((const __m256i *)from), high = _mm256_loadu_si256((const __m256i *)from + 1);
    if (far) {
        _mm256_stream_si256((__m256i *)to, low);
        _mm256_stream_si256((__m256i *)to + 1, high);
    } else {
        _mm256_storeu_si256((__m256i *)to, low);
        _mm256_storeu_si256((__m256i *)to + 1, high);
    }
}
#else
KK_INLINE void kk_copy_line(void *to, const void *from, int far)
{
    (void)far;
    memcpy(to, from, KK_LINE);
}
#endif

/* As memmove; `far`: the result that the bytes belong to is. */
KK_INLINE void kk_far_copy(void *to, const void *from, size_t bytes, int far)
{
    unsigned char *y = to;
    const unsigned char *x = from;
    const size_t begin = (0 - (uintptr_t)y) & (KK_LINE - 1);
    const int apart = (uintptr_t)y - (uintptr_t)x >= bytes; /* or y lies before x: then lines are read before they are written */
    if (far && apart && bytes >= begin + KK_LINE) {
        if (begin > 0)
            memmove(y, x, begin);
        for (y += begin, x += begin, bytes -= begin; bytes >= KK_LINE; y += KK_LINE, x += KK_LINE, bytes -= KK_LINE)
            kk_copy_line(y, x, 1);
    }
    if (bytes > 0)
        memmove(y, x, bytes);
}

/* After the last of a kernel's stores. */
KK_INLINE void kk_far_end(int far)
{
#if defined(KK_LEVEL_AVX512) || defined(KK_LEVEL_AVX2)
    if (far)
        _mm_sfence();
#else
    (void)far;
#endif
}

#endif
