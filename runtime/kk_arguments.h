/* Checks of tensors that a caller passes, before anything is computed from them. */
#ifndef KK_ARGUMENTS_H
#define KK_ARGUMENTS_H

#include <stdint.h>

#include "kk_integer.h"

/* kk_valid_TYPE_indices: whether every step-th element is an index into an axis of `extent`; negative ones count from its end.
   kk_binary_TYPE: whether every element is 0 or 1. */
#define KK_ARGUMENT_CHECKS(type) \
    static inline KK_UNUSED int kk_valid_##type##_indices(const type##_t *indices, int64_t count, int64_t step, int64_t extent) \
    { \
        for (int64_t i = 0; i < count; i++) \
            if (indices[i * step] < -extent || indices[i * step] >= extent) \
                return 0; \
        return 1; \
    } \
    static inline KK_UNUSED int kk_binary_##type(const type##_t *values, int64_t count) \
    { \
        for (int64_t i = 0; i < count; i++) \
            if (values[i] != 0 && values[i] != 1) \
                return 0; \
        return 1; \
    }

KK_ARGUMENT_CHECKS(uint8)
KK_ARGUMENT_CHECKS(int8)
KK_ARGUMENT_CHECKS(int16)
KK_ARGUMENT_CHECKS(int32)
KK_ARGUMENT_CHECKS(int64)

#endif
