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

enum { ROWS = 6 };

/* Logits depend on all that a row was fed, by way of a sum. */
typedef struct fake_model {
    int64_t position[ROWS];
    uint64_t sum[ROWS];
    int64_t rows, vocabulary;
    int kind, uniform;
} fake_model;

static int fake_feed(void *model, const int64_t *rows, int64_t row_count, int64_t count, const int64_t *const *ids, float *logits)
{
    fake_model *fake = model;
    for (int64_t r = 0; r < row_count; r++)
        if (rows[r] < 0 || rows[r] >= fake->rows || (fake->uniform && fake->position[rows[r]] != fake->position[rows[0]]))
            exit(1);
    for (int64_t r = 0; r < row_count; r++) {
        float *own = logits + r * fake->vocabulary;
        for (int64_t i = 0; i < count; i++)
            fake->sum[rows[r]] = fake->sum[rows[r]] * 31 + (uint64_t)ids[r][i];
        fake->position[rows[r]] += count;
        uint64_t sum = fake->sum[rows[r]];
        for (int64_t i = 0; i < fake->vocabulary; i++) {
            sum = sum * 6364136223846793005u + 1442695040888963407u;
            own[i] = fake->kind == 3 ? 0.0f : (float)(sum >> 40) * 1e-6f - (i % 7 == 0 ? INFINITY : 0.0f);
        }
        if (fake->kind == 1 && rarely())
            own[random_below((uint64_t)fake->vocabulary)] = NAN;
    }
    return fake->kind == 2 && rarely() ? KK_ERROR_THREADS : KK_OK;
}

static int fake_reorder(void *model, const int64_t *from, int64_t count)
{
    fake_model *fake = model, old = *fake;
    for (int64_t i = 0; i < count; i++) {
        if (from[i] < 0 || from[i] >= fake->rows)
            exit(1);
        fake->position[i] = old.position[from[i]];
        fake->sum[i] = old.sum[from[i]];
    }
    return KK_OK;
}

static int64_t fake_position(void *model, int64_t row)
{
    fake_model *fake = model;
    if (row < 0 || row >= fake->rows)
        exit(1);
    return fake->position[row];
}

static int on_token(int64_t row, int64_t id, const char *text, size_t bytes, void *user)
{
    size_t *seen = user;
    if (row < 0 || row >= ROWS)
        exit(1);
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
                                  random_number(0.9), random_number(0.05), random_below(1000)};
    return options;
}

static int64_t some_id(int64_t vocabulary)
{
    return rarely() && rarely() ? (int64_t)random_below(1u << 30) - 5 : (int64_t)random_below((uint64_t)vocabulary);
}

static kk_logits_options random_logits(int64_t vocabulary, const int64_t *ids, const int64_t *const *words, const size_t *lengths)
{
    kk_logits_options options = kk_logits_defaults();
    options.repetition_penalty = random_number(1.2);
    options.no_repeat_ngram_size = random_below(2) ? (int64_t)random_below(4) - rarely() : rarely() ? INT64_MAX : 0;
    options.min_length = (int64_t)random_below(9) - rarely();
    options.min_new_tokens = (int64_t)random_below(9) - rarely();
    options.forced_bos_id = random_below(4) ? -1 : some_id(vocabulary);
    options.forced_eos_id = random_below(4) ? -1 : some_id(vocabulary);
    options.suppress_ids = rarely() ? NULL : ids;
    options.suppress_id_count = random_below(4);
    options.begin_suppress_ids = rarely() ? NULL : ids;
    options.begin_suppress_id_count = random_below(4);
    options.bad_words = rarely() ? NULL : words;
    options.bad_word_lengths = rarely() ? NULL : lengths;
    options.bad_word_count = random_below(3);
    return options;
}

