/* Where ids go while a text is encoded. Part of the tokenizer; not for callers. */
#ifndef KK_ID_LIST_H
#define KK_ID_LIST_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

/* ids[capacity]; count goes on when it is full. */
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

#endif
