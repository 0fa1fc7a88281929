/* The sampler. Sums run in the order of the ids or in an order that only the values decide, so that nothing but
   the logits, the options and the seed has a say. */
#include "kk_prefix.h"

/* A fused multiply-add here and two roundings there would choose different tokens. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#include "kk_sampler.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Below this, e^x leaves the range of normal numbers; such a token has no weight. */
#define KK_EXPONENT_LEAST (-708.0)

enum { KK_EXPONENT_STEPS = 32 };

/* e^x for KK_EXPONENT_LEAST <= x <= 0, within 1.1 ULP.
   x = n ln 2 / 32 + r with |r| <= ln 2 / 64; e^r by its Taylor series, whose next term is below 2^-57. */
static double kk_exponential(double x)
{
    /* 2^(i / 32), rounded to nearest. */
    static const double power_of_two[KK_EXPONENT_STEPS] = {
        0x1.0000000000000p0, 0x1.059b0d3158574p0, 0x1.0b5586cf9890fp0, 0x1.11301d0125b51p0,
        0x1.172b83c7d517bp0, 0x1.1d4873168b9aap0, 0x1.2387a6e756238p0, 0x1.29e9df51fdee1p0,
        0x1.306fe0a31b715p0, 0x1.371a7373aa9cbp0, 0x1.3dea64c123422p0, 0x1.44e086061892dp0,
        0x1.4bfdad5362a27p0, 0x1.5342b569d4f82p0, 0x1.5ab07dd485429p0, 0x1.6247eb03a5585p0,
        0x1.6a09e667f3bcdp0, 0x1.71f75e8ec5f74p0, 0x1.7a11473eb0187p0, 0x1.82589994cce13p0,
        0x1.8ace5422aa0dbp0, 0x1.93737b0cdc5e5p0, 0x1.9c49182a3f090p0, 0x1.a5503b23e255dp0,
        0x1.ae89f995ad3adp0, 0x1.b7f76f2fb5e47p0, 0x1.c199bdd85529cp0, 0x1.cb720dcef9069p0,
        0x1.d5818dcfba487p0, 0x1.dfc97337b9b5fp0, 0x1.ea4afa2a490dap0, 0x1.f50765b6e4540p0,
    };
    int n = (int)(x * (KK_EXPONENT_STEPS * 1.4426950408889634) - 0.5);
    /* ln 2 in two parts; the first has 32 bits, so that its product with n is exact. */
    double r = (x - n * (6.93147180369123816490e-01 / KK_EXPONENT_STEPS)) -
               n * (1.90821492927058770002e-10 / KK_EXPONENT_STEPS);
    double square = r * r;
    /* e^r - 1, small, so that its rounding hardly counts. */
    double series = r + (square * (0.5 + r * (1.0 / 6)) +
                         square * square * (1.0 / 24 + r * (1.0 / 120) + square * (1.0 / 720)));
    uint32_t steps = (uint32_t)(n + 1023 * KK_EXPONENT_STEPS);
    uint64_t bits = (uint64_t)(steps / KK_EXPONENT_STEPS) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    double step = power_of_two[steps % KK_EXPONENT_STEPS];
    return (step + step * series) * power;
}

/* The next 64 bits of the generator. */
static uint64_t kk_random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

kk_sampler_options kk_sampler_defaults(void)
{
    kk_sampler_options options = {0.0, 0, 1.0, 0.0, 0};
    return options;
}

size_t kk_sampler_scratch(int64_t vocabulary)
{
    if (vocabulary < 1 || vocabulary > INT32_MAX || (uint64_t)vocabulary > SIZE_MAX / 32)
        return 0;
    size_t count = (size_t)vocabulary;
    return count * (sizeof(double) + sizeof(float) + sizeof(uint32_t));
}

/* The temperature is used as float32, where it must not become 0 or infinite. NaN fails each test. */
static int kk_options_valid(const kk_sampler_options *o)
{
    const double least = 1.0e-37, greatest = 1.0e37;
    return (o->temperature == 0.0 || (o->temperature >= least && o->temperature <= greatest)) && o->top_k >= 0 &&
           o->top_p >= 0.0 && o->top_p <= 1.0 && o->min_p >= 0.0 && o->min_p <= 1.0;
}

