/* CRC-32: see kk_crc32.h. A remainder depends on the one before, so one chain of table look-ups waits for memory most of the time: long
   inputs are cut into four stretches whose chains run side by side, and their remainders are joined by arithmetic. */
#include "kk_crc32.h"

enum { KK_CRC_CHAINS = 4, KK_CRC_LONG = 4096 };
#define KK_CRC_POLYNOMIAL 0xedb88320u /* bit 31 is x to the power of 0 */

/* Row k moves a byte's remainder k bytes further on. */
typedef struct kk_crc_table {
    uint32_t row[8][256];
} kk_crc_table;

static void kk_crc_table_fill(kk_crc_table *table)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t remainder = byte;
        for (int bit = 0; bit < 8; bit++)
            remainder = remainder >> 1 ^ (remainder & 1 ? KK_CRC_POLYNOMIAL : 0);
        table->row[0][byte] = remainder;
    }
    for (int k = 1; k < 8; k++)
        for (int byte = 0; byte < 256; byte++) {
            const uint32_t before = table->row[k - 1][byte];
            table->row[k][byte] = before >> 8 ^ table->row[0][before & 255];
        }
}

static uint32_t kk_crc_read(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The remainder after eight bytes more. */
static uint32_t kk_crc_step(const kk_crc_table *table, uint32_t crc, const unsigned char *p)
{
    const uint32_t low = crc ^ kk_crc_read(p), high = kk_crc_read(p + 4);
    return table->row[7][low & 255] ^ table->row[6][low >> 8 & 255] ^ table->row[5][low >> 16 & 255] ^ table->row[4][low >> 24] ^
           table->row[3][high & 255] ^ table->row[2][high >> 8 & 255] ^ table->row[1][high >> 16 & 255] ^ table->row[0][high >> 24];
}

/* The product of two polynomials modulo the CRC's. */
static uint32_t kk_crc_multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a != 0; a <<= 1) {
        if (a & 0x80000000u)
            product ^= b;
        b = b >> 1 ^ (b & 1 ? KK_CRC_POLYNOMIAL : 0);
    }
    return product;
}

/* x to the power of 8 * bytes: what a remainder is multiplied with when so many zeros follow. */
static uint32_t kk_crc_shift(size_t bytes)
{
    uint32_t power = 0x80000000u, square = 0x00800000u; /* 1, and x to the power of 8 */
    for (; bytes != 0; bytes >>= 1) {
        if (bytes & 1)
            power = kk_crc_multiply(power, square);
        square = kk_crc_multiply(square, square);
    }
    return power;
}

uint32_t kk_crc32(const unsigned char *bytes, size_t size)
{
    kk_crc_table table;
    uint32_t crc = 0xffffffffu;
    kk_crc_table_fill(&table);
    if (size >= KK_CRC_LONG) {
        const size_t stretch = size / KK_CRC_CHAINS / 8 * 8;
        const uint32_t shift = kk_crc_shift(stretch);
        uint32_t second = 0, third = 0, fourth = 0;
        for (size_t i = 0; i < stretch; i += 8, bytes += 8) {
            crc = kk_crc_step(&table, crc, bytes);
            second = kk_crc_step(&table, second, bytes + stretch);
            third = kk_crc_step(&table, third, bytes + 2 * stretch);
            fourth = kk_crc_step(&table, fourth, bytes + 3 * stretch);
        }
        crc = kk_crc_multiply(crc, shift) ^ second;
        crc = kk_crc_multiply(crc, shift) ^ third;
        crc = kk_crc_multiply(crc, shift) ^ fourth;
        bytes += (KK_CRC_CHAINS - 1) * stretch;
        size -= KK_CRC_CHAINS * stretch;
    }
    for (; size >= 8; bytes += 8, size -= 8)
        crc = kk_crc_step(&table, crc, bytes);
    for (; size > 0; bytes++, size--)
        crc = crc >> 8 ^ table.row[0][(crc ^ *bytes) & 255];
    return ~crc;
}
