/* Text generation in whole: prompts in, texts out. */

/* When a beam search ends. FALSE: when no beam, were it to end at its length, would beat the worst text found; TRUE: as soon as there
   are num_beams texts; NEVER: when no beam can beat the worst text found, at whatever length the penalty favours. */
typedef enum kk_model_early_stopping {
    KK_MODEL_EARLY_STOPPING_FALSE, KK_MODEL_EARLY_STOPPING_TRUE, KK_MODEL_EARLY_STOPPING_NEVER
} kk_model_early_stopping;

/* How texts are continued; names and meaning are those of transformers' GenerationConfig. Start from kk_model_generate_defaults(). */
typedef struct kk_model_generate_options {
    int64_t max_new_tokens;     /* tokens of a text after its prompt; -1: as max_length says */
    int64_t max_length;         /* where max_new_tokens is -1: tokens of a text with its prompt */
    int64_t num_beams;          /* 1: token by token; more: beam search, which takes so many rows a prompt */
    int64_t num_return_sequences; /* texts a prompt: at most num_beams, or at random any number, a row each */
    double length_penalty;      /* beam search: scores are divided by length to this power; above 0 favours long texts */
    kk_model_early_stopping early_stopping; /* of beam search */
    double temperature;         /* 0: always the most likely token, as beam search needs it; more is more random */
    int64_t top_k;              /* at random: only the k most likely; 0: all */
    double top_p;               /* only the most likely that together reach top_p; 1: all */
    double min_p;               /* only those above min_p of the most likely; 0: all */
    uint64_t seed;              /* equal seeds give equal texts */
    double repetition_penalty;  /* above 1 makes tokens of prompt and text less likely; 1: none */
    int64_t no_repeat_ngram_size; /* no run of so many tokens comes twice in prompt and text; 0: any may */
    int64_t min_length;         /* no stop id before the text has so many tokens, with its prompt */
    int64_t min_new_tokens;     /* no stop id before so many new tokens; 0: as min_length says */
    int64_t forced_bos_id;      /* the token after a prompt of one token; -1: none */
    int64_t forced_eos_id;      /* the last token of a text that gets as long as it may; -1: none */
    int64_t decoder_start_id;   /* the prompt of a text without one; -1: none */
    const int64_t *stop_ids;    /* tokens that end a text; they are not handed out */
    size_t stop_id_count;
    const int64_t *suppress_ids; /* tokens that are never chosen */
    size_t suppress_id_count;
    const int64_t *begin_suppress_ids; /* tokens that are not chosen first */
    size_t begin_suppress_id_count;
    const int64_t *const *bad_words; /* runs of tokens that are never completed */
    const size_t *bad_word_lengths;
    size_t bad_word_count;
    const char *const *stop_strings; /* texts that end a text before them; need a tokenizer, and no beams */
    size_t stop_string_count;
    int keep_special;           /* not 0: special tokens have text too */
    /* Called for each token of text `row` (prompt * num_return_sequences + n): its id (-1: only text held back is left) and the new
       text, whole UTF-8 characters. Not 0 stops that row. A beam search calls it with row 0, id -1 and no text once a step, where
       not 0 ends the search, and with the tokens of its texts when they are found. */
    int (*callback)(int64_t row, int64_t id, const char *text, size_t bytes, void *user);
    void *user;
} kk_model_generate_options;

typedef enum kk_model_stop_reason {
    KK_MODEL_STOP_LENGTH, KK_MODEL_STOP_ID, KK_MODEL_STOP_STRING, KK_MODEL_STOP_CALLBACK, KK_MODEL_STOP_CONTEXT
} kk_model_stop_reason;

typedef struct kk_model_generate_result {
    kk_model_stop_reason reason;
    int64_t tokens;  /* handed out */
    int64_t last_id; /* chosen last and not fed; -1: none */
    double score;    /* of beam search: sum of log probabilities by length^length_penalty; -1e9: there is no such text */
} kk_model_generate_result;

/* Feeds the prompt to row 0, behind what it holds, and continues it; the callback hears the text. Beams take rows 0 to num_beams - 1.
   num_return_sequences has to be 1. result may be null. Errors as of kk_model_generate_batch. */
kk_model_status kk_model_generate(kk_model *handle, const int64_t *prompt, size_t prompt_count,
    const kk_model_generate_options *options, kk_model_generate_result *result);

/* The same for several prompts side by side, each as if it were alone: prompt i goes to row i, with prompt_counts[i] ids. Null prompts:
   each text begins with decoder_start_id. The rows that the texts need, batch times the larger of num_beams and num_return_sequences,
   have to be within sizes.batch; those behind the prompts are overwritten.
   ids: [batch][num_return_sequences][ids_capacity], the tokens handed out; results: [batch][num_return_sequences], the best first; each
   may be null.
   KK_MODEL_ERROR_ARGUMENT: null or empty where something is needed, options that exclude each other; KK_MODEL_ERROR_RANGE: an id or an option out
   of bounds; KK_MODEL_ERROR_CAPACITY: too few rows, a prompt that has no room, texts that may get longer than ids_capacity;
   KK_MODEL_ERROR_NUMBER: logits that are no numbers. */
kk_model_status kk_model_generate_batch(kk_model *handle, const int64_t *const *prompts, const size_t *prompt_counts, int64_t batch,
    const kk_model_generate_options *options, int64_t *ids, int64_t ids_capacity, kk_model_generate_result *results);
