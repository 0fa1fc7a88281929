/* Text to ids and back, by the tables of tokenizer.json in the weights file. text: UTF-8, `bytes` long, no longer than
   sizes.text_bytes. *count is the number of ids of the text, also when KK_MODEL_ERROR_CAPACITY says that ids is too small. */
kk_model_status kk_model_tokenize(kk_model *handle, const char *text, size_t bytes, int64_t *ids, size_t capacity, size_t *count);

/* Ids to UTF-8 text, not terminated; *bytes is its length, also when the buffer is too small. Invalid bytes become U+FFFD;
   an id that no token has gives no text, a negative one KK_MODEL_ERROR_RANGE. */
kk_model_status kk_model_detokenize(const kk_model *handle, const int64_t *ids, size_t count, int keep_special, char *text, size_t capacity, size_t *bytes);

/* A text, and a second one that goes with it, such as a question and its paragraph; second is null where there is none. */
typedef struct kk_model_text {
    const char *text;
    size_t bytes;
    const char *second;
    size_t second_bytes;
} kk_model_text;

/* A text or a pair to ids, special ones as the tokenizer puts them around and between. types: which text each id belongs to
   (token_type_ids), or null. Both texts as in kk_model_tokenize. */
kk_model_status kk_model_tokenize_pair(kk_model *handle, const kk_model_text *text, int64_t *ids, int64_t *types, size_t capacity, size_t *count);

/* Texts or pairs to padded rows, as kk_model_run takes them. input_ids, attention_mask, token_type_ids: room for
   rows * *length numbers each; the last two may be null. *length: before, the most ids of a row, to which longer texts are
   cut (of a pair the longer one first); after, the ids of the longest row. The rows then lie as [rows][*length].
   KK_MODEL_ERROR_CAPACITY: *length is too small for the special ids, or a text longer than sizes.text_bytes. */
kk_model_status kk_model_tokenize_batch(kk_model *handle, const kk_model_text *texts, int64_t rows, int64_t *input_ids,
    int64_t *attention_mask, int64_t *token_type_ids, int64_t *length);
