/* Decoding: the texts of the tokens, one after the other. Where tokens are bytes, their bytes are read as UTF-8. */
#include "kk_prefix.h"

#include "kk_tokenizer_decode.h"

#include "kk_tokenizer_tables.h"
#include "kk_unicode.h"

#include <string.h>

/* Where text goes: text[capacity]; bytes goes on when it is full. */
typedef struct kk_text {
    char *text;
    size_t capacity;
    size_t bytes;
} kk_text;

static void kk_text_add(kk_text *out, const unsigned char *bytes, size_t count)
{
    if (count > 0 && out->bytes <= out->capacity && count <= out->capacity - out->bytes)
        memcpy(out->text + out->bytes, bytes, count);
    out->bytes += count;
}

/* Takes text that is whole characters, less what is taken off the beginning of all text. */
static void kk_decoder_take_text(kk_decoder *d, const unsigned char *text, size_t bytes, kk_text *out)
{
    while (d->strip > 0 && bytes > 0) {
        uint32_t code_point;
        size_t length = kk_utf8_read(text, text + bytes, &code_point);
        if (code_point != d->tokenizer->strip) {
            d->strip = 0;
            break;
        }
        d->strip--;
        text += length;
        bytes -= length;
    }
    kk_text_add(out, text, bytes);
}

static void kk_decoder_take_replacement(kk_decoder *d, kk_text *out)
{
    static const unsigned char replacement[3] = {0xEF, 0xBF, 0xBD};
    kk_decoder_take_text(d, replacement, sizeof replacement, out);
}

/* What was held can be no character any more. Bytes of byte-level tokens become one U+FFFD together, as the beginning of
   a character that is cut short; byte tokens become one each. */
static void kk_decoder_give_up(kk_decoder *d, kk_text *out)
{
    unsigned replacements = d->tokenizer->flags & KK_FLAG_RAW_BYTES ? d->held_bytes > 0 : d->held_bytes;
    for (unsigned i = 0; i < replacements; i++)
        kk_decoder_take_replacement(d, out);
    d->held_bytes = 0;
}

/* Takes one byte of text: a complete character goes out, the beginning of one is held, and what can be no
   beginning any more goes out as U+FFFD. */
static void kk_decoder_take(kk_decoder *d, unsigned char byte, kk_text *out)
{
    unsigned least, greatest;
    if (d->held_bytes > 0) {
        int following = kk_utf8_following(d->held[0], &least, &greatest);
        if (d->held_bytes > 1) {
            least = 0x80;
            greatest = 0xBF;
        }
        if (byte >= least && byte <= greatest) {
            d->held[d->held_bytes++] = byte;
            if ((int)d->held_bytes == following + 1) {
                kk_decoder_take_text(d, d->held, d->held_bytes, out);
                d->held_bytes = 0;
            }
            return;
        }
        kk_decoder_give_up(d, out);
    }
    int following = kk_utf8_following(byte, &least, &greatest);
    if (following == 0) {
        kk_decoder_take_text(d, &byte, 1, out);
    } else if (following < 0) {
        kk_decoder_take_replacement(d, out);
    } else {
        d->held[0] = byte;
        d->held_bytes = 1;
    }
}

/* The text of a token where it is; the first of all may have another. */
static const unsigned char *kk_decoder_text(const kk_decoder *d, uint32_t id, size_t *bytes)
{
    const kk_tokenizer *t = d->tokenizer;
    if (d->begun || t->length[KK_FIRST_OFFSETS] == 0)
        return kk_token_text(t, id, bytes);
    uint32_t begin = kk_table_number(t, KK_FIRST_OFFSETS, id);
    *bytes = kk_table_number(t, KK_FIRST_OFFSETS, (size_t)id + 1) - begin;
    return t->array[KK_FIRST_BYTES] + begin;
}

/* The flags of a token, 0 for one that is left out. */
static unsigned kk_decoder_flags(const kk_decoder *d, int64_t id)
{
    const kk_tokenizer *t = d->tokenizer;
    unsigned flags = id < (int64_t)t->tokens ? t->array[KK_TOKEN_FLAGS][id] : 0;
    if (!(flags & KK_TOKEN_EXISTS) || (d->skip_special && flags & KK_TOKEN_SPECIAL))
        return 0;
    return flags;
}

static kk_status kk_decoder_token(kk_decoder *d, int64_t id, kk_text *out)
{
    if (id < 0 || id > (int64_t)0xFFFFFFFF)
        return KK_ERROR_RANGE;
    const unsigned flags = kk_decoder_flags(d, id);
    if (flags == 0)
        return KK_OK;
    size_t bytes;
    const unsigned char *text = kk_decoder_text(d, (uint32_t)id, &bytes);
    d->begun = 1;
    if (flags & KK_TOKEN_BYTE || d->tokenizer->flags & KK_FLAG_RAW_BYTES) {
        for (size_t i = 0; i < bytes; i++)
            kk_decoder_take(d, text[i], out);
    } else {
        kk_decoder_give_up(d, out);
        kk_decoder_take_text(d, text, bytes, out);
    }
    return KK_OK;
}

