/* The cosine of the angle between two vectors. */
static double likeness(const float *a, const float *b)
{
    double product = 0.0, a_square = 0.0, b_square = 0.0;
    for (int i = 0; i < KK_MODEL_EMBEDDING; i++) {
        product += (double)a[i] * (double)b[i];
        a_square += (double)a[i] * (double)a[i];
        b_square += (double)b[i] * (double)b[i];
    }
    return a_square > 0.0 && b_square > 0.0 ? product / sqrt(a_square * b_square) : 0.0;
}

/* ids and mask: room for TEXTS rows of LENGTH. */
static int print_vectors(kk_model *model, const kk_model_text *texts, int64_t count, int64_t *ids, int64_t *mask, float *vectors)
{
    const kk_model_embed_options options = {POOLING, 0};
    int64_t length = LENGTH;
    kk_model_status status = kk_model_tokenize_batch(model, texts, count, ids, mask, 0, &length);
    if (status != KK_MODEL_OK)
        return failed("text", status);
    status = kk_model_embed(model, count, length, ids, mask, &options, vectors);
    if (status != KK_MODEL_OK)
        return failed("embed", status);
    for (int64_t row = 0; row < count; row++) {
        const float *vector = vectors + row * KK_MODEL_EMBEDDING;
        printf("%.4f  %s\n       ", likeness(vectors, vector), texts[row].text);
        for (int i = 0; i < 8 && i < KK_MODEL_EMBEDDING; i++)
            printf(" %9.6f", (double)vector[i]);
        puts(KK_MODEL_EMBEDDING > 8 ? " ..." : "");
    }
    return 0;
}

int main(int argc, char **argv)
{
    const int first = linked ? 1 : 2, count = argc - first;
    kk_model_text texts[TEXTS];
    kk_model_sizes sizes;
    kk_model_status status;
    kk_model *model;
    int result;

    if (count < 1 || count > TEXTS) {
        fputs("usage: main " WEIGHTS "\"text\" ...\n", stderr);
        return 2;
    }
    memset(texts, 0, sizeof texts);
    for (int i = 0; i < count; i++) {
        texts[i].text = argv[first + i];
        texts[i].bytes = strlen(texts[i].text);
    }
    sizes = sizes_for(count);
    status = kk_model_create(&model, linked ? 0 : argv[1], &sizes);
    if (status != KK_MODEL_OK)
        return failed(linked ? "model" : argv[1], status);
    int64_t *const rows = calloc(2 * (size_t)count * LENGTH, sizeof *rows);
    float *const vectors = calloc((size_t)count * KK_MODEL_EMBEDDING, sizeof *vectors);
    result = rows && vectors ? print_vectors(model, texts, count, rows, rows + (size_t)count * LENGTH, vectors)
                             : failed("texts", KK_MODEL_ERROR_MEMORY);
    free(rows);
    free(vectors);
    kk_model_destroy(model);
    return result;
}
