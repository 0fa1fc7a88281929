    // In the caller's memory, 64-byte aligned, which must outlive the model; nothing is allocated. See kk_model_create_in.
    Model(const void *weights, std::size_t weights_size, void *memory, std::size_t memory_size, const Sizes &sizes = Sizes())
        : handle_(create_in(weights, weights_size, memory, memory_size, sizes))
    {
    }

    static std::size_t arena_size(const Sizes &sizes = Sizes()) { return ::kk_model_arena_size(&sizes); }
    static std::size_t memory_size(const Sizes &sizes = Sizes()) { return ::kk_model_memory_size(&sizes); }

    // The C handle; it stays this object's. Null after a move.
    ::kk_model *get() const noexcept { return handle_.get(); }
    std::string level() const { return ::kk_model_level(get()); }
    void check_weights() const { check(::kk_model_check_weights(get())); }

    // What every step of the calls that work() makes took, under its layer's name.
    template <class Work> std::vector<::kk_model_step> profile(Work work)
    {
        std::vector<::kk_model_step> steps(KK_MODEL_STEPS);
        check(::kk_model_profile(get(), steps.data()));
        const std::unique_ptr<::kk_model, void (*)(::kk_model *)> off(get(), [](::kk_model *handle) { ::kk_model_profile(handle, nullptr); });
        work();
        return steps;
    }
