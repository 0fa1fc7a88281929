#include "kk_prefix.h"

#include "kk_logits.h"

#include <math.h>
#include <string.h>

kk_logits_options kk_logits_defaults(void)
{
    kk_logits_options options;
    memset(&options, 0, sizeof options);
    options.repetition_penalty = 1.0;
    options.forced_bos_id = options.forced_eos_id = -1;
    return options;
}

static int kk_ids_inside(const int64_t *ids, size_t count, int64_t vocabulary)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= vocabulary)
            return 0;
    return 1;
}

static kk_status kk_check_bad_words(const kk_logits_options *o, int64_t vocabulary)
{
    if (o->bad_word_count > 0 && (o->bad_words == NULL || o->bad_word_lengths == NULL))
        return KK_ERROR_ARGUMENT;
    for (size_t i = 0; i < o->bad_word_count; i++) {
        if (o->bad_words[i] == NULL || o->bad_word_lengths[i] == 0)
            return KK_ERROR_ARGUMENT;
        if (!kk_ids_inside(o->bad_words[i], o->bad_word_lengths[i], vocabulary))
            return KK_ERROR_RANGE;
    }
    return KK_OK;
}

kk_status kk_logits_check(const kk_logits_options *o, int64_t vocabulary)
{
    /* The penalty is used as float32, where it must not become 0 or infinite. NaN fails each test. */
    const double least = 1.0e-37, greatest = 1.0e37;
    if (o == NULL || (o->suppress_id_count > 0 && o->suppress_ids == NULL) ||
        (o->begin_suppress_id_count > 0 && o->begin_suppress_ids == NULL))
        return KK_ERROR_ARGUMENT;
    if (!(o->repetition_penalty >= least && o->repetition_penalty <= greatest) || o->no_repeat_ngram_size < 0 ||
        o->min_length < 0 || o->min_new_tokens < 0)
        return KK_ERROR_RANGE;
    if (o->forced_bos_id < -1 || o->forced_bos_id >= vocabulary || o->forced_eos_id < -1 || o->forced_eos_id >= vocabulary ||
        !kk_ids_inside(o->suppress_ids, o->suppress_id_count, vocabulary) ||
        !kk_ids_inside(o->begin_suppress_ids, o->begin_suppress_id_count, vocabulary))
        return KK_ERROR_RANGE;
    return kk_check_bad_words(o, vocabulary);
}

size_t kk_logits_scratch(int64_t vocabulary)
{
    return ((size_t)vocabulary + 31) / 32;
}

/* Each token of the text once, however often it came: the scratch bits say which were seen. */
static void kk_penalise(const kk_logits_text *text, float penalty, float *scores, int64_t vocabulary, uint32_t *seen)
{
    memset(seen, 0, kk_logits_scratch(vocabulary) * sizeof *seen);
    for (int64_t i = 0; i < text->count; i++) {
        const int64_t id = text->ids[i];
        const uint32_t bit = 1u << id % 32;
        if (seen[id / 32] & bit)
            continue;
        seen[id / 32] |= bit;
        scores[id] = scores[id] < 0.0f ? scores[id] * penalty : scores[id] / penalty;
    }
}

/* Whatever followed the last `size` - 1 tokens before does not follow them again. */
static void kk_ban_repeats(const kk_logits_text *text, int64_t size, float *scores)
{
    if (size > text->count)
        return;
    const int64_t *last = text->ids + text->count + 1 - size;
    for (int64_t i = 0; i + size <= text->count; i++)
        if (memcmp(text->ids + i, last, (size_t)(size - 1) * sizeof *last) == 0)
            scores[text->ids[i + size - 1]] = -INFINITY;
}

static int kk_is_end(const kk_logits_text *text, int64_t id)
{
    for (size_t i = 0; i < text->end_id_count; i++)
        if (text->end_ids[i] == id)
            return 1;
    return 0;
}

static void kk_ban_words(const kk_logits_options *o, const kk_logits_text *text, float *scores)
{
    for (size_t i = 0; i < o->bad_word_count; i++) {
        const size_t before = o->bad_word_lengths[i] - 1;
        const int64_t *word = o->bad_words[i];
        if (before == 0 ? kk_is_end(text, word[0]) : before >= (uint64_t)text->count)
            continue; /* an end is no bad word; one as long as the text cannot be judged, says the reference */
        if (before == 0 || memcmp(text->ids + text->count - (int64_t)before, word, before * sizeof *word) == 0)
            scores[word[before]] = -INFINITY;
    }
}

static void kk_ban(const int64_t *ids, size_t count, float *scores, int64_t vocabulary)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= 0 && ids[i] < vocabulary)
            scores[ids[i]] = -INFINITY;
}

static void kk_force(int64_t id, float *scores, int64_t vocabulary)
{
    for (int64_t i = 0; i < vocabulary; i++)
        scores[i] = -INFINITY;
    scores[id] = 0.0f;
}

void kk_logits_process(const kk_logits_options *o, const kk_logits_text *text, float *scores, int64_t vocabulary, uint32_t *scratch)
{
    const int forced_first = o->forced_bos_id >= 0 && text->prompt_count <= 1;
    if ((float)o->repetition_penalty != 1.0f)
        kk_penalise(text, (float)o->repetition_penalty, scores, vocabulary, scratch);
    if (o->no_repeat_ngram_size > 0)
        kk_ban_repeats(text, o->no_repeat_ngram_size, scores);
    kk_ban_words(o, text, scores);
    if (o->min_new_tokens > 0 ? text->count - text->prompt_count < o->min_new_tokens : text->count < o->min_length)
        kk_ban(text->end_ids, text->end_id_count, scores, vocabulary);
    if (o->forced_bos_id >= 0 && text->count == 1)
        kk_force(o->forced_bos_id, scores, vocabulary);
    if (o->forced_eos_id >= 0 && text->count == text->max_length - 1)
        kk_force(o->forced_eos_id, scores, vocabulary);
    kk_ban(o->suppress_ids, o->suppress_id_count, scores, vocabulary);
    if (text->count == text->prompt_count + forced_first)
        kk_ban(o->begin_suppress_ids, o->begin_suppress_id_count, scores, vocabulary);
}
