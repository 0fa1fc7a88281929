/* Calls the tokenizer, the sampler and the generation loop with random arguments, many of them bad, in buffers of
   exactly the sizes that are stated. Built with the sanitizers. Arguments: tables, rounds. Prints how many calls were
   fine and how many were refused; ends with 1 when a status is no status. */
#include "kk_generate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 7;

static uint64_t random_below(uint64_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % limit;
}

static int rarely(void)
{
    return random_below(25) == 0;
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL)
        exit(2);
    return memory;
}

typedef struct fake_model {
    int64_t position;
    int64_t vocabulary;
    int kind;
} fake_model;

static int fake_feed(void *model, const int64_t *ids, int64_t count, float *logits)
{
    fake_model *fake = model;
    uint64_t sum = (uint64_t)fake->position;
    for (int64_t i = 0; i < count; i++)
        sum = sum * 31 + (uint64_t)ids[i];
    fake->position += count;
    for (int64_t i = 0; i < fake->vocabulary; i++) {
        sum = sum * 6364136223846793005u + 1442695040888963407u;
        logits[i] = fake->kind == 3 ? 0.0f : (float)(sum >> 40) * 1e-6f - (i % 7 == 0 ? INFINITY : 0.0f);
    }
    if (fake->kind == 1 && rarely())
        logits[random_below((uint64_t)fake->vocabulary)] = NAN;
    return fake->kind == 2 && rarely() ? KK_ERROR_THREADS : KK_OK;
}

static int64_t fake_position(void *model)
{
    return ((fake_model *)model)->position;
}

static int on_token(int64_t id, const char *text, size_t bytes, void *user)
{
    size_t *seen = user;
    for (size_t i = 0; i < bytes; i++)
        *seen += (unsigned char)text[i];
    return id == 3;
}

static double random_number(double likely)
{
    static const double odd[] = {-1.0, 0.0, 1.0, 2.0, 1e30, -1e30, 1e-30, 1e300, 0.5};
    return random_below(4) == 0 ? (rarely() ? NAN : odd[random_below(9)]) : likely;
}

static kk_sampler_options random_sampler(void)
{
    kk_sampler_options options = {random_number(0.8), random_below(5) ? (int64_t)random_below(60) : -1,
                                  random_number(0.9), random_number(0.05), random_number(1.2), random_below(1000)};
    return options;
}

static kk_status call_generate(const kk_tokenizer *tokenizer)
{
    static const char *stops[] = {"the", "a", "\n", "self", "", "\xff", "\xc3\xa9"};
    const char *chosen[3];
    int64_t prompt[20], stop_ids[2] = {(int64_t)random_below(400), 5};
    size_t seen = 0, count = random_below(20);
    fake_model fake = {(int64_t)random_below(5), 1 + (int64_t)random_below(1600), (int)random_below(6)};
    kk_language_model model = {&fake, fake_feed, fake_position, (int64_t)random_below(60), fake.vocabulary};
    kk_generate_options options = kk_generate_defaults();
    kk_generate_result result;
    options.max_new_tokens = (int64_t)random_below(40) - rarely();
    options.sampler = random_below(2) ? random_sampler() : kk_sampler_defaults();
    options.stop_ids = stop_ids;
    options.stop_id_count = random_below(3);
    for (int i = 0; i < 3; i++)
        chosen[i] = rarely() ? NULL : stops[rarely() ? random_below(7) : random_below(4)];
    options.stop_strings = chosen;
    options.stop_string_count = random_below(4);
    options.callback = random_below(3) ? on_token : NULL;
    options.user = &seen;
    for (size_t i = 0; i < count; i++)
        prompt[i] = rarely() && rarely() ? (int64_t)random_below(1u << 30) - 5 : (int64_t)random_below(300) % fake.vocabulary;
    if (random_below(3) == 0)
        tokenizer = NULL;
    size_t bytes = kk_generate_scratch(&model, tokenizer, &options);
    if (rarely() && bytes > 0)
        bytes = random_below(bytes);
    void *scratch = allocate(bytes);
    kk_status status = kk_generate(rarely() ? NULL : &model, tokenizer, rarely() ? NULL : prompt, count,
                                   rarely() ? NULL : &options, rarely() ? NULL : scratch, bytes, &result);
    free(scratch);
    return status;
}

static kk_status call_sampler(void)
{
    int64_t vocabulary = (int64_t)random_below(300) - 2, id;
    kk_sampler_options options = random_sampler();
    kk_sampler sampler;
    size_t bytes = kk_sampler_scratch(vocabulary);
    void *scratch = allocate(bytes);
    kk_status status = kk_sampler_open(&sampler, &options, vocabulary, scratch, bytes);
    if (status == KK_OK) {
        float *logits = allocate((size_t)vocabulary * sizeof *logits);
        for (int64_t i = 0; i < vocabulary; i++)
            logits[i] = (float)random_number((double)random_below(2000) / 100.0);
        for (int i = 0; i < 5 && status == KK_OK; i++) {
            status = kk_sampler_sample(&sampler, logits, &id);
            if (status == KK_OK && (id < 0 || id >= vocabulary))
                exit(1);
            if (status == KK_OK)
                status = kk_sampler_accept(&sampler, &id, 1);
        }
        free(logits);
    }
    free(scratch);
    return status;
}

static kk_status call_tokenizer(const kk_tokenizer *tokenizer)
{
    size_t bytes = random_below(300), count, given, capacity = random_below(2) ? bytes : random_below(bytes + 1);
    char *text = allocate(bytes);
    int bad = random_below(4) == 0;
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)(bad ? random_below(256) : 32 + random_below(random_below(2) ? 90 : 3));
    size_t scratch_bytes = kk_tokenizer_scratch(tokenizer, bytes);
    if (rarely())
        scratch_bytes = random_below(scratch_bytes);
    void *scratch = allocate(scratch_bytes);
    int64_t *ids = allocate(capacity * sizeof *ids);
    kk_status status = kk_tokenizer_encode(tokenizer, text, bytes, 1, scratch, scratch_bytes, ids, capacity, &count);
    if (status == KK_OK) {
        if (rarely() && count > 0)
            ids[0] = -1 - (int64_t)random_below(3);
        size_t room = random_below(2) ? 3 * bytes : random_below(bytes + 1);
        char *decoded = allocate(room);
        status = kk_tokenizer_decode(tokenizer, ids, count, 0, decoded, room, &given);
        if (status == KK_OK && (given != bytes || memcmp(decoded, text, bytes) != 0))
            exit(1);
        free(decoded);
    }
    free(ids);
    free(scratch);
    free(text);
    return status;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    long fine = 0, refused = 0;
    kk_tokenizer tokenizer;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return 2;
    size_t bytes = (size_t)ftell(file);
    unsigned char *tables = allocate(bytes);
    rewind(file);
    if (fread(tables, 1, bytes, file) != bytes || kk_tokenizer_open(tables, bytes, &tokenizer) != KK_OK)
        return 2;
    fclose(file);
    for (long round = atol(argv[2]); round > 0; round--) {
        kk_status status;
        switch (random_below(3)) {
        case 0: status = call_generate(&tokenizer); break;
        case 1: status = call_sampler(); break;
        default: status = call_tokenizer(&tokenizer);
        }
        if (status == KK_OK)
            fine++;
        else
            refused++;
        if (strcmp(kk_status_text(status), "unknown status") == 0)
            return 1;
    }
    printf("%ld %ld\n", fine, refused);
    free(tables);
    return 0;
}
