/* Prints values [rows][width], for each row where its greatest is. */
static void print_rows(const char *name, const float *values, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++, values += width) {
        int64_t best = 0;
        for (int64_t i = 1; i < width; i++)
            best = values[i] > values[best] ? i : best;
        printf("%s %ld: greatest at %ld;", name, (long)row, (long)best);
        for (int64_t i = 0; i < width && i < 8; i++)
            printf(" %.6g", (double)values[i]);
        puts(width > 8 ? " ..." : "");
    }
}
