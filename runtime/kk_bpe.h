/* Byte-pair encoding of one piece of text. Part of the tokenizer; not for callers. */
#ifndef KK_BPE_H
#define KK_BPE_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_tokenizer.h"

/* Where ids go: ids[capacity]; count goes on when it is full. */
typedef struct kk_id_list {
    int64_t *ids;
    size_t capacity;
    size_t count;
} kk_id_list;

static inline void kk_id_list_add(kk_id_list *list, uint32_t id)
{
    if (list->count < list->capacity)
        list->ids[list->count] = (int64_t)id;
    list->count++;
}

/* 32-bit numbers of workspace that a piece of `bytes` bytes needs. */
size_t kk_bpe_workspace(size_t bytes);

/* Appends the ids of a piece (any bytes). workspace: kk_bpe_workspace(bytes) numbers. */
void kk_bpe_encode(const kk_tokenizer *tokenizer, const unsigned char *piece, size_t bytes, uint32_t *workspace,
                   kk_id_list *list);

#endif