static kk_status call_generate(const kk_tokenizer *tokenizer)
{
    static const char *stops[] = {"the", "a", "\n", "self", "", "\xff", "\xc3\xa9"};
    const char *chosen[3];
    int64_t prompt[3][20], banned[4], stop_ids[KK_BEAM_END_IDS + 1];
    const int64_t *prompts[3] = {prompt[0], prompt[1], rarely() ? NULL : prompt[2]}, *words[2] = {banned, banned + 1};
    size_t seen = 0, counts[3], lengths[2] = {1 + random_below(3), 3 - rarely() * 3};
    fake_model fake;
    memset(&fake, 0, sizeof fake);
    fake.rows = 1 + (int64_t)random_below(ROWS);
    fake.vocabulary = 1 + (int64_t)random_below(random_below(3) ? 1600 : 9);
    fake.kind = (int)random_below(6);
    fake.uniform = (int)random_below(2);
    for (int i = 0; i < ROWS; i++)
        fake.position[i] = (int64_t)random_below(5);
    kk_language_model model = {&fake, fake_feed, rarely() ? NULL : fake_reorder, fake_position, fake.rows,
                               (int64_t)random_below(60), fake.vocabulary, fake.uniform};
    kk_generate_options options = kk_generate_defaults();
    kk_generate_result results[ROWS];
    kk_generate_request request = {prompts, counts, 1 + (int64_t)random_below(3) - rarely(), &options, NULL, 0, NULL};
    for (int i = 0; i < 4; i++)
        banned[i] = some_id(fake.vocabulary);
    for (int i = 0; i <= KK_BEAM_END_IDS; i++)
        stop_ids[i] = some_id(fake.vocabulary);
    for (int n = 0; n < 3; n++) {
        counts[n] = random_below(20);
        for (size_t i = 0; i < counts[n]; i++)
            prompt[n][i] = some_id(fake.vocabulary);
    }
    options.max_new_tokens = (int64_t)random_below(40) - rarely();
    options.max_length = (int64_t)random_below(40);
    options.sampler = random_below(2) ? random_sampler() : kk_sampler_defaults();
    if (random_below(2)) {
        options.num_beams = (int64_t)random_below(6) - rarely();
        options.sampler.temperature = rarely();
    }
    options.num_return_sequences = random_below(3) ? 1 : (int64_t)random_below(5);
    options.length_penalty = random_number(1.0);
    options.early_stopping = (kk_early_stopping)random_below(3 + (uint64_t)rarely());
    options.decoder_start_id = random_below(2) ? -1 : some_id(fake.vocabulary);
    if (random_below(2))
        options.logits = random_logits(fake.vocabulary, banned, words, lengths);
    options.stop_ids = stop_ids;
    options.stop_id_count = rarely() ? random_below(KK_BEAM_END_IDS + 2) : random_below(3);
    for (int i = 0; i < 3; i++)
        chosen[i] = rarely() ? NULL : stops[rarely() ? random_below(7) : random_below(4)];
    options.stream.stop_strings = chosen;
    options.stream.stop_string_count = options.num_beams > 1 ? (size_t)rarely() : random_below(4);
    options.stream.callback = random_below(3) ? on_token : NULL;
    options.stream.user = &seen;
    if (rarely())
        request.prompts = NULL;
    if (rarely())
        request.prompt_counts = NULL;
    if (random_below(3) == 0)
        tokenizer = NULL;
    if (random_below(2)) { /* as many ids as the texts can have, at most */
        request.ids_capacity = (int64_t)random_below(60);
        request.ids = allocate(ROWS * (size_t)request.ids_capacity * sizeof *request.ids);
    }
    request.results = random_below(2) ? results : NULL;
    size_t bytes = kk_generate_scratch(&model, tokenizer, &request);
    if (bytes > 0 && bytes > kk_generate_scratch_for(ROWS, 80, fake.vocabulary, 4096))
        exit(1);
    if (rarely() && bytes > 0)
        bytes = random_below(bytes);
    void *scratch = allocate(bytes);
    kk_status status = kk_generate(rarely() ? NULL : &model, tokenizer, rarely() ? NULL : &request, rarely() ? NULL : scratch, bytes);
    free(scratch);
    free(request.ids);
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
