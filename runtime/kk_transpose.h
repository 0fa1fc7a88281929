/* Matrices with rows and columns exchanged, for elements of 1, 2, 4 and 8 bytes whatever they are. Needs kk_simd.h.

   kk_transpose_BITS(y, y_stride, x, x_stride, rows, columns, far): y[c * y_stride + r] = x[r * x_stride + c] for r < rows and
   c < columns; strides in elements. x and y do not overlap. `far`: as kk_far.h says, and kk_far_end is the caller's.

   kk_repeat_BITS(y, x, count, times): y[c * times + r] = x[c] for c < count and r < times; the same without a step between rows.

   Registers of 16 bytes hold rows of small squares; interleaving register i with register i + half of them, as often as the side is a
   power of two, exchanges rows and columns. Squares that lie beside each other in x are taken together, so that whole lines of the cache
   are read, and the lines that will be written next are fetched before: the processor sees no pattern in them. */
#ifndef KK_TRANSPOSE_H
#define KK_TRANSPOSE_H

#include "kk_far.h"

#if defined(KK_LEVEL_AVX512) || defined(KK_LEVEL_AVX2)
typedef __m128i kk_bytes;
KK_INLINE kk_bytes kk_bytes_load(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
KK_INLINE void kk_bytes_store(void *p, kk_bytes a) { _mm_storeu_si128((__m128i *)p, a); }
#define kk_zip_low_8(a, b) _mm_unpacklo_epi8(a, b)
#define kk_zip_high_8(a, b) _mm_unpackhi_epi8(a, b)
#define kk_zip_low_16(a, b) _mm_unpacklo_epi16(a, b)
#define kk_zip_high_16(a, b) _mm_unpackhi_epi16(a, b)
#define kk_zip_low_32(a, b) _mm_unpacklo_epi32(a, b)
#define kk_zip_high_32(a, b) _mm_unpackhi_epi32(a, b)
#define kk_zip_low_64(a, b) _mm_unpacklo_epi64(a, b)
#define kk_zip_high_64(a, b) _mm_unpackhi_epi64(a, b)
#elif defined(KK_LEVEL_NEON)
typedef uint8x16_t kk_bytes;
KK_INLINE kk_bytes kk_bytes_load(const void *p) { return vld1q_u8((const uint8_t *)p); }
KK_INLINE void kk_bytes_store(void *p, kk_bytes a) { vst1q_u8((uint8_t *)p, a); }
#define kk_zip_low_8(a, b) vzip1q_u8(a, b)
#define kk_zip_high_8(a, b) vzip2q_u8(a, b)
#define KK_ZIP_NEON(bits)                                                                                                            \
    KK_INLINE kk_bytes kk_zip_low_##bits(kk_bytes a, kk_bytes b)                                                                     \
    {                                                                                                                                \
        return vreinterpretq_u8_u##bits(vzip1q_u##bits(vreinterpretq_u##bits##_u8(a), vreinterpretq_u##bits##_u8(b)));               \
    }                                                                                                                                \
    KK_INLINE kk_bytes kk_zip_high_##bits(kk_bytes a, kk_bytes b)                                                                    \
    {                                                                                                                                \
        return vreinterpretq_u8_u##bits(vzip2q_u##bits(vreinterpretq_u##bits##_u8(a), vreinterpretq_u##bits##_u8(b)));               \
    }
KK_ZIP_NEON(16)
KK_ZIP_NEON(32)
KK_ZIP_NEON(64)
#undef KK_ZIP_NEON
#else
typedef struct kk_bytes { unsigned char byte[16]; } kk_bytes;
KK_INLINE kk_bytes kk_bytes_load(const void *p)
{
    kk_bytes a;
    memcpy(a.byte, p, 16);
    return a;
}
KK_INLINE void kk_bytes_store(void *p, kk_bytes a) { memcpy(p, a.byte, 16); }
KK_INLINE kk_bytes kk_zip_plain(kk_bytes a, kk_bytes b, int from, int width)
{
    kk_bytes zipped;
    for (int i = 0; i < 16; i++) {
        const int at = from + i / (2 * width) * width + i % width;
        zipped.byte[i] = i / width % 2 ? b.byte[at] : a.byte[at];
    }
    return zipped;
}
#define kk_zip_low_8(a, b) kk_zip_plain(a, b, 0, 1)
#define kk_zip_high_8(a, b) kk_zip_plain(a, b, 8, 1)
#define kk_zip_low_16(a, b) kk_zip_plain(a, b, 0, 2)
#define kk_zip_high_16(a, b) kk_zip_plain(a, b, 8, 2)
#define kk_zip_low_32(a, b) kk_zip_plain(a, b, 0, 4)
#define kk_zip_high_32(a, b) kk_zip_plain(a, b, 8, 4)
#define kk_zip_low_64(a, b) kk_zip_plain(a, b, 0, 8)
#define kk_zip_high_64(a, b) kk_zip_plain(a, b, 8, 8)
#endif

/* Every step written out, so that the registers are registers without any compiler's help. */
#define KK_ZIP(bits, to, from, half, i) \
    to[2 * (i)] = kk_zip_low_##bits(from[i], from[(i) + half]), to[2 * (i) + 1] = kk_zip_high_##bits(from[i], from[(i) + half]);
#define KK_ZIP_2(bits, to, from, half, i) KK_ZIP(bits, to, from, half, i) KK_ZIP(bits, to, from, half, i + 1)
#define KK_ZIP_4(bits, to, from, half, i) KK_ZIP_2(bits, to, from, half, i) KK_ZIP_2(bits, to, from, half, i + 2)
#define KK_ZIP_8(bits, to, from, half, i) KK_ZIP_4(bits, to, from, half, i) KK_ZIP_4(bits, to, from, half, i + 4)
#define KK_EACH_2(do_this, i) do_this(i) do_this(i + 1)
#define KK_EACH_4(do_this, i) KK_EACH_2(do_this, i) KK_EACH_2(do_this, i + 2)
#define KK_EACH_8(do_this, i) KK_EACH_4(do_this, i) KK_EACH_4(do_this, i + 4)
#define KK_EACH_16(do_this, i) KK_EACH_8(do_this, i) KK_EACH_8(do_this, i + 8)
#define KK_LOAD_ROW(i) a[i] = kk_bytes_load(x + (i) * x_step);
#define KK_STORE_ROW(i) kk_bytes_store(y + (i) * y_step, a[i]);
#define KK_STORE_OTHER(i) kk_bytes_store(y + (i) * y_step, b[i]);

/* Squares of `side` rows; steps in bytes. */
#define KK_SQUARE(bits, side, zips, stored)                                                                                         \
    KK_INLINE void kk_square_##bits(unsigned char *y, int64_t y_step, const unsigned char *x, int64_t x_step)                       \
    {                                                                                                                               \
        kk_bytes a[side], b[side];                                                                                                  \
        KK_EACH_##side(KK_LOAD_ROW, 0) zips KK_EACH_##side(stored, 0)                                                               \
    }
#define KK_ZIPS_64 KK_ZIP(64, b, a, 1, 0)
#define KK_ZIPS_32 KK_ZIP_2(32, b, a, 2, 0) KK_ZIP_2(32, a, b, 2, 0)
#define KK_ZIPS_16 KK_ZIP_4(16, b, a, 4, 0) KK_ZIP_4(16, a, b, 4, 0) KK_ZIP_4(16, b, a, 4, 0)
#define KK_ZIPS_8 KK_ZIP_8(8, b, a, 8, 0) KK_ZIP_8(8, a, b, 8, 0) KK_ZIP_8(8, b, a, 8, 0) KK_ZIP_8(8, a, b, 8, 0)
KK_SQUARE(64, 2, KK_ZIPS_64, KK_STORE_OTHER)
KK_SQUARE(32, 4, KK_ZIPS_32, KK_STORE_ROW)
KK_SQUARE(16, 8, KK_ZIPS_16, KK_STORE_OTHER)
KK_SQUARE(8, 16, KK_ZIPS_8, KK_STORE_ROW)

/* A tile is 16 rows by 16 columns. With registers of 64 bytes, rows of 4-byte elements are whole lines. */
#define KK_TURNED_TILE(bits, side)                                                                                                 \
    KK_INLINE void kk_tile_##bits(unsigned char *y, int64_t y_step, const unsigned char *x, int64_t x_step)                         \
    {                                                                                                                               \
        for (int c = 0; c < 16; c += side)                                                                                          \
            for (int r = 0; r < 16; r += side)                                                                                      \
                kk_square_##bits(y + c * y_step + r * (bits / 8), y_step, x + r * x_step + c * (bits / 8), x_step);                 \
    }
KK_TURNED_TILE(64, 2)
KK_TURNED_TILE(16, 8)
KK_TURNED_TILE(8, 16)
#if defined(KK_LEVEL_AVX512)
#define KK_WIDE_LOAD(i) a[i] = _mm512_loadu_si512(x + (i) * x_step);
#define KK_WIDE_STORE(i) _mm512_storeu_si512(y + (i) * y_step, a[i]);
#define KK_WIDE_32(i) b[2 * (i)] = _mm512_unpacklo_epi32(a[2 * (i)], a[2 * (i) + 1]), b[2 * (i) + 1] = _mm512_unpackhi_epi32(a[2 * (i)], a[2 * (i) + 1]);
#define KK_WIDE_64(i)                                                                                                               \
    a[4 * (i)] = _mm512_unpacklo_epi64(b[4 * (i)], b[4 * (i) + 2]), a[4 * (i) + 1] = _mm512_unpackhi_epi64(b[4 * (i)], b[4 * (i) + 2]); \
    a[4 * (i) + 2] = _mm512_unpacklo_epi64(b[4 * (i) + 1], b[4 * (i) + 3]);                                                         \
    a[4 * (i) + 3] = _mm512_unpackhi_epi64(b[4 * (i) + 1], b[4 * (i) + 3]);
#define KK_WIDE_QUARTERS(i)                                                                                                         \
    b[i] = _mm512_shuffle_i32x4(a[i], a[4 + (i)], 0x88), b[4 + (i)] = _mm512_shuffle_i32x4(a[i], a[4 + (i)], 0xdd);                 \
    b[8 + (i)] = _mm512_shuffle_i32x4(a[8 + (i)], a[12 + (i)], 0x88), b[12 + (i)] = _mm512_shuffle_i32x4(a[8 + (i)], a[12 + (i)], 0xdd);
#define KK_WIDE_HALVES(i)                                                                                                           \
    a[i] = _mm512_shuffle_i32x4(b[i], b[8 + (i)], 0x88), a[8 + (i)] = _mm512_shuffle_i32x4(b[i], b[8 + (i)], 0xdd);                 \
    a[4 + (i)] = _mm512_shuffle_i32x4(b[4 + (i)], b[12 + (i)], 0x88), a[12 + (i)] = _mm512_shuffle_i32x4(b[4 + (i)], b[12 + (i)], 0xdd);
KK_INLINE void kk_tile_32(unsigned char *y, int64_t y_step, const unsigned char *x, int64_t x_step)
{
    __m512i a[16], b[16];
    KK_EACH_16(KK_WIDE_LOAD, 0) KK_EACH_8(KK_WIDE_32, 0) KK_EACH_4(KK_WIDE_64, 0)
    KK_EACH_4(KK_WIDE_QUARTERS, 0) KK_EACH_4(KK_WIDE_HALVES, 0) KK_EACH_16(KK_WIDE_STORE, 0)
}
#else
KK_TURNED_TILE(32, 4)
#endif

/* A square of which a part may lie beyond an edge. It may read what follows a row in x, and write what follows a row in y if that is
   the next row, which is written afterwards; it stays between the matrix's first and last element. */
#define KK_LOAD_INSIDE(i) a[i] = kk_bytes_load(x + (i < r_end ? i : 0) * x_step);
#define KK_STORE_INSIDE(i) if (i < c_end) kk_bytes_store(y + (i) * y_step, a[i]);
#define KK_STORE_OTHER_INSIDE(i) if (i < c_end) kk_bytes_store(y + (i) * y_step, b[i]);
#define KK_REST(bits, side, zips, stored)                                                                                           \
    KK_INLINE void kk_rest_##bits(unsigned char *to, int64_t y_stride, const unsigned char *from, int64_t x_stride, int64_t rows,   \
                                  int64_t columns, int64_t r, int64_t c)                                                            \
    {                                                                                                                               \
        const int64_t size = bits / 8, y_step = y_stride * size, x_step = x_stride * size;                                          \
        const int64_t r_end = r + side < rows ? side : rows - r, c_end = c + side < columns ? side : columns - c;                   \
        unsigned char *const y = to + c * y_step + r * size;                                                                        \
        const unsigned char *const x = from + r * x_step + c * size;                                                                \
        const int64_t read_to = (r + r_end - 1) * x_stride + c + side, written_to = (c + c_end - 1) * y_stride + r + side;          \
        const int reads = c_end == side || read_to <= (rows - 1) * x_stride + columns;                                              \
        const int next = y_stride == rows && rows < side && written_to <= (columns - 1) * y_stride + rows;                          \
        if (reads && (r_end == side || next)) {                                                                                     \
            kk_bytes a[side], b[side];                                                                                              \
            KK_EACH_##side(KK_LOAD_INSIDE, 0) zips KK_EACH_##side(stored, 0)                                                        \
            return;                                                                                                                 \
        }                                                                                                                           \
        for (int64_t i = 0; i < c_end; i++)                                                                                         \
            for (int64_t j = 0; j < r_end; j++)                                                                                     \
                memcpy(y + i * y_step + j * size, x + j * x_step + i * size, (size_t)size);                                         \
    }
