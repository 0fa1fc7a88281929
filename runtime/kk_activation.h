/* The activations of neural networks on 16 float32 lanes: kk_NAME(x) for every NAME an epilogue may ask for.

   One argument: relu, sigmoid, tanh, silu, gelu, gelu_tanh, quick_gelu, softplus, softsign, mish, hard_swish, relu_squared.
   With parameters: leaky_relu, elu, celu, selu, hard_sigmoid, thresholded_relu.
   Below the argument that a bound names, results are tiny and the error is so in absolute terms. NaN gives NaN; an infinity gives what the ONNX formula gives (x * 0 at -infinity is NaN for silu and both gelus).
   "ULP" as in kk_math.h. */
#ifndef KK_ACTIVATION_H
#define KK_ACTIVATION_H

#include "kk_math.h"

/* max(0, x): 0 > x is false for NaN, which therefore passes. */
KK_INLINE kk_f32 kk_relu(kk_f32 x) { return kk_max(kk_zero(), x); }

KK_INLINE kk_f32 kk_relu_squared(kk_f32 x) { return kk_mul(kk_relu(x), kk_relu(x)); }

KK_INLINE kk_f32 kk_leaky_relu(kk_f32 x, kk_f32 slope) { return kk_select(kk_lt(x, kk_zero()), kk_mul(x, slope), x); }

KK_INLINE kk_f32 kk_thresholded_relu(kk_f32 x, kk_f32 threshold)
{
    return kk_select(kk_le(x, threshold), kk_zero(), x);
}

/* factor / (1 + e^-v): with e = e^-|v| it is factor / (1 + e) or factor e / (1 + e), so that nothing overflows or cancels. */
KK_INLINE kk_f32 kk_logistic(kk_f32 v, kk_f32 factor)
{
    kk_f32 one = kk_set1(1.0f), e = kk_exp_nonpositive(kk_neg_abs(v));
    kk_f32 upper = kk_mul(factor, kk_select(kk_lt(v, kk_zero()), e, one));
    return kk_div(upper, kk_add(one, e));
}

/* 1 / (1 + e^-x). ULP: 2.6 */
KK_INLINE kk_f32 kk_sigmoid(kk_f32 x) { return kk_logistic(x, kk_set1(1.0f)); }

/* x sigmoid(x), also called swish. ULP: 3.4 for x >= -87 */
KK_INLINE kk_f32 kk_silu(kk_f32 x) { return kk_logistic(x, x); }

/* x sigmoid(1.702 x), CLIP's approximation of gelu. ULP: 3.1 for x >= -1; below, absolute error 6e-8 */
KK_INLINE kk_f32 kk_quick_gelu(kk_f32 x) { return kk_logistic(kk_mul(x, kk_set1(1.702f)), x); }

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), as x sigmoid of twice that argument: GPT-2's gelu. ULP: 3.1 for x >= -1; below, absolute error 6e-8 */
KK_INLINE kk_f32 kk_gelu_tanh(kk_f32 x)
{
    kk_f32 inner = kk_fma(kk_mul(x, x), kk_set1(0x1.2444f2p-4f), kk_set1(0x1.988454p+0f));
    return kk_logistic(kk_mul(x, inner), x);
}

/* x/2 (1 + erf(x / sqrt(2))) = x Phi(x), with Phi(-|x|) = e^(-E)/2 and E = |x| (1 + u(|x|)), u a polynomial fitted on [0, 7] so that the error of the
   product stays level, here in t = -|x|, so that -E is t (1 + u); beyond, E grows on and the product is below 1e-11. Nothing cancels for negative x.
   ULP: 3.1 for x >= -1; below, absolute error 6e-8 */
