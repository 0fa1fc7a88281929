int main(int argc, char **argv)
{
    const int first = linked ? 1 : 2, count = argc - first;
    kk_model_text texts[1];
    kk_model_sizes sizes;
    kk_model_status status;
    kk_model *model;
    int result;

    if (count < 1 || count > 2) {
        fputs("usage: main " WEIGHTS "\"text\" [\"second text\"]\n", stderr);
        return 2;
    }
    memset(texts, 0, sizeof texts);
    texts->text = argv[first];
    texts->bytes = strlen(texts->text);
    texts->second = count > 1 ? argv[first + 1] : 0;
    texts->second_bytes = count > 1 ? strlen(texts->second) : 0;
    sizes = sizes_for(1);
    status = kk_model_create(&model, linked ? 0 : argv[1], &sizes);
    if (status != KK_MODEL_OK)
        return failed(linked ? "model" : argv[1], status);
    int64_t *const inputs = calloc(3 * LENGTH, sizeof *inputs);
    result = inputs ? print_outputs(model, texts, inputs) : failed("text", KK_MODEL_ERROR_MEMORY);
    free(inputs);
    kk_model_destroy(model);
    return result;
}