kk_status kk_sampler_open(kk_sampler *sampler, const kk_sampler_options *options, int64_t vocabulary, void *scratch,
                          size_t scratch_bytes)
{
    if (sampler == NULL || options == NULL || scratch == NULL || (uintptr_t)scratch % 8 != 0)
        return KK_ERROR_ARGUMENT;
    size_t needed = kk_sampler_scratch(vocabulary);
    if (needed == 0 || !kk_options_valid(options))
        return KK_ERROR_RANGE;
    if (scratch_bytes < needed)
        return KK_ERROR_CAPACITY;
    sampler->options = *options;
    sampler->vocabulary = vocabulary;
    sampler->random = options->seed;
    sampler->weights = scratch;
    sampler->scores = (float *)(void *)(sampler->weights + vocabulary);
    sampler->order = (uint32_t *)(void *)(sampler->scores + vocabulary);
    return KK_OK;
}

/* Logits into scores. */
static kk_status kk_take_scores(kk_sampler *s, const float *logits)
{
    int bad = 0;
    for (int64_t i = 0; i < s->vocabulary; i++)
        bad |= logits[i] != logits[i];
    if (bad)
        return KK_ERROR_NUMBER;
    memcpy(s->scores, logits, (size_t)s->vocabulary * sizeof(float));
    return KK_OK;
}

static int64_t kk_greatest(const float *scores, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

/* Splits order[begin..end) around the score of one of them: lower, equal, higher. *low and *high receive where the
   equal ones begin and end. The generator only shields from bad luck with sorted scores. */
static void kk_partition(const float *scores, uint32_t *order, int64_t begin, int64_t end, uint64_t *random,
                         int64_t *low, int64_t *high)
{
    uint64_t place = kk_random_next(random) % (uint64_t)(end - begin);
    float pivot = scores[order[begin + (int64_t)place]];
    int64_t lower = begin, higher = end;
    for (int64_t i = begin; i < higher;) {
        uint32_t at = order[i];
        if (scores[at] < pivot) {
            order[i++] = order[lower];
            order[lower++] = at;
        } else if (scores[at] > pivot) {
            order[i] = order[--higher];
            order[higher] = at;
        } else {
            i++;
        }
    }
    *low = lower;
    *high = higher;
}

/* The k-th greatest of the scores (1 <= k <= count): a heap of the k greatest so far, the least of them on top.
   heap: [k]. */
static float kk_score_at_rank(const float *scores, int64_t count, int64_t k, float *heap)
{
    int64_t used = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t at;
        if (used < k) {
            for (at = used++; at > 0 && heap[(at - 1) / 2] > scores[i]; at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
        } else if (scores[i] > heap[0]) {
            int64_t child;
            for (at = 0; (child = 2 * at + 1) < k; at = child) {
                child += child + 1 < k && heap[child + 1] < heap[child];
                if (heap[child] >= scores[i])
                    break;
                heap[at] = heap[child];
            }
        } else {
            continue;
        }
        heap[at] = scores[i];
    }
    return heap[0];
}

/* Takes out every token whose weight, were it all tokens', would stay within the limit: those surely go, but never
   the greatest. order: [count], keeps the others; *out: the sum of what goes. Returns how many stay. */
static int64_t kk_drop_small(kk_sampler *s, int64_t count, double limit, double *out)
{
    double small = (limit - *out) / (double)count;
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t at = s->order[i];
        double weight = s->weights[at];
        int goes = (weight <= small) & (weight < 1.0);
        *out += goes ? weight : 0.0;
        s->weights[at] = goes ? 0.0 : weight;
        s->order[kept] = at;
        kept += !goes;
    }
    return kept;
}

/* Sets the weights of the least probable tokens to 0 as long as their sum stays within 1 - top_p, never all; of
   equal ones the lower ids go first. order: the `count` tokens with a weight. total: the sum of the weights. */
static void kk_drop_outside_top_p(kk_sampler *s, int64_t count, double total)
{
    double limit = (1.0 - s->options.top_p) * total, out = 0.0;
    int64_t begin = 0, end, low, high, before;
    uint64_t random = 0;
    /* Cheap passes while they help; the rest is found by partitions. */
    do {
        before = count;
        count = kk_drop_small(s, count, limit, &out);
    } while (count < before - before / 4);
    end = count;
    while (begin < end) {
        double lower = 0.0;
        kk_partition(s->scores, s->order, begin, end, &random, &low, &high);
        for (int64_t i = begin; i < low; i++)
            lower += s->weights[s->order[i]];
        if (out + lower > limit) {
            end = low;
            continue;
        }
        out += lower;
        for (int64_t i = begin; i < low; i++)
            s->weights[s->order[i]] = 0.0;
        uint32_t equal = s->order[low];
        double weight = s->weights[equal];
        int64_t gone = 0;
        while (gone < high - low && low + gone + 1 < count && out + weight <= limit) {
            out += weight;
            gone++;
        }
        begin = high;
        if (gone < high - low)
            end = begin;
        for (int64_t i = 0; gone > 0; i++)
            if (s->scores[i] == s->scores[equal] && s->weights[i] > 0.0) {
                s->weights[i] = 0.0;
                gone--;
            }
    }
}

