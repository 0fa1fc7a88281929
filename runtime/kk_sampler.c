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
#include <string.h>

/* Below this, e^x leaves the range of normal numbers; such a token has no weight. */
#define KK_EXPONENT_LEAST (-708.0)

/* e^x for KK_EXPONENT_LEAST <= x <= 0, to about 1 ULP.
   x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series, whose next term is below 2^-57. */
static double kk_exponential(double x)
{
    static const double inverse_factorial[] = {1.0,
                                               1.0,
                                               1.0 / 2,
                                               1.0 / 6,
                                               1.0 / 24,
                                               1.0 / 120,
                                               1.0 / 720,
                                               1.0 / 5040,
                                               1.0 / 40320,
                                               1.0 / 362880,
                                               1.0 / 3628800,
                                               1.0 / 39916800,
                                               1.0 / 479001600,
                                               1.0 / 6227020800.0};
    int n = (int)(x * 1.4426950408889634 - 0.5);
    /* ln 2 in two parts; the first has 32 bits, so that its product with n is exact. */
    double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    double sum = inverse_factorial[13];
    for (int i = 12; i >= 0; i--)
        sum = sum * r + inverse_factorial[i];
    uint64_t bits = (uint64_t)(1023 + n) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
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
    kk_sampler_options options = {0.0, 0, 1.0, 0.0, 1.0, 0};
    return options;
}

static size_t kk_seen_words(int64_t vocabulary)
{
    return ((size_t)vocabulary + 31) / 32;
}

size_t kk_sampler_scratch(int64_t vocabulary)
{
    if (vocabulary < 1 || vocabulary > INT32_MAX || (uint64_t)vocabulary > SIZE_MAX / 32)
        return 0;
    size_t count = (size_t)vocabulary;
    size_t bytes = count * (sizeof(double) + sizeof(float) + sizeof(uint32_t));
    return (bytes + kk_seen_words(vocabulary) * sizeof(uint32_t) + 7) / 8 * 8;
}

/* Temperature and penalty are used as float32, where they must not become 0 or infinite. NaN fails each test. */
static int kk_options_valid(const kk_sampler_options *o)
{
    const double least = 1.0e-37, greatest = 1.0e37;
    return (o->temperature == 0.0 || (o->temperature >= least && o->temperature <= greatest)) && o->top_k >= 0 &&
           o->top_p >= 0.0 && o->top_p <= 1.0 && o->min_p >= 0.0 && o->min_p <= 1.0 &&
           o->repetition_penalty >= least && o->repetition_penalty <= greatest;
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
    sampler->seen = sampler->order + vocabulary;
    memset(sampler->seen, 0, kk_seen_words(vocabulary) * sizeof(uint32_t));
    return KK_OK;
}

kk_status kk_sampler_accept(kk_sampler *sampler, const int64_t *ids, size_t count)
{
    if (sampler == NULL || sampler->seen == NULL || (ids == NULL && count > 0))
        return KK_ERROR_ARGUMENT;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= sampler->vocabulary)
            return KK_ERROR_RANGE;
        sampler->seen[ids[i] / 32] |= 1u << ids[i] % 32;
    }
    return KK_OK;
}

/* Logits into scores, those of accepted tokens with the penalty (N. S. Keskar et al., CTRL, 2019). */
static kk_status kk_take_scores(kk_sampler *s, const float *logits)
{
    int bad = 0;
    for (int64_t i = 0; i < s->vocabulary; i++)
        bad |= logits[i] != logits[i];
    if (bad)
        return KK_ERROR_NUMBER;
    memcpy(s->scores, logits, (size_t)s->vocabulary * sizeof(float));
    float penalty = (float)s->options.repetition_penalty;
    if (penalty == 1.0f)
        return KK_OK;
    for (size_t word = 0; word < kk_seen_words(s->vocabulary); word++)
        for (uint32_t bits = s->seen[word], i = 0; bits != 0; bits >>= 1, i++)
            if (bits & 1) {
                float *score = &s->scores[32 * word + i];
                *score = *score < 0.0f ? *score * penalty : *score / penalty;
            }
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

/* Moves the greatest top_k of the `count` tokens in order, and what equals the least of them, to its end; returns
   how many are before them. */
static int64_t kk_drop_below_top_k(kk_sampler *s, int64_t count)
{
    int64_t begin = 0, end = count, wanted = count - s->options.top_k, low, high;
    uint64_t random = 0;
    if (wanted <= 0 || s->options.top_k == 0)
        return 0;
    for (;;) {
        kk_partition(s->scores, s->order, begin, end, &random, &low, &high);
        if (wanted < low)
            end = low;
        else if (wanted >= high)
            begin = high;
        else
            return low;
    }
}

/* Sets the weights of the least probable tokens to 0 as long as their sum stays within 1 - top_p, never all; of
   equal ones the lower ids go first. order: the `count` tokens with a weight. total: the sum of the weights. */
static void kk_drop_outside_top_p(kk_sampler *s, uint32_t *order, int64_t count, double total)
{
    double limit = (1.0 - s->options.top_p) * total, out = 0.0;
    int64_t begin = 0, end = count, low, high;
    uint64_t random = 0;
    while (begin < end) {
        double lower = 0.0;
        kk_partition(s->scores, order, begin, end, &random, &low, &high);
        for (int64_t i = begin; i < low; i++)
            lower += s->weights[order[i]];
        if (out + lower > limit) {
            end = low;
            continue;
        }
        out += lower;
        for (int64_t i = begin; i < low; i++)
            s->weights[order[i]] = 0.0;
        uint32_t equal = order[low];
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

static double kk_sum(const double *numbers, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += numbers[i];
    return sum;
}

/* Fills weights with what the probabilities are in proportion to, 0 for tokens that the filters take out; *total
   receives their sum. */
static kk_status kk_weigh(kk_sampler *s, double *total)
{
    int64_t vocabulary = s->vocabulary, count = 0;
    float temperature = (float)s->options.temperature;
    for (int64_t i = 0; i < vocabulary; i++)
        s->scores[i] /= temperature;
    double greatest = s->scores[kk_greatest(s->scores, vocabulary)];
    if (greatest - greatest != 0.0)
        return KK_ERROR_NUMBER;
    for (int64_t i = 0; i < vocabulary; i++) {
        s->weights[i] = 0.0;
        s->order[count] = (uint32_t)i;
        count += s->scores[i] - greatest >= KK_EXPONENT_LEAST;
    }
    int64_t first = kk_drop_below_top_k(s, count);
    for (int64_t i = first; i < count; i++) {
        uint32_t at = s->order[i];
        s->weights[at] = kk_exponential(s->scores[at] - greatest);
    }
    *total = kk_sum(s->weights, vocabulary);
    if (s->options.top_p < 1.0)
        kk_drop_outside_top_p(s, s->order + first, count - first, *total);
    /* The greatest weight is 1, so a weight is its share of the greatest probability. */
    for (int64_t i = 0; i < vocabulary; i++)
        if (s->weights[i] < s->options.min_p)
            s->weights[i] = 0.0;
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
    if (sampler == NULL || sampler->seen == NULL || logits == NULL || id == NULL)
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
    if (sampler == NULL || sampler->seen == NULL || logits == NULL || probabilities == NULL)
        return KK_ERROR_ARGUMENT;
    kk_status status = kk_prepare(sampler, logits, &id, &total);
    for (int64_t i = 0; status == KK_OK && i < sampler->vocabulary; i++)
        probabilities[i] = id >= 0 ? (double)(i == id) : sampler->weights[i] / total;
    return status;
}
