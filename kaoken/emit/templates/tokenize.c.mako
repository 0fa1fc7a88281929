
${m.name}_status ${m.name}_tokenize(${m.name} *m, const char *text, size_t bytes, int64_t *ids, size_t capacity, size_t *count)
{
    if (!m || (!text && bytes) || (!ids && capacity) || !count)
        return ${m.upper}_ERROR_ARGUMENT;
    if (bytes > (size_t)m->sizes.text_bytes)
        return ${m.upper}_ERROR_CAPACITY;
    return (${m.name}_status)kk_tokenizer_encode(&m->tokenizer, text, bytes, 1, m->text_scratch, m->text_scratch_size, ids, capacity, count);
}

${m.name}_status ${m.name}_detokenize(const ${m.name} *m, const int64_t *ids, size_t count, int keep_special, char *text, size_t capacity, size_t *bytes)
{
    if (!m || (!ids && count) || (!text && capacity) || !bytes)
        return ${m.upper}_ERROR_ARGUMENT;
    return (${m.name}_status)kk_tokenizer_decode(&m->tokenizer, ids, count, !keep_special, text, capacity, bytes);
}

static int is_text(const ${m.name}_text *text)
{
    return text && (text->text || !text->bytes) && (text->second || !text->second_bytes);
}

static int is_too_long(const ${m.name} *m, const ${m.name}_text *text)
{
    return text->bytes > (size_t)m->sizes.text_bytes || text->second_bytes > (size_t)m->sizes.text_bytes;
}

${m.name}_status ${m.name}_tokenize_pair(${m.name} *m, const ${m.name}_text *text, int64_t *ids, int64_t *types, size_t capacity, size_t *count)
{
    kk_text_pair pair;
    if (!m || !is_text(text) || (!ids && capacity) || !count)
        return ${m.upper}_ERROR_ARGUMENT;
    if (is_too_long(m, text))
        return ${m.upper}_ERROR_CAPACITY;
    pair.text = text->text;
    pair.bytes = text->bytes;
    pair.second = text->second;
    pair.second_bytes = text->second_bytes;
    return (${m.name}_status)kk_tokenizer_encode_pair(&m->tokenizer, &pair, KK_ENCODE_SPECIAL, m->text_scratch, m->text_scratch_size,
        ids, types, capacity, count);
}

${m.name}_status ${m.name}_tokenize_batch(${m.name} *m, const ${m.name}_text *texts, int64_t rows, int64_t *input_ids,
    int64_t *attention_mask, int64_t *token_type_ids, int64_t *length)
{
    size_t most;
    if (!m || !texts || !input_ids || !length)
        return ${m.upper}_ERROR_ARGUMENT;
    if (rows < 1 || *length < 1 || (uint64_t)*length > SIZE_MAX / sizeof *input_ids / (uint64_t)rows)
        return ${m.upper}_ERROR_RANGE;
    most = (size_t)*length;
    for (int64_t row = 0; row < rows; row++) {
        const ${m.name}_text *text = texts + row;
        kk_text_pair pair;
        kk_status status;
        if (!is_text(text))
            return ${m.upper}_ERROR_ARGUMENT;
        if (is_too_long(m, text))
            return ${m.upper}_ERROR_CAPACITY;
        pair.text = text->text;
        pair.bytes = text->bytes;
        pair.second = text->second;
        pair.second_bytes = text->second_bytes;
        status = kk_tokenizer_encode_row(&m->tokenizer, &pair, m->text_scratch, m->text_scratch_size, input_ids + (size_t)row * most,
            token_type_ids ? token_type_ids + (size_t)row * most : 0, most);
        if (status != KK_OK)
            return (${m.name}_status)status;
    }
    kk_tokenizer_pack_rows(&m->tokenizer, (size_t)rows, input_ids, attention_mask, token_type_ids, &most);
    *length = (int64_t)most;
    return ${m.upper}_OK;
}
