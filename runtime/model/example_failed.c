static int failed(const char *what, kk_model_status status)
{
    fprintf(stderr, "main: %s: %s\n", what, kk_model_status_text(status));
    return 1;
}
