/* tiny_gpt2.h: the model tiny_gpt2 (gpt2)
 *
 * Made by Kaoken 0.1.0 from model.onnx. C99, no dependency but libc; C++ may include it too.
 *
 * A handle serves one thread at a time; different handles may be used from different threads at once and share the
 * weights. No function prints, exits or allocates after creation; every one says in its status what went wrong.
 * Tensors are dense and row-major, in the caller's memory, which is only used during the call.
 */
#ifndef TINY_GPT2_H
#define TINY_GPT2_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tiny_gpt2_status {
    TINY_GPT2_OK = 0,                            /* no error */
    TINY_GPT2_ERROR_ARGUMENT = 1,                /* a null or misaligned pointer, or an option without meaning */
    TINY_GPT2_ERROR_RANGE = 2,                   /* an id, a size or a length outside its bounds */
    TINY_GPT2_ERROR_MEMORY = 3,                  /* the system gave no memory */
    TINY_GPT2_ERROR_FILE = 4,                    /* a file cannot be opened, mapped or read */
    TINY_GPT2_ERROR_WEIGHTS = 5,                 /* a damaged weights file */
    TINY_GPT2_ERROR_CAPACITY = 6,                /* a buffer, or the context, is too small */
    TINY_GPT2_ERROR_TEXT = 7,                    /* damaged tokenizer tables, or text that they cannot encode */
    TINY_GPT2_ERROR_NUMBER = 8,                  /* a number that is not one (NaN logits) */
    TINY_GPT2_ERROR_THREADS = 9,                 /* a thread cannot be made */
    TINY_GPT2_ERROR_CPU = 10,                     /* this processor lacks the instructions that the build needs */
    TINY_GPT2_ERROR_WEIGHTS_FOREIGN = 11,         /* no weights file of Kaoken at all */
    TINY_GPT2_ERROR_WEIGHTS_VERSION = 12,         /* a weights file of another layout */
    TINY_GPT2_ERROR_WEIGHTS_MODEL = 13,           /* a sound weights file, of another model */
    TINY_GPT2_ERROR_WEIGHTS_SHORT = 14,           /* a weights file that was cut off, or has something behind it */
    TINY_GPT2_ERROR_ORDER = 15                   /* a call that needs another one before it */
} tiny_gpt2_status;

/* One English sentence for a status. */
const char *tiny_gpt2_status_text(tiny_gpt2_status status);

/* The model in memory. */
typedef struct tiny_gpt2 tiny_gpt2;

/* The largest sizes that a handle is to serve; a field that is 0 takes its default. More memory for more. */
typedef struct tiny_gpt2_sizes {
    int64_t batch;                   /* 1 to 8; default 1: rows */
    int64_t context;                 /* 1 to 128; default 128: positions that a row can hold */
    int64_t sequence;                /* 1 to 128; default 128: positions of a call of run, or of a piece that feed takes */
    int64_t text_bytes;              /* 1 to 1073741824; default 65536: longest text that tokenize takes, in bytes */
    int64_t threads;                 /* threads that work on a call, 1 to 256; default 1 */
} tiny_gpt2_sizes;

/* Steps of a call, each a row of what tiny_gpt2_profile counts. */
#define TINY_GPT2_STEPS 19

/* Bytes of activations that live at once for these sizes (null: the defaults), and bytes of everything that a handle
   needs except the weights; 0 for sizes outside their bounds. */
size_t tiny_gpt2_arena_size(const tiny_gpt2_sizes *sizes);
size_t tiny_gpt2_memory_size(const tiny_gpt2_sizes *sizes);

/* Makes a handle that maps the weights file read-only, and shares it with every process that maps it.
   weights_path: tiny_gpt2.weights; null, of a folder compiled with --embed: those linked into the program.
   sizes: null for the defaults. *handle is null on error. */
tiny_gpt2_status tiny_gpt2_create(tiny_gpt2 **handle, const char *weights_path, const tiny_gpt2_sizes *sizes);

