    // Text, UTF-8, to ids.
    std::vector<std::int64_t> tokenize(std::string_view text)
    {
        // Mostly a byte gives one id at most; where there are more, they are asked for again.
        std::vector<std::int64_t> ids(text.size() + 16);
        std::size_t count = 0;
        Status status = ::kk_model_tokenize(get(), text.data(), text.size(), ids.data(), ids.size(), &count);
        if (status == KK_MODEL_ERROR_CAPACITY && count > ids.size()) {
            ids.resize(count);
            status = ::kk_model_tokenize(get(), text.data(), text.size(), ids.data(), ids.size(), &count);
        }
        check(status);
        ids.resize(count);
        return ids;
    }

    // Texts, UTF-8, to rows of ids of one length, padded and with a mask, as run and embed take them.
    struct Rows {
        std::int64_t length;
        std::vector<std::int64_t> input_ids, attention_mask, token_type_ids; // [texts][length]
    };

    // seconds: none, or one for each text, to make pairs. Texts of more than `length` ids are cut.
    Rows tokenize_batch(const std::vector<std::string> &texts, std::int64_t length, const std::vector<std::string> &seconds = {})
    {
        if (texts.empty() || length < 1 || (!seconds.empty() && seconds.size() != texts.size()))
            throw std::invalid_argument("one text or more, a length of 1 or more, and a second for each text or for none");
        std::vector<::kk_model_text> given(texts.size());
        for (std::size_t i = 0; i < texts.size(); ++i)
            given[i] = {texts[i].data(), texts[i].size(), seconds.empty() ? nullptr : seconds[i].data(), seconds.empty() ? 0 : seconds[i].size()};
        const std::size_t room = texts.size() * static_cast<std::size_t>(length);
        Rows rows{length, std::vector<std::int64_t>(room), std::vector<std::int64_t>(room), std::vector<std::int64_t>(room)};
        check(::kk_model_tokenize_batch(get(), given.data(), static_cast<std::int64_t>(texts.size()), rows.input_ids.data(), rows.attention_mask.data(),
                                  rows.token_type_ids.data(), &rows.length));
        for (std::vector<std::int64_t> *row : {&rows.input_ids, &rows.attention_mask, &rows.token_type_ids})
            row->resize(texts.size() * static_cast<std::size_t>(rows.length));
        return rows;
    }

    // Ids to UTF-8 text.
    std::string detokenize(const std::vector<std::int64_t> &ids, bool keep_special = false) const
    {
        std::string text(16 * ids.size() + 16, '\0');
        std::size_t bytes = 0;
        Status status = ::kk_model_detokenize(get(), ids.data(), ids.size(), keep_special, text.data(), text.size(), &bytes);
        if (status == KK_MODEL_ERROR_CAPACITY && bytes > text.size()) {
            text.resize(bytes);
            status = ::kk_model_detokenize(get(), ids.data(), ids.size(), keep_special, text.data(), text.size(), &bytes);
        }
        check(status);
        text.resize(bytes);
        return text;
    }
