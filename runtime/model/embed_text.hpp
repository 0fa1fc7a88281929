    // The same for texts, UTF-8, as many as the model was made for at a time.
    std::vector<float> embed(const std::vector<std::string> &texts, const EmbedOptions &options = EmbedOptions())
    {
        std::vector<::kk_model_text> rows;
        for (const std::string &text : texts)
            rows.push_back({text.data(), text.size(), nullptr, 0});
        std::vector<float> embeddings(texts.size() * KK_MODEL_EMBEDDING);
        check(::kk_model_embed_text(get(), static_cast<std::int64_t>(rows.size()), rows.data(), &options, embeddings.data()));
        return embeddings;
    }
