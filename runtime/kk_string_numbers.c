/* Numbers are read by dividing big integers bit by bit, and written by the free-format algorithm of R. Burger and R. Dybvig, "Printing Floating-Point Numbers
   Quickly and Accurately" (1996): digits are made until no other number of the type is as near. */
#include "kk_prefix.h"

#include "kk_string_numbers.h"

#include "kk_big_integer.h"

#include <string.h>

/* Digits that are kept; a number half way between two doubles has fewer (767), of any further ones it only matters whether one is other than 0. */
#define KK_MOST_DIGITS 800

static double kk_double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t kk_bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* mantissa * 2^exponent, which is a double or too large for one. */
static double kk_scaled(uint64_t mantissa, int64_t exponent, int64_t most)
{
    int64_t top = 63;
    if (mantissa == 0)
        return 0.0;
    while (!(mantissa >> top))
        top--;
    if (exponent + top > most)
        return kk_double_of_bits((uint64_t)0x7ff << 52);
    if (exponent + top < -1022)
        return kk_double_of_bits(mantissa << (exponent + 1074));
    return kk_double_of_bits((uint64_t)(exponent + top + 1023) << 52 | ((mantissa << (63 - top) << 1) >> 12));
}

/* digits * 10^exponent, rounded to `bits` bits. digits has what is other than 0. */
static double kk_rounded(kk_big *digits, int64_t exponent, int64_t bits)
{
    const int64_t least = bits == 24 ? -149 : -1074, most = bits == 24 ? 127 : 1023;
    kk_big other;
    uint64_t mantissa = 0;
    int64_t places, binary;
    int above;
    kk_big_set(&other, 1);
    kk_big_times_power_of_ten(exponent >= 0 ? digits : &other, exponent >= 0 ? exponent : -exponent);
    binary = kk_big_bits(digits) - kk_big_bits(&other);
    kk_big_shift(binary >= 0 ? &other : digits, binary >= 0 ? binary : -binary);
    if (kk_big_compare(digits, &other) < 0) {
        kk_big_multiply(digits, 2, 0);
        binary--;
    }
    /* Now the value is 2^binary * digits / other, and the quotient from 1 to below 2. */
    places = binary - least + 1 < bits ? binary - least + 1 : bits;
    if (places < 0)
        return 0.0;
    for (int64_t i = 0; i < places; i++) {
        const int bit = kk_big_compare(digits, &other) >= 0;
        if (bit)
            kk_big_subtract(digits, &other);
        kk_big_multiply(digits, 2, 0);
        mantissa = mantissa << 1 | (uint64_t)bit;
    }
    above = kk_big_compare(digits, &other);
    mantissa += above > 0 || (above == 0 && (mantissa & 1));
    return kk_scaled(mantissa, binary - places + 1, most);
}