/* Eight sums side by side, then one tree: the same order everywhere. */
static double kk_sum(const double *numbers, int64_t count)
{
    double sums[8] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int lane = 0; lane < 8; lane++)
            sums[lane] += numbers[i + lane];
    for (; i < count; i++)
        sums[i % 8] += numbers[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* Fills weights with what the probabilities are in proportion to, 0 for tokens that the filters take out; *total
   receives their sum. */
static kk_status kk_weigh(kk_sampler *s, double *total)
{
    int64_t vocabulary = s->vocabulary, count = 0;
    float temperature = (float)s->options.temperature, least = -INFINITY;
    for (int64_t i = 0; temperature != 1.0f && i < vocabulary; i++)
        s->scores[i] /= temperature;
    double greatest = s->scores[kk_greatest(s->scores, vocabulary)];
    if (greatest - greatest != 0.0)
        return KK_ERROR_NUMBER;
    if (s->options.top_k > 0 && s->options.top_k < vocabulary)
        least = kk_score_at_rank(s->scores, vocabulary, s->options.top_k, (float *)(void *)s->weights);
    for (int64_t i = 0; i < vocabulary; i++) {
        s->weights[i] = 0.0;
        s->order[count] = (uint32_t)i;
        count += (s->scores[i] >= least) & (s->scores[i] - greatest >= KK_EXPONENT_LEAST);
    }
    for (int64_t i = 0; i < count; i++) {
        uint32_t at = s->order[i];
        s->weights[at] = kk_exponential(s->scores[at] - greatest);
    }
    *total = kk_sum(s->weights, vocabulary);
    if (s->options.top_p < 1.0)
        kk_drop_outside_top_p(s, count, *total);
    /* The greatest weight is 1, so a weight is its share of the greatest probability. */
    for (int64_t i = 0; s->options.min_p > 0.0 && i < vocabulary; i++)
        if (s->weights[i] < s->options.min_p)
            s->weights[i] = 0.0;
    if (s->options.top_p < 1.0 || s->options.min_p > 0.0)
        *total = kk_sum(s->weights, vocabulary);
    return KK_OK;
}

/* The scores, and for a greedy sampler the choice; otherwise *id is -1 and the weights are filled. */
static kk_status kk_prepare(kk_sampler *s, const float *logits, int64_t *id, double *total)
{
    kk_status status = kk_take_scores(s, logits);
    *id = -1;
    if (status != KK_OK)
        return status;
    if (s->options.temperature != 0.0)
        return kk_weigh(s, total);
    *id = kk_greatest(s->scores, s->vocabulary);
    return s->scores[*id] < -FLT_MAX ? KK_ERROR_NUMBER : KK_OK;
}

kk_status kk_sampler_sample(kk_sampler *sampler, const float *logits, int64_t *id)
{
    double total = 0.0;
    if (sampler == NULL || sampler->scores == NULL || logits == NULL || id == NULL)
        return KK_ERROR_ARGUMENT;
    kk_status status = kk_prepare(sampler, logits, id, &total);
    if (status != KK_OK || *id >= 0)
        return status;
    /* 53 random bits make a number in [0, 1). */
    double share = (double)(kk_random_next(&sampler->random) >> 11) * (1.0 / 9007199254740992.0);
    double target = share * total, sum = 0.0;
    for (int64_t i = 0; i < sampler->vocabulary; i++) {
        if (sampler->weights[i] == 0.0)
            continue;
        *id = i;
        sum += sampler->weights[i];
        if (sum > target)
            break;
    }
    return KK_OK;
}

kk_status kk_sampler_distribution(kk_sampler *sampler, const float *logits, double *probabilities)
{
    double total = 0.0;
    int64_t id;
    if (sampler == NULL || sampler->scores == NULL || logits == NULL || probabilities == NULL)
        return KK_ERROR_ARGUMENT;
    kk_status status = kk_prepare(sampler, logits, &id, &total);
    for (int64_t i = 0; status == KK_OK && i < sampler->vocabulary; i++)
        probabilities[i] = id >= 0 ? (double)(i == id) : sampler->weights[i] / total;
    return status;
}
