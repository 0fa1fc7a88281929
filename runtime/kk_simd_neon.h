/* The vector vocabulary on aarch64: four NEON registers. Included by kk_simd.h, which states the rules. */
#ifndef KK_SIMD_NEON_H
#define KK_SIMD_NEON_H

typedef struct kk_f32 { float32x4_t q0, q1, q2, q3; } kk_f32;
typedef struct kk_i32 { int32x4_t q0, q1, q2, q3; } kk_i32;
typedef struct kk_mask { uint32x4_t q0, q1, q2, q3; } kk_mask; /* all bits of a lane, or none */

/* A function that applies one instruction to each quarter of its operands. */
#define KK_UNARY(result_type, name, type, instruction)                                                                \
    KK_INLINE result_type name(type a)                                                                                \
    {                                                                                                                 \
        result_type r;                                                                                                \
        r.q0 = instruction(a.q0);                                                                                     \
        r.q1 = instruction(a.q1);                                                                                     \
        r.q2 = instruction(a.q2);                                                                                     \
        r.q3 = instruction(a.q3);                                                                                     \
        return r;                                                                                                     \
    }
#define KK_BINARY(result_type, name, type, instruction)                                                               \
    KK_INLINE result_type name(type a, type b)                                                                        \
    {                                                                                                                 \
        result_type r;                                                                                                \
        r.q0 = instruction(a.q0, b.q0);                                                                               \
        r.q1 = instruction(a.q1, b.q1);                                                                               \
        r.q2 = instruction(a.q2, b.q2);                                                                               \
        r.q3 = instruction(a.q3, b.q3);                                                                               \
        return r;                                                                                                     \
    }
#define KK_TERNARY(result_type, name, type_a, type, instruction)                                                      \
    KK_INLINE result_type name(type_a a, type b, type c)                                                              \
    {                                                                                                                 \
        result_type r;                                                                                                \
        r.q0 = instruction(a.q0, b.q0, c.q0);                                                                         \
        r.q1 = instruction(a.q1, b.q1, c.q1);                                                                         \
        r.q2 = instruction(a.q2, b.q2, c.q2);                                                                         \
        r.q3 = instruction(a.q3, b.q3, c.q3);                                                                         \
        return r;                                                                                                     \
    }
/* The same shift of each quarter; NEON shifts right by a negative count. */
#define KK_SHIFT(name, shift, sign, into, back)                                                                       \
    KK_INLINE kk_i32 name(kk_i32 a, int n)                                                                            \
    {                                                                                                                 \
        int32x4_t count = vdupq_n_s32(sign n);                                                                        \
        a.q0 = back(shift(into(a.q0), count));                                                                        \
        a.q1 = back(shift(into(a.q1), count));                                                                        \
        a.q2 = back(shift(into(a.q2), count));                                                                        \
        a.q3 = back(shift(into(a.q3), count));                                                                        \
        return a;                                                                                                     \
    }

/* clang turns a comparison and a selection into fmax, which disagrees about the sign of zero: this hides that they belong together. */
KK_INLINE uint32x4_t kk_neon_opaque(uint32x4_t mask)
{
#if defined(__clang__)
    __asm__("" : "+w"(mask));
#endif
    return mask;
}

/* Where NEON's own meaning differs from the vocabulary's. */
KK_INLINE float32x4_t kk_neon_max(float32x4_t a, float32x4_t b) { return vbslq_f32(kk_neon_opaque(vcgtq_f32(a, b)), a, b); }
KK_INLINE float32x4_t kk_neon_min(float32x4_t a, float32x4_t b) { return vbslq_f32(kk_neon_opaque(vcltq_f32(a, b)), a, b); }
KK_INLINE uint32x4_t kk_neon_ne(float32x4_t a, float32x4_t b) { return vmvnq_u32(vceqq_f32(a, b)); }
KK_INLINE float32x4_t kk_neon_fma(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmaq_f32(c, a, b); }
KK_INLINE float32x4_t kk_neon_fnma(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmsq_f32(c, a, b); }
KK_INLINE int32x4_t kk_neon_to_i32(float32x4_t a)
{
    uint32x4_t fits = vcaltq_f32(a, vdupq_n_f32(2147483648.0f));
    return vbslq_s32(fits, vcvtnq_s32_f32(a), vdupq_n_s32(INT32_MIN));
}