static int kk_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static int kk_is_ascii_space(uint8_t c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

/* Whether the text is a word, in lower case, of `length` letters, whatever its own case is. */
static int kk_is_word(const uint8_t *at, const uint8_t *end, const char *word, int64_t length)
{
    if (end - at != length)
        return 0;
    for (int64_t i = 0; i < length; i++)
        if ((at[i] | 32) != (uint8_t)word[i])
            return 0;
    return 1;
}

/* The number at [at, end) without its sign. Returns 0 where there is none. */
static int kk_parse_decimal(const uint8_t *at, const uint8_t *end, int64_t bits, double *value)
{
    kk_big digits;
    int64_t kept = 0, exponent = 0, seen = 0, written = 0;
    int behind = 0, more = 0;
    if (kk_is_word(at, end, "inf", 3) || kk_is_word(at, end, "infinity", 8) || kk_is_word(at, end, "nan", 3)) {
        *value = kk_double_of_bits((at[0] | 32) == 'i' ? (uint64_t)0x7ff << 52 : (uint64_t)0x7ff8 << 48);
        return 1;
    }
    kk_big_set(&digits, 0);
    for (; at < end && (kk_is_digit(*at) || (*at == '.' && !behind)); at++) {
        if (*at == '.') {
            behind = 1;
            continue;
        }
        seen++;
        exponent -= behind;
        if (kept == 0 && *at == '0')
            continue;
        if (kept < KK_MOST_DIGITS) {
            if (kept == 0)
                kk_big_set(&digits, (uint64_t)(*at - '0'));
            else
                kk_big_multiply(&digits, 10, (uint32_t)(*at - '0'));
            kept++;
        } else {
            more |= *at != '0';
            exponent++;
        }
    }
    if (seen == 0)
        return 0;
    if (at < end && (*at | 32) == 'e') {
        const int negative = ++at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        if (at == end)
            return 0;
        for (; at < end && kk_is_digit(*at); at++)
            written = written < (int64_t)1 << 52 ? written * 10 + (*at - '0') : written;
        exponent += negative ? -written : written;
    }
    if (at != end)
        return 0;
    if (more && kept < KK_MOST_DIGITS + 1) {
        kk_big_multiply(&digits, 10, 1);
        exponent--;
        kept++;
    }
    if (kept == 0 || kept + exponent < -330)
        *value = 0.0;
    else if (kept + exponent > 310)
        *value = kk_double_of_bits((uint64_t)0x7ff << 52);
    else
        *value = kk_rounded(&digits, exponent, bits);
    return 1;
}

/* The text of a string without white space around it and without its sign. An empty one for a string that does not lie within the bytes. */
static const uint8_t *kk_number_at(const uint8_t *bytes, int64_t start, int64_t length, int64_t size, const uint8_t **end, int *negative)
{
    const uint8_t *at = bytes;
    *end = bytes;
    *negative = 0;
    if (start < 0 || length < 0 || length > size || start > size - length)
        return at;
    at += start;
    *end = at + length;
    while (at < *end && kk_is_ascii_space(*at))
        at++;
    while (at < *end && kk_is_ascii_space((*end)[-1]))
        --*end;
    if (at < *end && (*at == '-' || *at == '+'))
        *negative = *at++ == '-';
    return at;
}

void kk_parse_floats(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, double *values, int64_t *wrong, int64_t count,
                     int64_t size, int64_t bits)
{
    const int64_t last = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < last; i++) {
        const uint8_t *end;
        int negative;
        const uint8_t *const at = kk_number_at(bytes, starts[i], lengths[i], size, &end, &negative);
        values[i] = 0.0;
        wrong[i] = !kk_parse_decimal(at, end, bits, &values[i]);
        if (negative)
            values[i] = -values[i];
    }
}

void kk_parse_integers(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, int64_t *values, int64_t *wrong, int64_t count,
                       int64_t size, int64_t bits, int64_t is_unsigned)
{
    const int64_t last = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < last; i++) {
        const uint8_t *end;
        int negative;
        const uint8_t *at = kk_number_at(bytes, starts[i], lengths[i], size, &end, &negative);
        uint64_t value = 0, limit = UINT64_MAX >> (64 - bits + !is_unsigned);
        int fits = at < end;
        if (negative)
            limit = is_unsigned ? 0 : limit + 1;
        for (; at < end && kk_is_digit(*at); at++) {
            const uint64_t digit = (uint64_t)(*at - '0');
            fits &= value <= (UINT64_MAX - digit) / 10;
            value = value * 10 + digit;
        }
        wrong[i] = !fits || at != end || value > limit;
        value = wrong[i] ? 0 : negative ? 0 - value : value;
        memcpy(&values[i], &value, sizeof value);
    }
}

/* The digits of mantissa * 2^exponent that tell it from all others of its type, at most 17, and in *point how many of them stand before the point.
   lowest: the next number below is half as far as the next above. */
static int kk_shortest(uint64_t mantissa, int64_t exponent, int lowest, char *digits, int64_t *point)
{
    kk_big value, scale, above, below, sum;
    const int even = !(mantissa & 1);
    int count = 0, low, high;
    int64_t power = 63;
    while (!(mantissa >> power))
        power--;
    /* The power of ten by log10(2) = 0.30103, one too low at most. */
    power = (exponent + power) * 30103;
    power = power / 100000 - (power % 100000 < 0);
    kk_big_set(&value, mantissa);
    kk_big_set(&scale, 1);
    kk_big_set(&below, 1);
    kk_big_shift(&value, 1 + lowest + (exponent > 0 ? exponent : 0));
    kk_big_shift(&below, exponent > 0 ? exponent : 0);
    kk_big_shift(&scale, 1 + lowest + (exponent < 0 ? -exponent : 0));
    above = below;
    kk_big_shift(&above, lowest);
    if (power >= 0) {
        kk_big_times_power_of_ten(&scale, power);
    } else {
        kk_big_times_power_of_ten(&value, -power);
        kk_big_times_power_of_ten(&above, -power);
        kk_big_times_power_of_ten(&below, -power);
    }
    for (;;) {
        kk_big_add(&sum, &value, &above);
        if (kk_big_compare(&sum, &scale) < !even)
            break;
        kk_big_multiply(&scale, 10, 0);
        power++;
    }
    *point = power;
    do {
        char digit = '0';
        kk_big_multiply(&value, 10, 0);
        kk_big_multiply(&above, 10, 0);
        kk_big_multiply(&below, 10, 0);
        while (kk_big_compare(&value, &scale) >= 0) {
            kk_big_subtract(&value, &scale);
            digit++;
        }
        kk_big_add(&sum, &value, &above);
        low = kk_big_compare(&value, &below) < even;
        high = kk_big_compare(&sum, &scale) > -even;
        if (low && high) {
            kk_big_multiply(&value, 2, 0);
            high = kk_big_compare(&value, &scale) > -(digit & 1);
        }
        digits[count++] = (char)(digit + high);
    } while (!low && !high && count < 17);
    return count;
}

