/* Status codes: what every fallible function of the runtime returns. */
#ifndef KK_STATUS_H
#define KK_STATUS_H

typedef enum kk_status {
    KK_OK = 0,
    KK_ERROR_ARGUMENT, /* a null or misaligned pointer, or an option without meaning */
    KK_ERROR_RANGE,    /* an id, a size or a length outside its bounds */
    KK_ERROR_MEMORY,   /* the system gave no memory */
    KK_ERROR_FILE,     /* a file cannot be opened, mapped or read */
    KK_ERROR_WEIGHTS,  /* a damaged weights file */
    KK_ERROR_CAPACITY, /* a buffer, or the context, is too small */
    KK_ERROR_TEXT,     /* damaged tokenizer tables, or text that they cannot encode */
    KK_ERROR_NUMBER,   /* a number that is not one (NaN logits) */
    KK_ERROR_THREADS,  /* a thread cannot be made */
    KK_ERROR_CPU,      /* this processor lacks the instructions that the build needs */
    KK_ERROR_WEIGHTS_FOREIGN, /* no weights file of Kaoken at all */
    KK_ERROR_WEIGHTS_VERSION, /* a weights file of another layout */
    KK_ERROR_WEIGHTS_MODEL,   /* a sound weights file, of another model */
    KK_ERROR_WEIGHTS_SHORT,   /* a weights file that was cut off, or has something behind it */
    KK_ERROR_ORDER            /* a call that needs another one before it */
} kk_status;

/* One English sentence for a status, without a full stop; never null, also for values that are no status. */
static inline const char *kk_status_text(kk_status status)
{
    switch (status) {
    case KK_OK: return "no error";
    case KK_ERROR_ARGUMENT: return "an argument is null, misaligned or has no meaning";
    case KK_ERROR_RANGE: return "an id, a size or a length is out of bounds";
    case KK_ERROR_MEMORY: return "out of memory";
    case KK_ERROR_FILE: return "a file cannot be opened or read";
    case KK_ERROR_WEIGHTS: return "the weights file is damaged";
    case KK_ERROR_CAPACITY: return "a buffer or the context is too small";
    case KK_ERROR_TEXT: return "the tokenizer tables are damaged, or the text cannot be encoded";
    case KK_ERROR_NUMBER: return "the logits contain NaN";
    case KK_ERROR_THREADS: return "a thread cannot be created";
    case KK_ERROR_CPU: return "the processor lacks instructions that this build needs";
    case KK_ERROR_WEIGHTS_FOREIGN: return "the weights file was not written by Kaoken";
    case KK_ERROR_WEIGHTS_VERSION: return "the weights file has another layout version; compile the model again";
    case KK_ERROR_WEIGHTS_MODEL: return "the weights file belongs to another model";
    case KK_ERROR_ORDER: return "a call came before the one that it needs; encode an input first";
    case KK_ERROR_WEIGHTS_SHORT: return "the weights file is not as long as it says; copy it again";
    }
    return "unknown status";
}

#endif
