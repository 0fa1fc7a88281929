/* The rows are first laid out as far apart as the caller's memory allows, then moved together. */
#include "kk_prefix.h"

#include "kk_tokenizer_batch.h"

kk_status kk_tokenizer_encode_row(const kk_tokenizer *tokenizer, const kk_text_pair *texts, void *scratch,
                                  size_t scratch_bytes, int64_t *ids, int64_t *types, size_t length)
{
    size_t count = 0;
    kk_status status = kk_tokenizer_encode_pair(tokenizer, texts, KK_ENCODE_SPECIAL | KK_ENCODE_CUT, scratch, scratch_bytes,
                                                ids, types, length, &count);
    for (; status == KK_OK && count < length; count++)
        ids[count] = -1;
    return status;
}

void kk_tokenizer_pack_rows(const kk_tokenizer *tokenizer, size_t rows, int64_t *ids, int64_t *mask, int64_t *types,
                            size_t *length)
{
    const size_t apart = *length;
    size_t longest = apart > 0;
    for (size_t row = 0; row < rows; row++)
        for (size_t i = longest; i < apart && ids[row * apart + i] >= 0; i++)
            longest = i + 1;
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < longest; i++) {
            const size_t from = row * apart + i, to = row * longest + i;
            const int filled = ids[from] >= 0;
            if (types != NULL)
                types[to] = filled ? types[from] : kk_tokenizer_padding_type(tokenizer);
            if (mask != NULL)
                mask[to] = filled;
            ids[to] = filled ? ids[from] : kk_tokenizer_padding(tokenizer);
        }
    *length = longest;
}
