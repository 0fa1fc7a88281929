static int usage(void)
{
    fputs("usage: main [-n tokens] [-t temperature] [-s seed] [-b beams] [-j threads] " WEIGHTS "\"prompt\"\n"
          "  -t 0 always takes the likeliest token; equal seeds give equal texts; beams search for the likeliest text\n", stderr);
    return 2;
}

/* Prints the text of each token as soon as there is one. */
static int print_token(int64_t row, int64_t id, const char *text, size_t bytes, void *user)
{
    (void)row;
    (void)id;
    (void)user;
    fwrite(text, 1, bytes, stdout);
    return fflush(stdout) != 0; /* not 0 stops: nobody reads any more */
}

static int continue_text(kk_model *model, const char *prompt, const kk_model_generate_options *options)
{
    kk_model_generate_result result = {KK_MODEL_STOP_LENGTH, 0, -1, 0};
    kk_model_status status;
    size_t count = 0;
    const size_t capacity = longest_prompt(model);
    int64_t *ids = malloc(capacity * sizeof *ids);
    clock_t start;
    double seconds;

    if (!ids)
        return failed("prompt", KK_MODEL_ERROR_MEMORY);
    status = kk_model_tokenize(model, prompt, strlen(prompt), ids, capacity, &count);
    if (status == KK_MODEL_OK && count == 0)
        status = KK_MODEL_ERROR_ARGUMENT;
    if (status != KK_MODEL_OK) {
        free(ids);
        return failed("prompt", status);
    }
    if (continues)
        fputs(prompt, stdout);
    start = clock();
    status = answer(model, ids, count, options, &result);
    seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    putchar('\n');
    fflush(stdout);
    free(ids);
    if (status != KK_MODEL_OK)
        return failed("generate", status);
    fprintf(stderr, "%lu tokens read, %ld written in %.3f s of processor time (%s)\n", (unsigned long)count, (long)result.tokens,
            seconds, kk_model_level(model));
    return 0;
}

int main(int argc, char **argv)
{
    kk_model_generate_options options = kk_model_generate_defaults();
    kk_model_sizes sizes;
    kk_model_status status;
    kk_model *model;
    const char *weights = 0, *prompt = 0;
    int result;

    memset(&sizes, 0, sizeof sizes);
    options.callback = print_token;
    for (int i = 1; i < argc; i++) {
        const char option = argv[i][0] == '-' && strlen(argv[i]) == 2 ? argv[i][1] : 0;
        char *end = 0;
        if (!option && (!prompt || (!linked && !weights))) {
            if (!linked && !weights)
                weights = argv[i];
            else
                prompt = argv[i];
            continue;
        }
        if (!option || i + 1 == argc)
            return usage();
        i++;
        errno = 0;
        if (option == 'n')
            options.max_new_tokens = strtol(argv[i], &end, 10);
        else if (option == 't') {
            options.temperature = strtod(argv[i], &end);
            options.num_beams = 1; /* a search draws no lots */
        }
        else if (option == 's')
            options.seed = strtoull(argv[i], &end, 10);
        else if (option == 'b')
            sizes.batch = options.num_beams = strtol(argv[i], &end, 10);
        else if (option == 'j')
            sizes.threads = strtol(argv[i], &end, 10);
        else if (option == 'w' && linked)
            weights = argv[i];
        else
            return usage();
        if (errno || (end && (*end || end == argv[i])))
            return usage();
    }
    if (!prompt)
        return usage();
    status = kk_model_create(&model, weights, &sizes);
    if (status != KK_MODEL_OK)
        return failed(weights ? weights : "model", status);
    result = continue_text(model, prompt, &options);
    kk_model_destroy(model);
    return result;
}