/* A run of byte tokens, with what is left out among them, is a text only if all of it is UTF-8; else each of its bytes
   becomes U+FFFD. Decodes the run that ids begin with and returns how many ids it has, 0 for none. */
static size_t kk_decoder_run(kk_decoder *d, const int64_t *ids, size_t count, kk_text *out)
{
    kk_text trial_text = {NULL, 0, 0};
    kk_decoder trial = *d;
    size_t length = 0, bytes = 0, ignored;
    trial.strip = 0;
    for (; length < count && ids[length] >= 0; length++) {
        const unsigned flags = kk_decoder_flags(d, ids[length]);
        if (flags != 0 && !(flags & KK_TOKEN_BYTE))
            break;
        if (flags == 0)
            continue;
        kk_decoder_take(&trial, *kk_decoder_text(d, (uint32_t)ids[length], &ignored), &trial_text);
        bytes++;
    }
    kk_decoder_give_up(&trial, &trial_text);
    if (bytes == 0)
        return 0;
    /* A replacement character is longer than the byte that it stands for. */
    for (size_t i = 0; i < length && trial_text.bytes == bytes; i++)
        (void)kk_decoder_token(d, ids[i], out);
    for (size_t i = 0; i < bytes && trial_text.bytes > bytes; i++)
        kk_decoder_take_replacement(d, out);
    d->begun = 1;
    return length;
}

static void kk_decoder_end(kk_decoder *d, kk_text *out)
{
    kk_decoder_give_up(d, out);
    d->begun = 0;
    d->strip = d->tokenizer->strip_count;
}

kk_status kk_decoder_open(kk_decoder *decoder, const kk_tokenizer *tokenizer, int skip_special)
{
    if (decoder == NULL || tokenizer == NULL)
        return KK_ERROR_ARGUMENT;
    memset(decoder, 0, sizeof *decoder);
    decoder->tokenizer = tokenizer;
    decoder->skip_special = skip_special;
    decoder->strip = tokenizer->strip_count;
    return KK_OK;
}

size_t kk_decoder_capacity(const kk_tokenizer *tokenizer)
{
    /* Each byte may become a replacement character, and so may the three that were held. */
    return tokenizer == NULL ? 0 : 3 * ((size_t)tokenizer->longest_token + 3);
}

kk_status kk_decoder_push(kk_decoder *decoder, int64_t id, char *text, size_t capacity, size_t *bytes)
{
    if (decoder == NULL || decoder->tokenizer == NULL || text == NULL || bytes == NULL)
        return KK_ERROR_ARGUMENT;
    *bytes = 0;
    if (capacity < kk_decoder_capacity(decoder->tokenizer))
        return KK_ERROR_CAPACITY;
    kk_text out = {text, capacity, 0};
    kk_status status = kk_decoder_token(decoder, id, &out);
    *bytes = out.bytes;
    return status;
}

kk_status kk_decoder_flush(kk_decoder *decoder, char *text, size_t capacity, size_t *bytes)
{
    if (decoder == NULL || decoder->tokenizer == NULL || text == NULL || bytes == NULL)
        return KK_ERROR_ARGUMENT;
    *bytes = 0;
    if (capacity < kk_decoder_capacity(decoder->tokenizer))
        return KK_ERROR_CAPACITY;
    kk_text out = {text, capacity, 0};
    kk_decoder_end(decoder, &out);
    *bytes = out.bytes;
    return KK_OK;
}

kk_status kk_tokenizer_decode(const kk_tokenizer *tokenizer, const int64_t *ids, size_t count, int skip_special,
                              char *text, size_t capacity, size_t *bytes)
{
    if (tokenizer == NULL || (ids == NULL && count > 0) || (text == NULL && capacity > 0) || bytes == NULL)
        return KK_ERROR_ARGUMENT;
    kk_decoder decoder;
    kk_text out = {text, capacity, 0};
    kk_status status = kk_decoder_open(&decoder, tokenizer, skip_special);
    for (size_t i = 0; i < count && status == KK_OK;) {
        const size_t run = tokenizer->flags & KK_FLAG_RAW_BYTES ? 0 : kk_decoder_run(&decoder, ids + i, count - i, &out);
        if (run == 0)
            status = kk_decoder_token(&decoder, ids[i], &out);
        i += run > 0 ? run : 1;
    }
    kk_decoder_end(&decoder, &out);
    *bytes = out.bytes;
    if (status == KK_OK && out.bytes > capacity)
        status = KK_ERROR_CAPACITY;
    return status;
}
