/* How many ids a row holds (-1: no such row), and how many it can hold. */
int64_t kk_model_position(const kk_model *handle, int64_t row);
int64_t kk_model_capacity(const kk_model *handle);

/* Forgets all rows; or what a row holds from position `length` on. */
kk_model_status kk_model_reset(kk_model *handle);
kk_model_status kk_model_truncate(kk_model *handle, int64_t row, int64_t length);

/* Row i becomes what row rows[i] was, for i below count: beams of a search change places. Rows that only change places are not
   copied; a row that is wanted twice is, from where it differs from what it is copied to. */
kk_model_status kk_model_reorder(kk_model *handle, const int64_t *rows, int64_t count);
