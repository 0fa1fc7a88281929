    // Appends ids to row 0; logits after the last of them: [KK_MODEL_VOCABULARY].
    std::vector<float> feed(const std::vector<std::int64_t> &ids) { return feed(1, ids); }

    // Appends ids, [batch][count], to the first `batch` rows; logits: [batch][KK_MODEL_VOCABULARY].
    std::vector<float> feed(std::int64_t batch, const std::vector<std::int64_t> &ids)
    {
        in_bounds(batch, 1, most_rows);
        if (ids.empty() || ids.size() % static_cast<std::size_t>(batch) != 0)
            throw std::invalid_argument("ids: every row needs the same number of ids, 1 or more");
        std::vector<float> logits(static_cast<std::size_t>(batch) * KK_MODEL_VOCABULARY);
        feed(batch, static_cast<std::int64_t>(ids.size()) / batch, ids.data(), logits.data());
        return logits;
    }

    // In the caller's memory; logits may be null.
    void feed(std::int64_t batch, std::int64_t count, const std::int64_t *ids, float *logits)
    {
        check(::kk_model_feed(get(), batch, count, ids, logits));
    }

    std::int64_t position(std::int64_t row = 0) const { return ::kk_model_position(get(), row); }
    std::int64_t capacity() const { return ::kk_model_capacity(get()); }
    void reset() { check(::kk_model_reset(get())); }
    void truncate(std::int64_t length, std::int64_t row = 0) { check(::kk_model_truncate(get(), row, length)); }
    void reorder(const std::vector<std::int64_t> &rows)
    {
        static const std::int64_t none = 0;
        check(::kk_model_reorder(get(), rows.empty() ? &none : rows.data(), static_cast<std::int64_t>(rows.size())));
    }

    // Feeds the prompt to row 0 and continues it. An exception of `on_token` ends the text and is passed on.
    GenerateResult generate(const std::vector<std::int64_t> &prompt, const GenerateOptions &options = GenerateOptions(),
                            const OnToken &on_token = OnToken())
    {
        GenerateResult result{};
        Receiver receiver{&on_token, nullptr};
        CallOptions call(options);
        call.c.callback = on_token ? &receive : nullptr;
        call.c.user = &receiver;
        const Status status = ::kk_model_generate(get(), prompt.empty() ? nullptr : prompt.data(), prompt.size(), &call.c, &result);
        if (receiver.thrown)
            std::rethrow_exception(receiver.thrown);
        check(status);
        return result;
    }

    // Continues several prompts side by side in rows of their own: for each prompt its texts, the best first. The model has to be made
    // with Sizes::batch of prompts times the larger of num_beams and num_return_sequences. No prompts: each of `batch` texts begins with
    // decoder_start_id.
    std::vector<std::vector<Generated>> generate_batch(const std::vector<std::vector<std::int64_t>> &prompts,
                                                       const GenerateOptions &options = GenerateOptions(), std::int64_t batch = 0)
    {
        const CallOptions call(options);
        std::vector<const std::int64_t *> begins;
        std::vector<std::size_t> counts;
        for (const std::vector<std::int64_t> &prompt : prompts) {
            begins.push_back(prompt.data());
            counts.push_back(prompt.size());
        }
        batch = prompts.empty() ? batch : static_cast<std::int64_t>(prompts.size());
        in_bounds(batch, 1, most_rows);
        in_bounds(options.num_return_sequences, 1, most_rows);
        const std::size_t texts = static_cast<std::size_t>(options.num_return_sequences), all = texts * static_cast<std::size_t>(batch);
        const std::int64_t longest = std::min(options.max_new_tokens < 0 ? options.max_length : options.max_new_tokens, capacity());
        const std::size_t room = static_cast<std::size_t>(std::max<std::int64_t>(longest, 1));
        std::vector<std::int64_t> ids(all * room);
        std::vector<GenerateResult> results(all);
        check(::kk_model_generate_batch(get(), prompts.empty() ? nullptr : begins.data(), counts.data(), batch, &call.c, ids.data(),
                                  static_cast<std::int64_t>(room), results.data()));
        std::vector<std::vector<Generated>> made(static_cast<std::size_t>(batch));
        for (std::size_t n = 0; n < all; n++) {
            const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(n * room);
            made[n / texts].push_back({{begin, begin + static_cast<std::ptrdiff_t>(results[n].tokens)}, results[n]});
        }
        return made;
    }