/* The same in the caller's memory: `memory`, 64-byte aligned, of at least tiny_gpt2_memory_size(sizes) bytes, and
   the contents of the weights file at `weights`, 64-byte aligned; both stay until tiny_gpt2_destroy. */
tiny_gpt2_status tiny_gpt2_create_in(tiny_gpt2 **handle, const void *weights, size_t weights_size,
    const tiny_gpt2_sizes *sizes, void *memory, size_t memory_size);

/* Ends a handle. Null is left alone. */
void tiny_gpt2_destroy(tiny_gpt2 *handle);

/* Reads the whole weights file and compares its checksums: slow, once after a download. */
tiny_gpt2_status tiny_gpt2_check_weights(const tiny_gpt2 *handle);

/* The instruction set level the handle chose: "avx512", "avx2", "neon" or "plain". */
const char *tiny_gpt2_level(const tiny_gpt2 *handle);

/* What a step of the model takes: a kernel of one layer. Times are those of the calling thread, from the end of the step before. */
typedef struct tiny_gpt2_step {
    const char *layer, *kernel;      /* the layer as the ONNX model calls it, and the function in tiny_gpt2_kernels.c */
    int64_t calls;                   /* how often it ran */
    int64_t nanoseconds, waiting;    /* working on its share, and then waiting for the other threads; sums over all calls */
    double flop, bytes;              /* FLOP of all threads, and bytes of weights and earlier positions that they read; sums as well */
} tiny_gpt2_step;

/* From now on every call adds to steps[TINY_GPT2_STEPS], which stays the caller's; it is cleared first. Null: no longer. It costs a look at the
   clock or two for each step, and nothing while it is off. */
tiny_gpt2_status tiny_gpt2_profile(tiny_gpt2 *handle, tiny_gpt2_step *steps);

/* The model as the ONNX file has it: every input and output, nothing kept between calls. */
typedef struct tiny_gpt2_arguments {
    /* sizes of this call, within the handle's */
    int64_t batch_size;              /* 1 to 8 */
    int64_t sequence_length;         /* 1 to 128 */
    int64_t past_sequence_length;    /* 0 to 128 */
    /* inputs */
    const int64_t *input_ids;                        /* [batch_size][sequence_length]  */
    const float *past_key_values_0_key;              /* [batch_size][4][past_sequence_length][16]  */
    const float *past_key_values_0_value;            /* [batch_size][4][past_sequence_length][16]  */
    const float *past_key_values_1_key;              /* [batch_size][4][past_sequence_length][16]  */
    const float *past_key_values_1_value;            /* [batch_size][4][past_sequence_length][16]  */
    const int64_t *attention_mask;                   /* [batch_size][past_sequence_length + sequence_length]  */
    const int64_t *position_ids;                     /* [batch_size][sequence_length]  */
    /* outputs; a cache that is not wanted may be null */
    float *logits;                                   /* [batch_size][sequence_length][512] */
    float *present_0_key;                            /* [batch_size][4][past_sequence_length + sequence_length][16] */
    float *present_0_value;                          /* [batch_size][4][past_sequence_length + sequence_length][16] */
    float *present_1_key;                            /* [batch_size][4][past_sequence_length + sequence_length][16] */
    float *present_1_value;                          /* [batch_size][4][past_sequence_length + sequence_length][16] */
} tiny_gpt2_arguments;

/* Computes all outputs. TINY_GPT2_ERROR_RANGE: a size outside the handle's, or an index outside the tensor it points into;
   then no output is written. What the handle keeps for feed is overwritten: reset it before feeding again. */
tiny_gpt2_status tiny_gpt2_run(tiny_gpt2 *handle, const tiny_gpt2_arguments *arguments);

/* Text generation: the handle keeps keys and values of what it was fed, row by row. */
#define TINY_GPT2_VOCABULARY 512

