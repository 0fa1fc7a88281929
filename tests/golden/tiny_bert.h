/* tiny_bert.h: the model tiny_bert (bert)
 *
 * Made by Kaoken 0.1.0 from model.onnx. C99, no dependency but libc; C++ may include it too.
 *
 * A handle serves one thread at a time; different handles may be used from different threads at once and share the
 * weights. No function prints, exits or allocates after creation; every one says in its status what went wrong.
 * Tensors are dense and row-major, in the caller's memory, which is only used during the call.
 */
#ifndef TINY_BERT_H
#define TINY_BERT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tiny_bert_status {
    TINY_BERT_OK = 0,                            /* no error */
    TINY_BERT_ERROR_ARGUMENT = 1,                /* a null or misaligned pointer, or an option without meaning */
    TINY_BERT_ERROR_RANGE = 2,                   /* an id, a size or a length outside its bounds */
    TINY_BERT_ERROR_MEMORY = 3,                  /* the system gave no memory */
    TINY_BERT_ERROR_FILE = 4,                    /* a file cannot be opened, mapped or read */
    TINY_BERT_ERROR_WEIGHTS = 5,                 /* a damaged weights file */
    TINY_BERT_ERROR_CAPACITY = 6,                /* a buffer, or the context, is too small */
    TINY_BERT_ERROR_TEXT = 7,                    /* damaged tokenizer tables, or text that they cannot encode */
    TINY_BERT_ERROR_NUMBER = 8,                  /* a number that is not one (NaN logits) */
    TINY_BERT_ERROR_THREADS = 9,                 /* a thread cannot be made */
    TINY_BERT_ERROR_CPU = 10,                     /* this processor lacks the instructions that the build needs */
    TINY_BERT_ERROR_WEIGHTS_FOREIGN = 11,         /* no weights file of Kaoken at all */
    TINY_BERT_ERROR_WEIGHTS_VERSION = 12,         /* a weights file of another layout */
    TINY_BERT_ERROR_WEIGHTS_MODEL = 13,           /* a sound weights file, of another model */
    TINY_BERT_ERROR_WEIGHTS_SHORT = 14,           /* a weights file that was cut off, or has something behind it */
    TINY_BERT_ERROR_ORDER = 15                   /* a call that needs another one before it */
} tiny_bert_status;

/* One English sentence for a status. */
const char *tiny_bert_status_text(tiny_bert_status status);

/* The model in memory. */
typedef struct tiny_bert tiny_bert;

/* The largest sizes that a handle is to serve; a field that is 0 takes its default. More memory for more. */
typedef struct tiny_bert_sizes {
    int64_t batch_size;              /* 1 to 8; default 1 */
    int64_t sequence_length;         /* 1 to 128; default 128 */
    int64_t text_bytes;              /* 1 to 1073741824; default 65536: longest text that tokenize takes, in bytes */
    int64_t threads;                 /* threads that work on a call, 1 to 256; default 1 */
} tiny_bert_sizes;

/* Steps of a call, each a row of what tiny_bert_profile counts. */
#define TINY_BERT_STEPS 16

/* Bytes of activations that live at once for these sizes (null: the defaults), and bytes of everything that a handle
   needs except the weights; 0 for sizes outside their bounds. */
size_t tiny_bert_arena_size(const tiny_bert_sizes *sizes);
size_t tiny_bert_memory_size(const tiny_bert_sizes *sizes);

/* Makes a handle that maps the weights file read-only, and shares it with every process that maps it.
   weights_path: tiny_bert.weights; null, of a folder compiled with --embed: those linked into the program.
   sizes: null for the defaults. *handle is null on error. */
tiny_bert_status tiny_bert_create(tiny_bert **handle, const char *weights_path, const tiny_bert_sizes *sizes);

/* The same in the caller's memory: `memory`, 64-byte aligned, of at least tiny_bert_memory_size(sizes) bytes, and
   the contents of the weights file at `weights`, 64-byte aligned; both stay until tiny_bert_destroy. */
tiny_bert_status tiny_bert_create_in(tiny_bert **handle, const void *weights, size_t weights_size,
    const tiny_bert_sizes *sizes, void *memory, size_t memory_size);

/* Ends a handle. Null is left alone. */
void tiny_bert_destroy(tiny_bert *handle);

/* Reads the whole weights file and compares its checksums: slow, once after a download. */
tiny_bert_status tiny_bert_check_weights(const tiny_bert *handle);

/* The instruction set level the handle chose: "avx512", "avx2", "neon" or "plain". */
const char *tiny_bert_level(const tiny_bert *handle);

/* What a step of the model takes: a kernel of one layer. Times are those of the calling thread, from the end of the step before. */
typedef struct tiny_bert_step {
    const char *layer, *kernel;      /* the layer as the ONNX model calls it, and the function in tiny_bert_kernels.c */
    int64_t calls;                   /* how often it ran */
    int64_t nanoseconds, waiting;    /* working on its share, and then waiting for the other threads; sums over all calls */
    double flop, bytes;              /* FLOP of all threads, and bytes of weights and earlier positions that they read; sums as well */
} tiny_bert_step;

