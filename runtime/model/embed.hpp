    // One vector of KK_MODEL_EMBEDDING floats for each of `batch` texts. ids and mask: [batch][length]; no mask: no padding.
    std::vector<float> embed(std::int64_t batch, const std::vector<std::int64_t> &ids, const std::vector<std::int64_t> &mask = {},
                             const EmbedOptions &options = EmbedOptions())
    {
        const std::size_t rows = batch > 0 ? static_cast<std::size_t>(batch) : 0;
        if (rows == 0 || ids.empty() || ids.size() % rows != 0 || (!mask.empty() && mask.size() != ids.size()))
            throw std::invalid_argument("ids: every row needs the same number of ids, 1 or more, and mask none or as many");
        std::vector<float> embeddings(rows * KK_MODEL_EMBEDDING);
        const std::int64_t length = static_cast<std::int64_t>(ids.size() / rows);
        check(::kk_model_embed(get(), batch, length, ids.data(), mask.empty() ? nullptr : mask.data(), &options, embeddings.data()));
        return embeddings;
    }