/* The text of a number whose digits are known. */
static int64_t kk_write_decimal(const char *digits, int count, int64_t point, uint8_t *to)
{
    int64_t at = 0;
    if (point < -3 || point > 16) {
        int64_t exponent = point - 1;
        to[at++] = (uint8_t)digits[0];
        if (count > 1)
            to[at++] = '.';
        for (int i = 1; i < count; i++)
            to[at++] = (uint8_t)digits[i];
        to[at++] = 'e';
        to[at++] = exponent < 0 ? '-' : '+';
        exponent = exponent < 0 ? -exponent : exponent;
        if (exponent >= 100)
            to[at++] = (uint8_t)('0' + exponent / 100);
        to[at++] = (uint8_t)('0' + exponent / 10 % 10);
        to[at++] = (uint8_t)('0' + exponent % 10);
        return at;
    }
    if (point <= 0)
        to[at++] = '0';
    for (int64_t place = point <= 0 ? point : 0; place < count || place <= point; place++) {
        if (place == point)
            to[at++] = '.';
        if (place >= 0 || place >= point)
            to[at++] = (uint8_t)(place >= 0 && place < count ? digits[place] : '0');
    }
    return at;
}

void kk_format_floats(const kk_thread *t, const double *values, uint8_t *bytes, int64_t *lengths, int64_t count, int64_t bits, int64_t least)
{
    const int64_t last = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < last; i++) {
        const uint64_t all = kk_bits_of_double(values[i]), fraction = all & (((uint64_t)1 << 52) - 1);
        const int64_t biased = (int64_t)(all >> 52 & 0x7ff);
        uint8_t *const to = bytes + i * KK_NUMBER_WIDTH;
        uint64_t mantissa = biased == 0 ? fraction : fraction | (uint64_t)1 << 52;
        int64_t exponent = (biased == 0 ? 1 : biased) - 1075, length = 0, point;
        char digits[17];
        memset(to, 0, KK_NUMBER_WIDTH);
        if (all >> 63 && !(biased == 0x7ff && fraction))
            to[length++] = '-';
        if (biased == 0x7ff) {
            memcpy(to + length, fraction ? "nan" : "inf", 3);
            length += 3;
        } else if (mantissa == 0) {
            memcpy(to + length, "0.0", 3);
            length += 3;
        } else {
            int lowest, found;
            int64_t shift = 53 - bits;
            while (!(mantissa >> 52)) {
                mantissa <<= 1;
                exponent--;
            }
            shift = least - exponent > shift ? least - exponent : shift;
            mantissa = shift > 52 ? 1 : mantissa >> shift;
            exponent += shift;
            lowest = mantissa == (uint64_t)1 << (bits - 1) && exponent > least;
            found = kk_shortest(mantissa, exponent, lowest, digits, &point);
            length += kk_write_decimal(digits, found, point, to + length);
        }
        lengths[i] = length;
    }
}

void kk_format_integers(const kk_thread *t, const int64_t *values, uint8_t *bytes, int64_t *lengths, int64_t count, int64_t is_unsigned)
{
    const int64_t last = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < last; i++) {
        const int negative = !is_unsigned && values[i] < 0;
        uint64_t rest = negative ? 0 - (uint64_t)values[i] : (uint64_t)values[i];
        uint8_t *const to = bytes + i * KK_NUMBER_WIDTH, digits[20];
        int64_t length = 0, found = 0;
        memset(to, 0, KK_NUMBER_WIDTH);
        do {
            digits[found++] = (uint8_t)('0' + rest % 10);
            rest /= 10;
        } while (rest != 0);
        if (negative)
            to[length++] = '-';
        while (found > 0)
            to[length++] = digits[--found];
        lengths[i] = length;
    }
}
