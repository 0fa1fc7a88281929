<% e = m.embedding %>

/* Vectors of texts. */
#define ${m.upper}_EMBEDDING ${e.width}

/* How the vectors of a text's tokens become one. */
typedef enum ${m.name}_pooling {
    ${m.upper}_POOLING_DEFAULT, /* as the checkpoint says: ${e.pooling.mode or "it does not, so give another"} */
    ${m.upper}_POOLING_MEAN,    /* the mean of all */
    ${m.upper}_POOLING_CLS,     /* the first */
    ${m.upper}_POOLING_LAST     /* the last */
} ${m.name}_pooling;

/* Zero it for the checkpoint's own way. */
typedef struct ${m.name}_embed_options {
    ${m.name}_pooling pooling;
    int normalize; /* 1: to length 1; -1: not; 0: as the checkpoint ${"says, to length 1" if e.pooling.normalize else "says, not"} */
} ${m.name}_embed_options;

/* One vector for each of `batch` texts of at most `length` tokens; both within the handle's sizes.
   ids: [batch][length]; padding is any valid id. mask: [batch][length], 0 for padding, else not 0; null: there is no padding.
   options: null for the checkpoint's. embeddings: [batch][${e.width}]; 0 for a row that is all padding.
   A row's vector does not depend on the rows beside it. ${m.upper}_ERROR_RANGE: a size or an id. */
${m.name}_status ${m.name}_embed(${m.name} *handle, int64_t batch, int64_t length, const int64_t *ids, const int64_t *mask,
    const ${m.name}_embed_options *options, float *embeddings);
% if m.tokenizer:

/* The same for texts, none with a second one. A text that becomes more ids than ${e.longest or "the handle takes"} is cut${", or than the handle takes" if e.longest else ""}.
   ${m.upper}_ERROR_CAPACITY: as in ${m.name}_tokenize_batch. */
${m.name}_status ${m.name}_embed_text(${m.name} *handle, int64_t batch, const ${m.name}_text *texts,
    const ${m.name}_embed_options *options, float *embeddings);
% endif
