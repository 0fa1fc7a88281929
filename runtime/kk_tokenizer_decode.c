/* Decoding: the bytes of the tokens, one after the other, read as UTF-8. */
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
    if (out->bytes <= out->capacity && count <= out->capacity - out->bytes)
        memcpy(out->text + out->bytes, bytes, count);
    out->bytes += count;
}

static void kk_text_add_replacement(kk_text *out)
{
    static const unsigned char replacement[3] = {0xEF, 0xBF, 0xBD};
    kk_text_add(out, replacement, sizeof replacement);
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
                kk_text_add(out, d->held, d->held_bytes);
                d->held_bytes = 0;
            }
            return;
        }
        kk_text_add_replacement(out);
        d->held_bytes = 0;
    }
    int following = kk_utf8_following(byte, &least, &greatest);
    if (following == 0) {
        kk_text_add(out, &byte, 1);
    } else if (following < 0) {
        kk_text_add_replacement(out);
    } else {
        d->held[0] = byte;
        d->held_bytes = 1;
    }
}

static kk_status kk_decoder_token(kk_decoder *d, int64_t id, kk_text *out)
{
    const kk_tokenizer *t = d->tokenizer;
    if (id < 0 || id > (int64_t)0xFFFFFFFF)
        return KK_ERROR_RANGE;
    if (id >= (int64_t)t->tokens)
        return KK_OK;
    if (d->skip_special && t->array[KK_TOKEN_FLAGS][id] & KK_TOKEN_SPECIAL)
        return KK_OK;
    size_t bytes;
    const unsigned char *text = kk_token_text(t, (uint32_t)id, &bytes);
    for (size_t i = 0; i < bytes; i++)
        kk_decoder_take(d, text[i], out);
    return KK_OK;
}

static void kk_decoder_end(kk_decoder *d, kk_text *out)
{
    if (d->held_bytes > 0)
        kk_text_add_replacement(out);
    d->held_bytes = 0;
}

kk_status kk_decoder_open(kk_decoder *decoder, const kk_tokenizer *tokenizer, int skip_special)
{
    if (decoder == NULL || tokenizer == NULL)
        return KK_ERROR_ARGUMENT;
    memset(decoder, 0, sizeof *decoder);
    decoder->tokenizer = tokenizer;
    decoder->skip_special = skip_special;
    return KK_OK;
}

size_t kk_decoder_capacity(const kk_tokenizer *tokenizer)
{
    /* Each byte may become a replacement character, and one more may end what was held. */
    return tokenizer == NULL ? 0 : 3 * ((size_t)tokenizer->longest_token + 1);
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
    for (size_t i = 0; i < count && status == KK_OK; i++)
        status = kk_decoder_token(&decoder, ids[i], &out);
    kk_decoder_end(&decoder, &out);
    *bytes = out.bytes;
    if (status == KK_OK && out.bytes > capacity)
        status = KK_ERROR_CAPACITY;
    return status;
}