/* From now on every call adds to steps[TINY_BERT_STEPS], which stays the caller's; it is cleared first. Null: no longer. It costs a look at the
   clock or two for each step, and nothing while it is off. */
tiny_bert_status tiny_bert_profile(tiny_bert *handle, tiny_bert_step *steps);

/* The model as the ONNX file has it: every input and output, nothing kept between calls. */
typedef struct tiny_bert_arguments {
    /* sizes of this call, within the handle's */
    int64_t batch_size;              /* 1 to 8 */
    int64_t sequence_length;         /* 1 to 128 */
    /* inputs */
    const int64_t *input_ids;                        /* [batch_size][sequence_length]  */
    const int64_t *attention_mask;                   /* [batch_size][sequence_length]  */
    const int64_t *token_type_ids;                   /* [batch_size][sequence_length]  */
    /* outputs */
    float *last_hidden_state;                        /* [batch_size][sequence_length][64] */
} tiny_bert_arguments;

/* Computes all outputs. TINY_BERT_ERROR_RANGE: a size outside the handle's, or an index outside the tensor it points into;
   then no output is written. */
tiny_bert_status tiny_bert_run(tiny_bert *handle, const tiny_bert_arguments *arguments);

/* Text to ids and back, by the tables of tokenizer.json in the weights file. text: UTF-8, `bytes` long, no longer than
   sizes.text_bytes. *count is the number of ids of the text, also when TINY_BERT_ERROR_CAPACITY says that ids is too small. */
tiny_bert_status tiny_bert_tokenize(tiny_bert *handle, const char *text, size_t bytes, int64_t *ids, size_t capacity, size_t *count);

/* Ids to UTF-8 text, not terminated; *bytes is its length, also when the buffer is too small. Invalid bytes become U+FFFD;
   an id that no token has gives no text, a negative one TINY_BERT_ERROR_RANGE. */
tiny_bert_status tiny_bert_detokenize(const tiny_bert *handle, const int64_t *ids, size_t count, int keep_special, char *text, size_t capacity, size_t *bytes);

/* A text, and a second one that goes with it, such as a question and its paragraph; second is null where there is none. */
typedef struct tiny_bert_text {
    const char *text;
    size_t bytes;
    const char *second;
    size_t second_bytes;
} tiny_bert_text;

/* A text or a pair to ids, special ones as the tokenizer puts them around and between. types: which text each id belongs to
   (token_type_ids), or null. Both texts as in tiny_bert_tokenize. */
tiny_bert_status tiny_bert_tokenize_pair(tiny_bert *handle, const tiny_bert_text *text, int64_t *ids, int64_t *types, size_t capacity, size_t *count);

/* Texts or pairs to padded rows, as tiny_bert_run takes them. input_ids, attention_mask, token_type_ids: room for
   rows * *length numbers each; the last two may be null. *length: before, the most ids of a row, to which longer texts are
   cut (of a pair the longer one first); after, the ids of the longest row. The rows then lie as [rows][*length].
   TINY_BERT_ERROR_CAPACITY: *length is too small for the special ids, or a text longer than sizes.text_bytes. */
tiny_bert_status tiny_bert_tokenize_batch(tiny_bert *handle, const tiny_bert_text *texts, int64_t rows, int64_t *input_ids,
    int64_t *attention_mask, int64_t *token_type_ids, int64_t *length);

/* Vectors of texts. The checkpoint says: pooling mean, to length 1. */
#define TINY_BERT_EMBEDDING 64

/* How the vectors of a text's tokens become one. */
typedef enum tiny_bert_pooling {
    TINY_BERT_POOLING_DEFAULT, /* as the checkpoint says; where it does not, give another */
    TINY_BERT_POOLING_MEAN,    /* the mean of all */
    TINY_BERT_POOLING_CLS,     /* the first */
    TINY_BERT_POOLING_LAST     /* the last */
} tiny_bert_pooling;

/* Zero it for the checkpoint's own way. */
typedef struct tiny_bert_embed_options {
    tiny_bert_pooling pooling;
    int normalize; /* 1: to length 1; -1: not; 0: as the checkpoint says */
} tiny_bert_embed_options;

/* One vector for each of `batch` texts of at most `length` tokens; both within the handle's sizes.
   ids: [batch][length]; padding is any valid id. mask: [batch][length], 0 for padding, else not 0; null: there is no padding.
   options: null for the checkpoint's. embeddings: [batch][TINY_BERT_EMBEDDING]; 0 for a row that is all padding.
   A row's vector does not depend on the rows beside it. TINY_BERT_ERROR_RANGE: a size or an id. */
tiny_bert_status tiny_bert_embed(tiny_bert *handle, int64_t batch, int64_t length, const int64_t *ids, const int64_t *mask,
    const tiny_bert_embed_options *options, float *embeddings);

/* The same for texts, none with a second one. A text that becomes more ids than the checkpoint or the handle takes is cut.
   TINY_BERT_ERROR_CAPACITY: as in tiny_bert_tokenize_batch. */
tiny_bert_status tiny_bert_embed_text(tiny_bert *handle, int64_t batch, const tiny_bert_text *texts,
    const tiny_bert_embed_options *options, float *embeddings);

#ifdef __cplusplus
}
#endif

#endif
