/* Bytes of activations that live at once for these sizes (null: the defaults), and bytes of everything that a handle
   needs except the weights; 0 for sizes outside their bounds. */
size_t kk_model_arena_size(const kk_model_sizes *sizes);
size_t kk_model_memory_size(const kk_model_sizes *sizes);

/* Makes a handle that maps the weights file read-only, and shares it with every process that maps it.
   weights_path: kk_model.weights; null, of a folder compiled with --embed: those linked into the program.
   sizes: null for the defaults. *handle is null on error. */
kk_model_status kk_model_create(kk_model **handle, const char *weights_path, const kk_model_sizes *sizes);

/* The same in the caller's memory: `memory`, 64-byte aligned, of at least kk_model_memory_size(sizes) bytes, and
   the contents of the weights file at `weights`, 64-byte aligned; both stay until kk_model_destroy. */
kk_model_status kk_model_create_in(kk_model **handle, const void *weights, size_t weights_size,
    const kk_model_sizes *sizes, void *memory, size_t memory_size);

/* Ends a handle. Null is left alone. */
void kk_model_destroy(kk_model *handle);

/* Reads the whole weights file and compares its checksums: slow, once after a download. */
kk_model_status kk_model_check_weights(const kk_model *handle);

/* The instruction set level the handle chose: "avx512", "avx2", "neon" or "plain". */
const char *kk_model_level(const kk_model *handle);

/* What a step of the model takes: a kernel of one layer. Times are those of the calling thread, from the end of the step before. */
typedef struct kk_model_step {
    const char *layer, *kernel;      /* the layer as the ONNX model calls it, and the function in kk_model_kernels.c */
    int64_t calls;                   /* how often it ran */
    int64_t nanoseconds, waiting;    /* working on its share, and then waiting for the other threads; sums over all calls */
    double flop, bytes;              /* FLOP of all threads, and bytes of weights and earlier positions that they read; sums as well */
} kk_model_step;

/* From now on every call adds to steps[KK_MODEL_STEPS], which stays the caller's; it is cleared first. Null: no longer. It costs a look at the
   clock or two for each step, and nothing while it is off. */
kk_model_status kk_model_profile(kk_model *handle, kk_model_step *steps);
