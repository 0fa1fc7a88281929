kk_model_status kk_model_embed_text(kk_model *m, int64_t batch, const kk_model_text *texts,
    const kk_model_embed_options *options, float *embeddings)
{
    kk_model_status status;
    int64_t length, *ids, *mask;

    if (!m || !texts || !embeddings)
        return KK_MODEL_ERROR_ARGUMENT;
    if (batch < 1 || batch > m->texts_at_once)
        return KK_MODEL_ERROR_RANGE;
    for (int64_t b = 0; b < batch; b++)
        if (texts[b].second)
            return KK_MODEL_ERROR_ARGUMENT;
    length = m->ids_of_text < longest_text ? m->ids_of_text : longest_text;
    ids = m->text_inputs;
    mask = ids + m->texts_at_once * m->ids_of_text;
    status = kk_model_tokenize_batch(m, texts, batch, ids, mask, 0, &length);
    return status == KK_MODEL_OK ? kk_model_embed(m, batch, length, ids, mask, options, embeddings) : status;
}