/* Appends `count` ids to each of the first `batch` rows. ids: [batch][count], each 0 to 511.
   logits: [batch][512] after each row's last id, or null. How a text is cut into calls changes no bit of the result.
   TINY_GPT2_ERROR_RANGE: an id; TINY_GPT2_ERROR_CAPACITY: a row has no room (nothing is appended). */
tiny_gpt2_status tiny_gpt2_feed(tiny_gpt2 *handle, int64_t batch, int64_t count, const int64_t *ids, float *logits);

/* How many ids a row holds (-1: no such row), and how many it can hold. */
int64_t tiny_gpt2_position(const tiny_gpt2 *handle, int64_t row);
int64_t tiny_gpt2_capacity(const tiny_gpt2 *handle);

/* Forgets all rows; or what a row holds from position `length` on. */
tiny_gpt2_status tiny_gpt2_reset(tiny_gpt2 *handle);
tiny_gpt2_status tiny_gpt2_truncate(tiny_gpt2 *handle, int64_t row, int64_t length);

/* Row i becomes what row rows[i] was, for i below count: beams of a search change places. Rows that only change places are not
   copied; a row that is wanted twice is, from where it differs from what it is copied to. */
tiny_gpt2_status tiny_gpt2_reorder(tiny_gpt2 *handle, const int64_t *rows, int64_t count);

/* Text generation in whole: prompts in, texts out. */

/* When a beam search ends. FALSE: when no beam, were it to end at its length, would beat the worst text found; TRUE: as soon as there
   are num_beams texts; NEVER: when no beam can beat the worst text found, at whatever length the penalty favours. */
typedef enum tiny_gpt2_early_stopping {
    TINY_GPT2_EARLY_STOPPING_FALSE, TINY_GPT2_EARLY_STOPPING_TRUE, TINY_GPT2_EARLY_STOPPING_NEVER
} tiny_gpt2_early_stopping;

/* How texts are continued; names and meaning are those of transformers' GenerationConfig. Start from tiny_gpt2_generate_defaults(). */
typedef struct tiny_gpt2_generate_options {
    int64_t max_new_tokens;     /* tokens of a text after its prompt; -1: as max_length says */
    int64_t max_length;         /* where max_new_tokens is -1: tokens of a text with its prompt */
    int64_t num_beams;          /* 1: token by token; more: beam search, which takes so many rows a prompt */
    int64_t num_return_sequences; /* texts a prompt: at most num_beams, or at random any number, a row each */
    double length_penalty;      /* beam search: scores are divided by length to this power; above 0 favours long texts */
    tiny_gpt2_early_stopping early_stopping; /* of beam search */
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
} tiny_gpt2_generate_options;

typedef enum tiny_gpt2_stop_reason {
    TINY_GPT2_STOP_LENGTH, TINY_GPT2_STOP_ID, TINY_GPT2_STOP_STRING, TINY_GPT2_STOP_CALLBACK, TINY_GPT2_STOP_CONTEXT
} tiny_gpt2_stop_reason;

typedef struct tiny_gpt2_generate_result {
    tiny_gpt2_stop_reason reason;
    int64_t tokens;  /* handed out */
    int64_t last_id; /* chosen last and not fed; -1: none */
    double score;    /* of beam search: sum of log probabilities by length^length_penalty; -1e9: there is no such text */
} tiny_gpt2_generate_result;

/* Feeds the prompt to row 0, behind what it holds, and continues it; the callback hears the text. Beams take rows 0 to num_beams - 1.
   num_return_sequences has to be 1. result may be null. Errors as of tiny_gpt2_generate_batch. */
tiny_gpt2_status tiny_gpt2_generate(tiny_gpt2 *handle, const int64_t *prompt, size_t prompt_count,
    const tiny_gpt2_generate_options *options, tiny_gpt2_generate_result *result);

