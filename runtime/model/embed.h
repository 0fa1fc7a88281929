/* How the vectors of a text's tokens become one. */
typedef enum kk_model_pooling {
    KK_MODEL_POOLING_DEFAULT, /* as the checkpoint says; where it does not, give another */
    KK_MODEL_POOLING_MEAN,    /* the mean of all */
    KK_MODEL_POOLING_CLS,     /* the first */
    KK_MODEL_POOLING_LAST     /* the last */
} kk_model_pooling;

/* Zero it for the checkpoint's own way. */
typedef struct kk_model_embed_options {
    kk_model_pooling pooling;
    int normalize; /* 1: to length 1; -1: not; 0: as the checkpoint says */
} kk_model_embed_options;

/* One vector for each of `batch` texts of at most `length` tokens; both within the handle's sizes.
   ids: [batch][length]; padding is any valid id. mask: [batch][length], 0 for padding, else not 0; null: there is no padding.
   options: null for the checkpoint's. embeddings: [batch][KK_MODEL_EMBEDDING]; 0 for a row that is all padding.
   A row's vector does not depend on the rows beside it. KK_MODEL_ERROR_RANGE: a size or an id. */
kk_model_status kk_model_embed(kk_model *handle, int64_t batch, int64_t length, const int64_t *ids, const int64_t *mask,
    const kk_model_embed_options *options, float *embeddings);