KK_REST(64, 2, KK_ZIPS_64, KK_STORE_OTHER_INSIDE)
KK_REST(32, 4, KK_ZIPS_32, KK_STORE_INSIDE)
KK_REST(16, 8, KK_ZIPS_16, KK_STORE_OTHER_INSIDE)
KK_REST(8, 16, KK_ZIPS_8, KK_STORE_INSIDE)

/* Tiles of a band, which is gone down before the next: so many columns are read together. */
#define KK_BAND 64

/* Where the rows of y are a multiple of `crowding` bytes apart, the lines of a band fall into few places of the nearest cache, and
   those that are written in parts come and go for each. Then tiles are gathered in a block beside, of which whole lines go to y, as
   they do where these need not stay in the caches (`far`). */
#define KK_BLOCK_BYTES 128
#define KK_BLOCK_STEP (KK_BLOCK_BYTES + KK_LINE)

#define KK_TRANSPOSE(bits, side, crowding)                                                                                          \
    /* Columns first to last of as many whole blocks of rows as there are; returns how many rows these have. */                     \
    KK_NOINLINE int64_t kk_blocks_##bits(unsigned char *y, int64_t y_step, const unsigned char *x, int64_t x_step, int64_t rows,    \
                                         int64_t first, int64_t last, int far)                                                      \
    {                                                                                                                               \
        enum { size = bits / 8, least = size < 4 ? KK_LINE / size : 16 };                                                           \
        unsigned char block[KK_BAND * KK_BLOCK_STEP];                                                                               \
        int64_t done = 0, deep = KK_BLOCK_BYTES / size;                                                                             \
        for (; done + least <= rows; done += deep) {                                                                                \
            deep = done + deep <= rows ? deep : least;                                                                              \
            for (int64_t r = 0; r < deep; r += 16)                                                                                  \
                for (int64_t c = first; c < last; c += 16) {                                                                        \
                    unsigned char *const tile = block + (c - first) * KK_BLOCK_STEP + r * size;                                     \
                    if (!far && r * size % KK_LINE == 0)                                                                            \
                        for (int64_t i = 0; i < 16; i++)                                                                            \
                            kk_prefetch(y + (c + i) * y_step + (done + r) * size);                                                  \
                    kk_tile_##bits(tile, KK_BLOCK_STEP, x + (done + r) * x_step + c * size, x_step);                                \
                }                                                                                                                   \
            for (int64_t c = first; c < last; c++)                                                                                  \
                for (int64_t i = 0; i < deep * size; i += KK_LINE)                                                                  \
                    kk_copy_line(y + c * y_step + done * size + i, block + (c - first) * KK_BLOCK_STEP + i, far);                   \
        }                                                                                                                           \
        return done;                                                                                                                \
    }                                                                                                                               \
    KK_NOINLINE void kk_transpose_##bits(void *to, int64_t y_stride, const void *from, int64_t x_stride, int64_t rows,              \
                                         int64_t columns, int far)                                                                  \
    {                                                                                                                               \
        const int64_t size = bits / 8, y_step = y_stride * size, x_step = x_stride * size;                                          \
        unsigned char *const y = to;                                                                                                \
        const unsigned char *const x = from;                                                                                        \
        const int64_t whole_rows = rows / 16 * 16, whole_columns = columns / 16 * 16;                                               \
        const int passes_by = far && y_step % KK_LINE == 0 && kk_begins_line(y);                                                    \
        const int in_blocks = passes_by || y_step % crowding == 0;                                                                  \
        for (int64_t first = 0; first < whole_columns; first += KK_BAND) {                                                          \
            const int64_t last = first + KK_BAND < whole_columns ? first + KK_BAND : whole_columns;                                 \
            int64_t r = in_blocks && rows >= 16 ? kk_blocks_##bits(y, y_step, x, x_step, rows, first, last, passes_by) : 0;         \
            for (; r < whole_rows; r += 16)                                                                                         \
                for (int64_t c = first; c < last; c += 16) {                                                                        \
                    unsigned char *const tile = y + c * y_step + r * size;                                                          \
                    if (r + 32 <= rows)                                                                                             \
                        for (int64_t i = 0; i < 16; i++)                                                                            \
                            kk_prefetch(tile + i * y_step + 16 * size);                                                             \
                    kk_tile_##bits(tile, y_step, x + r * x_step + c * size, x_step);                                                \
                }                                                                                                                   \
        }                                                                                                                           \
        for (int64_t c = 0; c < columns; c += side)                                                                                 \
            for (int64_t r = c < whole_columns ? whole_rows : 0; r < rows; r += side)                                               \
                kk_rest_##bits(y, y_stride, x, x_stride, rows, columns, r, c);                                                      \
    }