/* The same for several prompts side by side, each as if it were alone: prompt i goes to row i, with prompt_counts[i] ids. Null prompts:
   each text begins with decoder_start_id. The rows that the texts need, batch times the larger of num_beams and num_return_sequences,
   have to be within sizes.batch; those behind the prompts are overwritten.
   ids: [batch][num_return_sequences][ids_capacity], the tokens handed out; results: [batch][num_return_sequences], the best first; each
   may be null.
   TINY_GPT2_ERROR_ARGUMENT: null or empty where something is needed, options that exclude each other; TINY_GPT2_ERROR_RANGE: an id or an option out
   of bounds; TINY_GPT2_ERROR_CAPACITY: too few rows, a prompt that has no room, texts that may get longer than ids_capacity;
   TINY_GPT2_ERROR_NUMBER: logits that are no numbers. */
tiny_gpt2_status tiny_gpt2_generate_batch(tiny_gpt2 *handle, const int64_t *const *prompts, const size_t *prompt_counts, int64_t batch,
    const tiny_gpt2_generate_options *options, int64_t *ids, int64_t ids_capacity, tiny_gpt2_generate_result *results);
/* The options that generation_config.json asks for:
   max_new_tokens 128, max_length 0, num_beams 1, length_penalty 1.0, temperature 0.0, top_k 0, top_p 1.0, min_p 0.0, repetition_penalty 1.0,
   no_repeat_ngram_size 0, min_length 0, min_new_tokens 0, forced_bos_id -1, forced_eos_id -1, decoder_start_id -1, early_stopping FALSE. */
tiny_gpt2_generate_options tiny_gpt2_generate_defaults(void);

/* Text to ids and back, by the tables of tokenizer.json in the weights file. text: UTF-8, `bytes` long, no longer than
   sizes.text_bytes. *count is the number of ids of the text, also when TINY_GPT2_ERROR_CAPACITY says that ids is too small. */
tiny_gpt2_status tiny_gpt2_tokenize(tiny_gpt2 *handle, const char *text, size_t bytes, int64_t *ids, size_t capacity, size_t *count);

/* Ids to UTF-8 text, not terminated; *bytes is its length, also when the buffer is too small. Invalid bytes become U+FFFD;
   an id that no token has gives no text, a negative one TINY_GPT2_ERROR_RANGE. */
tiny_gpt2_status tiny_gpt2_detokenize(const tiny_gpt2 *handle, const int64_t *ids, size_t count, int keep_special, char *text, size_t capacity, size_t *bytes);

/* A text, and a second one that goes with it, such as a question and its paragraph; second is null where there is none. */
typedef struct tiny_gpt2_text {
    const char *text;
    size_t bytes;
    const char *second;
    size_t second_bytes;
} tiny_gpt2_text;

/* A text or a pair to ids, special ones as the tokenizer puts them around and between. types: which text each id belongs to
   (token_type_ids), or null. Both texts as in tiny_gpt2_tokenize. */
tiny_gpt2_status tiny_gpt2_tokenize_pair(tiny_gpt2 *handle, const tiny_gpt2_text *text, int64_t *ids, int64_t *types, size_t capacity, size_t *count);

/* Texts or pairs to padded rows, as tiny_gpt2_run takes them. input_ids, attention_mask, token_type_ids: room for
   rows * *length numbers each; the last two may be null. *length: before, the most ids of a row, to which longer texts are
   cut (of a pair the longer one first); after, the ids of the longest row. The rows then lie as [rows][*length].
   TINY_GPT2_ERROR_CAPACITY: *length is too small for the special ids, or a text longer than sizes.text_bytes. */
tiny_gpt2_status tiny_gpt2_tokenize_batch(tiny_gpt2 *handle, const tiny_gpt2_text *texts, int64_t rows, int64_t *input_ids,
    int64_t *attention_mask, int64_t *token_type_ids, int64_t *length);

#ifdef __cplusplus
}
#endif

#endif
