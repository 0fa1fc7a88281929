class Error : public std::runtime_error {
public:
    explicit Error(Status status) : std::runtime_error(::kk_model_status_text(status)), status_(status) {}
    Status status() const noexcept { return status_; }

private:
    Status status_;
};

inline void check(Status status)
{
    if (status != KK_MODEL_OK)
        throw Error(status);
}
