kk_model_status kk_model_tokenize(kk_model *m, const char *text, size_t bytes, int64_t *ids, size_t capacity, size_t *count)
{
    if (!m || (!text && bytes) || (!ids && capacity) || !count)
        return KK_MODEL_ERROR_ARGUMENT;
    if (bytes > (size_t)m->sizes.text_bytes)
        return KK_MODEL_ERROR_CAPACITY;
    return (kk_model_status)kk_tokenizer_encode(&m->tokenizer, text, bytes, 1, m->text_scratch, m->text_scratch_size, ids, capacity, count);
}

kk_model_status kk_model_detokenize(const kk_model *m, const int64_t *ids, size_t count, int keep_special, char *text, size_t capacity, size_t *bytes)
{
    if (!m || (!ids && count) || (!text && capacity) || !bytes)
        return KK_MODEL_ERROR_ARGUMENT;
    return (kk_model_status)kk_tokenizer_decode(&m->tokenizer, ids, count, !keep_special, text, capacity, bytes);
}

/* What the runtime takes of a text or a pair that may be encoded. */
static kk_model_status text_pair(const kk_model *m, const kk_model_text *text, kk_text_pair *pair)
{
    if ((!text->text && text->bytes) || (!text->second && text->second_bytes))
        return KK_MODEL_ERROR_ARGUMENT;
    if (text->bytes > (size_t)m->sizes.text_bytes || text->second_bytes > (size_t)m->sizes.text_bytes)
        return KK_MODEL_ERROR_CAPACITY;
    pair->text = text->text;
    pair->bytes = text->bytes;
    pair->second = text->second;
    pair->second_bytes = text->second_bytes;
    return KK_MODEL_OK;
}

kk_model_status kk_model_tokenize_pair(kk_model *m, const kk_model_text *text, int64_t *ids, int64_t *types, size_t capacity, size_t *count)
{
    kk_text_pair pair;
    kk_model_status status;
    if (!m || !text || (!ids && capacity) || !count)
        return KK_MODEL_ERROR_ARGUMENT;
    status = text_pair(m, text, &pair);
    if (status != KK_MODEL_OK)
        return status;
    return (kk_model_status)kk_tokenizer_encode_pair(&m->tokenizer, &pair, KK_ENCODE_SPECIAL, m->text_scratch, m->text_scratch_size,
        ids, types, capacity, count);
}

kk_model_status kk_model_tokenize_batch(kk_model *m, const kk_model_text *texts, int64_t rows, int64_t *input_ids,
    int64_t *attention_mask, int64_t *token_type_ids, int64_t *length)
{
    size_t most;
    if (!m || !texts || !input_ids || !length)
        return KK_MODEL_ERROR_ARGUMENT;
    if (rows < 1 || *length < 1 || (uint64_t)*length > SIZE_MAX / sizeof *input_ids / (uint64_t)rows)
        return KK_MODEL_ERROR_RANGE;
    most = (size_t)*length;
    for (int64_t row = 0; row < rows; row++) {
        kk_text_pair pair;
        kk_model_status status = text_pair(m, texts + row, &pair);
        if (status == KK_MODEL_OK)
            status = (kk_model_status)kk_tokenizer_encode_row(&m->tokenizer, &pair, m->text_scratch, m->text_scratch_size,
                input_ids + (size_t)row * most, token_type_ids ? token_type_ids + (size_t)row * most : 0, most);
        if (status != KK_MODEL_OK)
            return status;
    }
    kk_tokenizer_pack_rows(&m->tokenizer, (size_t)rows, input_ids, attention_mask, token_type_ids, &most);
    *length = (int64_t)most;
    return KK_MODEL_OK;
}
