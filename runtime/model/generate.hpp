    struct Receiver {
        const OnToken *on_token;
        std::exception_ptr thrown;
    };

    // The C struct, and what it points to.
    struct CallOptions {
        ::kk_model_generate_options c;
        std::vector<const char *> texts;
        std::vector<const std::int64_t *> words;
        std::vector<std::size_t> lengths;

        explicit CallOptions(const GenerateOptions &o) : c(::kk_model_generate_defaults())
        {
            for (const std::string &text : o.stop_strings)
                texts.push_back(text.c_str());
            for (const std::vector<std::int64_t> &word : o.bad_words) {
                words.push_back(word.data());
                lengths.push_back(word.size());
            }
            c.max_new_tokens = o.max_new_tokens;
            c.max_length = o.max_length;
            c.num_beams = o.num_beams;
            c.num_return_sequences = o.num_return_sequences;
            c.length_penalty = o.length_penalty;
            c.early_stopping = o.early_stopping;
            c.temperature = o.temperature;
            c.top_k = o.top_k;
            c.top_p = o.top_p;
            c.min_p = o.min_p;
            c.seed = o.seed;
            c.repetition_penalty = o.repetition_penalty;
            c.no_repeat_ngram_size = o.no_repeat_ngram_size;
            c.min_length = o.min_length;
            c.min_new_tokens = o.min_new_tokens;
            c.forced_bos_id = o.forced_bos_id;
            c.forced_eos_id = o.forced_eos_id;
            c.decoder_start_id = o.decoder_start_id;
            c.keep_special = o.keep_special;
            c.stop_ids = o.stop_ids.data();
            c.stop_id_count = o.stop_ids.size();
            c.suppress_ids = o.suppress_ids.data();
            c.suppress_id_count = o.suppress_ids.size();
            c.begin_suppress_ids = o.begin_suppress_ids.data();
            c.begin_suppress_id_count = o.begin_suppress_ids.size();
            c.bad_words = words.data();
            c.bad_word_lengths = lengths.data();
            c.bad_word_count = words.size();
            c.stop_strings = texts.data();
            c.stop_string_count = texts.size();
        }
        CallOptions(const CallOptions &) = delete;
        CallOptions &operator=(const CallOptions &) = delete;
    };

    // C code lies between this and generate, which no exception may cross.
    static int receive(std::int64_t, std::int64_t id, const char *text, std::size_t bytes, void *user)
    {
        Receiver &receiver = *static_cast<Receiver *>(user);
        try {
            return (*receiver.on_token)(id, std::string_view(text, bytes));
        } catch (...) {
            receiver.thrown = std::current_exception();
            return 1;
        }
    }