KK_INLINE kk_f32 kk_gelu(kk_f32 x)
{
    kk_f32 t = kk_neg_abs(x), u = kk_set1(-0x1.62abd6p-26f), half;
    u = kk_fma(u, t, kk_set1(-0x1.4495b6p-21f));
    u = kk_fma(u, t, kk_set1(-0x1.feb1d6p-18f));
    u = kk_fma(u, t, kk_set1(-0x1.b8325ep-15f));
    u = kk_fma(u, t, kk_set1(-0x1.8ea84ap-13f));
    u = kk_fma(u, t, kk_set1(0x1.861520p-17f));
    u = kk_fma(u, t, kk_set1(0x1.3cc5d2p-8f));
    u = kk_fma(u, t, kk_set1(0x1.29e4f8p-5f));
    u = kk_fma(u, t, kk_set1(-0x1.45f112p-2f));
    u = kk_fma(u, t, kk_set1(-0x1.9dee5ap-3f));
    half = kk_mul(kk_set1(0.5f), kk_exp_nonpositive(kk_fma(u, t, t)));
    return kk_mul(x, kk_select(kk_lt(x, kk_zero()), half, kk_sub(kk_set1(1.0f), half)));
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|). ULP: 1.9 */
KK_INLINE kk_f32 kk_softplus(kk_f32 x)
{
    return kk_add(kk_relu(x), kk_log1p_core(kk_exp_nonpositive(kk_neg_abs(x))));
}

/* x / (1 + |x|). ULP: 1.5 */
KK_INLINE kk_f32 kk_softsign(kk_f32 x) { return kk_div(x, kk_add(kk_set1(1.0f), kk_abs(x))); }

/* x tanh(softplus(x)): with w = e^-|x| the tanh is (1 + 2w) / (1 + 2w + 2w^2), or (w^2 + 2w) / (w^2 + 2w + 2) for x < 0. ULP: 4.2 for x >= -87 */
KK_INLINE kk_f32 kk_mish(kk_f32 x)
{
    kk_f32 one = kk_set1(1.0f), two = kk_set1(2.0f), w = kk_exp_nonpositive(kk_neg_abs(x));
    kk_mask negative = kk_lt(x, kk_zero());
    kk_f32 upper = kk_select(negative, kk_mul(w, kk_add(w, two)), kk_fma(two, w, one));
    kk_f32 rest = kk_select(negative, two, kk_mul(two, kk_mul(w, w)));
    return kk_div(kk_mul(x, upper), kk_add(upper, rest));
}

/* x for x >= 0, alpha (e^x - 1) below. */
KK_INLINE kk_f32 kk_elu(kk_f32 x, kk_f32 alpha)
{
    kk_f32 below = kk_mul(alpha, kk_expm1_core(kk_max(kk_set1(-40.0f), kk_min(kk_zero(), x))));
    return kk_select(kk_lt(x, kk_zero()), below, x);
}

/* max(0, x) + min(0, alpha (e^(x / alpha) - 1)). */
KK_INLINE kk_f32 kk_celu(kk_f32 x, kk_f32 alpha)
{
    kk_f32 scaled = kk_max(kk_set1(-40.0f), kk_min(kk_set1(89.0f), kk_div(x, alpha)));
    return kk_add(kk_relu(x), kk_min(kk_zero(), kk_mul(alpha, kk_expm1_core(scaled))));
}

/* gamma (x for x > 0, alpha (e^x - 1) else). */
KK_INLINE kk_f32 kk_selu(kk_f32 x, kk_f32 alpha, kk_f32 gamma) { return kk_mul(gamma, kk_elu(x, alpha)); }

/* max(0, min(1, slope x + shift)). */
KK_INLINE kk_f32 kk_hard_sigmoid(kk_f32 x, kk_f32 slope, kk_f32 shift)
{
    return kk_max(kk_zero(), kk_min(kk_set1(1.0f), kk_add(kk_mul(slope, x), shift)));
}

/* x max(0, min(1, x / 6 + 1/2)). */
KK_INLINE kk_f32 kk_hard_swish(kk_f32 x)
{
    return kk_mul(x, kk_hard_sigmoid(x, kk_set1(0x1.555556p-3f), kk_set1(0.5f)));
}

/* e^x for x <= 0, and 0 where that is below the normal numbers: beside the weight 1 of the largest score it is nothing, and
   arithmetic on subnormals, of which each hidden key would make one, takes processors a hundred times longer. */
KK_INLINE kk_f32 kk_softmax_weight(kk_f32 x)
{
    const kk_f32 lowest = kk_set1(-87.0f);
    return kk_select(kk_lt(x, lowest), kk_zero(), kk_exp_nonpositive(kk_max(lowest, x)));
}

#endif
