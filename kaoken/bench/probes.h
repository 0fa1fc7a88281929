/* What a processor can do at most: multiply-adds from registers, and reading memory once. Written against the vector vocabulary, so
   that the limits are those of the level that the kernels run at. Needs kk_simd.h. */
#ifndef KAOKEN_PROBES_H
#define KAOKEN_PROBES_H

#define PROBE_FMA_STEPS 1000000
#define PROBE_FMA_FLOP (12.0 * 16 * 2 * PROBE_FMA_STEPS)

/* Keeps the compiler from dropping or joining what computes v. */
#define KEEP(v) __asm__ volatile("" : "+m"(v))

/* PROBE_FMA_STEPS times 16 independent multiply-adds of a vector (as many as hide the latency twice over). */
static float probe_fma(void)
{
    /* Every lane starts differently and from memory, or the compiler computes equal halves of a vector once. */
    float start[12 * 16];
    for (int i = 0; i < 12 * 16; i++)
        start[i] = (float)i;
    const float *p = start;
    KEEP(p);
    kk_f32 a0 = kk_load(p), a1 = kk_load(p + 16), a2 = kk_load(p + 32), a3 = kk_load(p + 48), a4 = kk_load(p + 64), a5 = kk_load(p + 80);
    kk_f32 a6 = kk_load(p + 96), a7 = kk_load(p + 112), a8 = kk_load(p + 128), a9 = kk_load(p + 144), a10 = kk_load(p + 160);
    kk_f32 a11 = kk_load(p + 176);
    float scale = 0.999f, add = 1e-3f;
    KEEP(scale);
    KEEP(add);
    const kk_f32 x = kk_set1(scale), y = kk_set1(add);
#if defined(KK_LEVEL_AVX512)
    for (int64_t i = 0; i < PROBE_FMA_STEPS; i++) {
        a0 = kk_fma(a0, x, y), a1 = kk_fma(a1, x, y), a2 = kk_fma(a2, x, y), a3 = kk_fma(a3, x, y);
        a4 = kk_fma(a4, x, y), a5 = kk_fma(a5, x, y), a6 = kk_fma(a6, x, y), a7 = kk_fma(a7, x, y);
        a8 = kk_fma(a8, x, y), a9 = kk_fma(a9, x, y), a10 = kk_fma(a10, x, y), a11 = kk_fma(a11, x, y);
    }
#else
    for (int64_t i = 0; i < 2 * PROBE_FMA_STEPS; i++) { /* 16 registers: six vectors of two */
        a0 = kk_fma(a0, x, y), a1 = kk_fma(a1, x, y), a2 = kk_fma(a2, x, y);
        a3 = kk_fma(a3, x, y), a4 = kk_fma(a4, x, y), a5 = kk_fma(a5, x, y);
    }
#endif
    a0 = kk_add(kk_add(kk_add(a0, a1), kk_add(a2, a3)), kk_add(kk_add(a4, a5), kk_add(a6, a7)));
    return kk_sum(kk_add(a0, kk_add(kk_add(a8, a9), kk_add(a10, a11))));
}

/* Reads a thread's share of the buffer once, in 1, 4 or 8 streams; the largest of what it read, so that nothing is dropped. */
static float probe_read(const float *p, int64_t floats, int streams)
{
    kk_f32 a0 = kk_zero(), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
    const int64_t s = floats / streams / 16 * 16;
    if (streams == 1)
        for (int64_t i = 0; i < s; i += 32)
            a0 = kk_max(a0, kk_load(p + i)), a1 = kk_max(a1, kk_load(p + i + 16));
    else if (streams == 4)
        for (int64_t i = 0; i < s; i += 16) {
            a0 = kk_max(a0, kk_load(p + i)), a1 = kk_max(a1, kk_load(p + s + i));
            a2 = kk_max(a2, kk_load(p + 2 * s + i)), a3 = kk_max(a3, kk_load(p + 3 * s + i));
        }
    else
        for (int64_t i = 0; i < s; i += 16) {
            a0 = kk_max(a0, kk_load(p + i)), a1 = kk_max(a1, kk_load(p + s + i));
            a2 = kk_max(a2, kk_load(p + 2 * s + i)), a3 = kk_max(a3, kk_load(p + 3 * s + i));
            a4 = kk_max(a4, kk_load(p + 4 * s + i)), a5 = kk_max(a5, kk_load(p + 5 * s + i));
            a6 = kk_max(a6, kk_load(p + 6 * s + i)), a7 = kk_max(a7, kk_load(p + 7 * s + i));
        }
    a0 = kk_max(kk_max(kk_max(a0, a1), kk_max(a2, a3)), kk_max(kk_max(a4, a5), kk_max(a6, a7)));
    return kk_hmax(a0);
}

#endif