KK_TRANSPOSE(8, 16, 1024)
KK_TRANSPOSE(16, 8, 4096)
KK_TRANSPOSE(32, 4, INT64_MAX) /* whole lines as it is */
KK_TRANSPOSE(64, 2, 4096)

/* Two of each by interleaving with itself; more, from the front on, by registers that hold one element, of which the next covers what is
   too much. */
#define KK_REPEAT(bits)                                                                                                             \
    KK_INLINE void kk_repeat_##bits(void *to, const void *from, int64_t count, int64_t times)                                       \
    {                                                                                                                               \
        const int64_t size = bits / 8, bytes = times * size, together = 16 / size;                                                  \
        unsigned char *const y = to;                                                                                                \
        const unsigned char *const x = from;                                                                                        \
        int64_t c = 0;                                                                                                              \
        for (; times == 2 && c + together <= count; c += together) {                                                                \
            const kk_bytes a = kk_bytes_load(x + c * size);                                                                         \
            kk_bytes_store(y + c * bytes, kk_zip_low_##bits(a, a));                                                                 \
            kk_bytes_store(y + c * bytes + 16, kk_zip_high_##bits(a, a));                                                           \
        }                                                                                                                           \
        for (; c < count; c++) {                                                                                                    \
            unsigned char element[16];                                                                                              \
            for (int64_t i = 0; i < 16; i += size)                                                                                  \
                memcpy(element + i, x + c * size, (size_t)size);                                                                    \
            const kk_bytes a = kk_bytes_load(element);                                                                              \
            if ((count - c) * bytes >= (bytes + 15) / 16 * 16)                                                                      \
                for (int64_t i = 0; i < bytes; i += 16)                                                                             \
                    kk_bytes_store(y + c * bytes + i, a);                                                                           \
            else                                                                                                                    \
                for (int64_t i = 0; i < bytes; i += size)                                                                           \
                    memcpy(y + c * bytes + i, element, (size_t)size);                                                               \
        }                                                                                                                           \
    }
KK_REPEAT(8)
KK_REPEAT(16)
KK_REPEAT(32)
KK_REPEAT(64)

#endif
