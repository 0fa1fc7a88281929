/* The same for texts, none with a second one. A text that becomes more ids than the checkpoint or the handle takes is cut.
   KK_MODEL_ERROR_CAPACITY: as in kk_model_tokenize_batch. */
kk_model_status kk_model_embed_text(kk_model *handle, int64_t batch, const kk_model_text *texts,
    const kk_model_embed_options *options, float *embeddings);
