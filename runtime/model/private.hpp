    struct Destroy {
        void operator()(::kk_model *handle) const noexcept { ::kk_model_destroy(handle); }
    };

    static ::kk_model *create(const char *weights_path, const Sizes &sizes)
    {
        ::kk_model *handle = nullptr;
        check(::kk_model_create(&handle, weights_path, &sizes));
        return handle;
    }

    static ::kk_model *create_in(const void *weights, std::size_t weights_size, void *memory, std::size_t memory_size, const Sizes &sizes)
    {
        ::kk_model *handle = nullptr;
        check(::kk_model_create_in(&handle, weights, weights_size, &sizes, memory, memory_size));
        return handle;
    }

    static void in_bounds(std::int64_t value, std::int64_t lower, std::int64_t upper)
    {
        if (value < lower || value > upper)
            throw Error(KK_MODEL_ERROR_RANGE);
    }

    template <class T> static const T *data(const std::vector<T> &values, std::int64_t count, const char *name)
    {
        if (values.size() != static_cast<std::size_t>(count))
            throw std::invalid_argument(std::string(name) + " has " + std::to_string(values.size()) + " elements, the sizes ask for " +
                                        std::to_string(count));
        return values.data();
    }