KK_INLINE kk_f32 kk_set1(float x)
{
    kk_f32 r;
    r.q0 = r.q1 = r.q2 = r.q3 = vdupq_n_f32(x);
    return r;
}

KK_INLINE kk_f32 kk_load(const float *p)
{
    kk_f32 r;
    r.q0 = vld1q_f32(p);
    r.q1 = vld1q_f32(p + 4);
    r.q2 = vld1q_f32(p + 8);
    r.q3 = vld1q_f32(p + 12);
    return r;
}

KK_INLINE void kk_store(float *p, kk_f32 a)
{
    vst1q_f32(p, a.q0);
    vst1q_f32(p + 4, a.q1);
    vst1q_f32(p + 8, a.q2);
    vst1q_f32(p + 12, a.q3);
}

KK_INLINE kk_f32 kk_load_part(const float *p, int n)
{
    float lanes[16] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return kk_load(lanes);
}

KK_INLINE void kk_store_part(float *p, kk_f32 a, int n)
{
    float lanes[16];
    kk_store(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

KK_INLINE kk_i32 kk_i32_set1(int32_t x)
{
    kk_i32 r;
    r.q0 = r.q1 = r.q2 = r.q3 = vdupq_n_s32(x);
    return r;
}

KK_INLINE kk_i32 kk_i32_load(const int32_t *p)
{
    kk_i32 r;
    r.q0 = vld1q_s32(p);
    r.q1 = vld1q_s32(p + 4);
    r.q2 = vld1q_s32(p + 8);
    r.q3 = vld1q_s32(p + 12);
    return r;
}

KK_INLINE void kk_i32_store(int32_t *p, kk_i32 a)
{
    vst1q_s32(p, a.q0);
    vst1q_s32(p + 4, a.q1);
    vst1q_s32(p + 8, a.q2);
    vst1q_s32(p + 12, a.q3);
}

KK_BINARY(kk_f32, kk_add, kk_f32, vaddq_f32)
KK_BINARY(kk_f32, kk_sub, kk_f32, vsubq_f32)
KK_BINARY(kk_f32, kk_mul, kk_f32, vmulq_f32)
KK_BINARY(kk_f32, kk_div, kk_f32, vdivq_f32)
KK_UNARY(kk_f32, kk_sqrt, kk_f32, vsqrtq_f32)
KK_UNARY(kk_f32, kk_neg, kk_f32, vnegq_f32)
KK_UNARY(kk_f32, kk_abs, kk_f32, vabsq_f32)
KK_TERNARY(kk_f32, kk_fma, kk_f32, kk_f32, kk_neon_fma)
KK_TERNARY(kk_f32, kk_fnma, kk_f32, kk_f32, kk_neon_fnma)
KK_BINARY(kk_f32, kk_max, kk_f32, kk_neon_max)
KK_BINARY(kk_f32, kk_min, kk_f32, kk_neon_min)
KK_UNARY(kk_f32, kk_round, kk_f32, vrndnq_f32)
KK_UNARY(kk_f32, kk_floor, kk_f32, vrndmq_f32)
KK_UNARY(kk_f32, kk_ceil, kk_f32, vrndpq_f32)
KK_UNARY(kk_f32, kk_trunc, kk_f32, vrndq_f32)

KK_BINARY(kk_mask, kk_lt, kk_f32, vcltq_f32)
KK_BINARY(kk_mask, kk_le, kk_f32, vcleq_f32)
KK_BINARY(kk_mask, kk_gt, kk_f32, vcgtq_f32)
KK_BINARY(kk_mask, kk_ge, kk_f32, vcgeq_f32)
KK_BINARY(kk_mask, kk_eq, kk_f32, vceqq_f32)
KK_BINARY(kk_mask, kk_ne, kk_f32, kk_neon_ne)
KK_TERNARY(kk_f32, kk_select, kk_mask, kk_f32, vbslq_f32)
KK_BINARY(kk_mask, kk_mask_and, kk_mask, vandq_u32)
KK_BINARY(kk_mask, kk_mask_or, kk_mask, vorrq_u32)
KK_UNARY(kk_mask, kk_mask_not, kk_mask, vmvnq_u32)

KK_INLINE int kk_mask_any(kk_mask a)
{
    return vmaxvq_u32(vorrq_u32(vorrq_u32(a.q0, a.q1), vorrq_u32(a.q2, a.q3))) != 0;
}

KK_INLINE int kk_mask_all(kk_mask a)
{
    return vminvq_u32(vandq_u32(vandq_u32(a.q0, a.q1), vandq_u32(a.q2, a.q3))) != 0;
}

KK_UNARY(kk_i32, kk_bits, kk_f32, vreinterpretq_s32_f32)
KK_UNARY(kk_f32, kk_from_bits, kk_i32, vreinterpretq_f32_s32)
KK_UNARY(kk_i32, kk_to_i32, kk_f32, kk_neon_to_i32)
KK_UNARY(kk_f32, kk_from_i32, kk_i32, vcvtq_f32_s32)
KK_BINARY(kk_i32, kk_i32_add, kk_i32, vaddq_s32)
KK_BINARY(kk_i32, kk_i32_sub, kk_i32, vsubq_s32)
KK_BINARY(kk_i32, kk_i32_mul, kk_i32, vmulq_s32)
KK_BINARY(kk_i32, kk_i32_and, kk_i32, vandq_s32)
KK_BINARY(kk_i32, kk_i32_or, kk_i32, vorrq_s32)
KK_BINARY(kk_i32, kk_i32_xor, kk_i32, veorq_s32)
KK_SHIFT(kk_i32_shl, vshlq_u32, +, vreinterpretq_u32_s32, vreinterpretq_s32_u32)
KK_SHIFT(kk_i32_shr, vshlq_u32, -, vreinterpretq_u32_s32, vreinterpretq_s32_u32)
KK_SHIFT(kk_i32_sar, vshlq_s32, -, , )
KK_BINARY(kk_mask, kk_i32_eq, kk_i32, vceqq_s32)
KK_BINARY(kk_mask, kk_i32_gt, kk_i32, vcgtq_s32)
KK_TERNARY(kk_i32, kk_i32_select, kk_mask, kk_i32, vbslq_s32)

KK_INLINE kk_mask kk_mask_first(int n)
{
    static const int32_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return kk_i32_gt(kk_i32_set1(n), kk_i32_load(index));
}

KK_INLINE float kk_lane0(kk_f32 a) { return vgetq_lane_f32(a.q0, 0); }

KK_INLINE float kk_sum(kk_f32 a)
{
    float32x4_t four = vaddq_f32(vaddq_f32(a.q0, a.q2), vaddq_f32(a.q1, a.q3));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

KK_INLINE float kk_hmax(kk_f32 a)
{
    float32x4_t four = kk_neon_max(kk_neon_max(a.q0, a.q2), kk_neon_max(a.q1, a.q3));
    float32x2_t low = vget_low_f32(four), high = vget_high_f32(four);
    float32x4_t two = kk_neon_max(vcombine_f32(low, low), vcombine_f32(high, high));
    return vgetq_lane_f32(kk_neon_max(two, vdupq_laneq_f32(two, 1)), 0);
}

#undef KK_UNARY
#undef KK_BINARY
#undef KK_TERNARY
#undef KK_SHIFT
#endif
