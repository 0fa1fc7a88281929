/* Byte-pair encoding of one piece of text. Part of the tokenizer; not for callers. */
#ifndef KK_BPE_H
#define KK_BPE_H

#include "kk_prefix.h"

#include <stddef.h>
#include <stdint.h>

#include "kk_id_list.h"
#include "kk_tokenizer.h"

/* 32-bit numbers of workspace that a piece of `bytes` bytes needs. */
size_t kk_bpe_workspace(size_t bytes);

/* Appends the ids of a piece (any bytes). workspace: kk_bpe_workspace(bytes) numbers. */
void kk_bpe_encode(const kk_tokenizer *tokenizer, const unsigned char *piece, size_t bytes, uint32_t *workspace,
                   kk_id_list *list);

#endif
