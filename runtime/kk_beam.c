/* The search. Every comparison is of float32 numbers that were rounded as the reference rounds them. */
#include "kk_prefix.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("O3", "fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#include "kk_beam.h"

#include "kk_log_softmax.h"

#include <math.h>
#include <string.h>

/* What the reference takes for the score of nothing; sums that it is added to keep hardly a bit of their own. */
#define KK_NO_SCORE (-1.0e9f)

/* Scores that are compared with the least candidate at once. */
enum { KK_SCAN = 64 };

static size_t kk_candidate_limit(int64_t beams)
{
    return (size_t)beams * (KK_BEAM_END_IDS + 1);
}

size_t kk_beam_scratch(int64_t beams, int64_t length)
{
    if (beams < 1 || length < 1)
        return 0;
    return kk_candidate_limit(beams) * sizeof(kk_beam_candidate) + (size_t)beams * sizeof(kk_hypothesis) +
           3 * (size_t)beams * (size_t)length * sizeof(int64_t) + (size_t)beams * sizeof(double);
}

static kk_status kk_check_beam(const kk_beam_options *options, const kk_logits_text *text, int64_t vocabulary)
{
    const double penalty = options->length_penalty;
    const kk_early_stopping early = options->early_stopping;
    if (penalty - penalty != 0.0 ||
        (early != KK_EARLY_STOPPING_FALSE && early != KK_EARLY_STOPPING_TRUE && early != KK_EARLY_STOPPING_NEVER))
        return KK_ERROR_ARGUMENT;
    if (options->beams < 1 || text->end_id_count > KK_BEAM_END_IDS || text->count < 1 || text->count >= text->max_length)
        return KK_ERROR_RANGE;
    return vocabulary < (int64_t)text->end_id_count + 1 || vocabulary < 2 ? KK_ERROR_RANGE : KK_OK;
}

kk_status kk_beam_open(kk_beam *beam, const kk_beam_options *options, const kk_logits_options *logits,
                       const kk_logits_text *text, int64_t vocabulary, uint32_t *seen, void *scratch, size_t scratch_bytes)
{
    if (beam == NULL || options == NULL || logits == NULL || text == NULL || text->ids == NULL || seen == NULL ||
        scratch == NULL || (uintptr_t)scratch % 8 != 0 || (text->end_id_count > 0 && text->end_ids == NULL))
        return KK_ERROR_ARGUMENT;
    kk_status status = kk_check_beam(options, text, vocabulary);
    if (status != KK_OK)
        return status;
    if (scratch_bytes < kk_beam_scratch(options->beams, text->max_length))
        return KK_ERROR_CAPACITY;
    const int64_t beams = options->beams;
    beam->options = *options;
    beam->logits = logits;
    beam->text = *text;
    beam->vocabulary = vocabulary;
    beam->candidates = beams * (text->end_id_count > 0 ? (int64_t)text->end_id_count + 1 : 2);
    beam->candidate = scratch;
    beam->best = (kk_hypothesis *)(void *)(beam->candidate + kk_candidate_limit(beams));
    beam->ids = (int64_t *)(void *)(beam->best + beams);
    beam->next = beam->ids + beams * text->max_length;
    beam->scores = (float *)(void *)(beam->next + 2 * beams * text->max_length);
    beam->finished = 0;
    beam->seen = seen;
    for (int64_t b = 0; b < beams; b++) {
        beam->best[b].score = KK_NO_SCORE;
        beam->best[b].count = 0;
        beam->best[b].ids = beam->next + (beams + b) * text->max_length;
        beam->scores[b] = b == 0 ? 0.0f : KK_NO_SCORE; /* all beams are the prompt: only one may be continued */
        memcpy(beam->ids + b * text->max_length, text->ids, (size_t)text->count * sizeof(int64_t));
    }
    return KK_OK;
}

static int kk_any_above(const float *scores, float sum, float least)
{
    int32_t any = 0;
    for (int i = 0; i < KK_SCAN; i++)
        any |= scores[i] + sum > least;
    return any;
}

/* Keeps the best continuations; the least of them is what the next has to beat. Returns how many there are. */
static int64_t kk_consider(kk_beam *s, int64_t used, int64_t b, int64_t id, float score)
{
    kk_beam_candidate *c = s->candidate;
    int64_t at = used < s->candidates ? used : used - 1;
    for (; at > 0 && c[at - 1].score < score; at--)
        c[at] = c[at - 1];
    c[at].score = score;
    c[at].beam = b;
    c[at].id = id;
    return used < s->candidates ? used + 1 : used;
}

/* The continuations with the greatest sums. scores: log probabilities, `stride` floats from beam to beam. */
static void kk_find_candidates(kk_beam *s, const float *scores, int64_t stride)
{
    int64_t used = 0;
    for (int64_t b = 0; b < s->options.beams; b++) {
        const float *row = scores + b * stride, sum = s->scores[b];
        for (int64_t i = 0; i < s->vocabulary;) {
            const int full = used == s->candidates;
            if (full && i + KK_SCAN <= s->vocabulary && !kk_any_above(row + i, sum, s->candidate[used - 1].score)) {
                i += KK_SCAN;
                continue;
            }
            const int64_t end = i + KK_SCAN < s->vocabulary ? i + KK_SCAN : s->vocabulary;
            for (; i < end; i++)
                if (used < s->candidates || row[i] + sum > s->candidate[used - 1].score)
                    used = kk_consider(s, used, b, i, row[i] + sum);
        }
    }
}

static int kk_ends(const kk_beam *s, int64_t id)
{
    if (s->text.count + 1 >= s->text.max_length)
        return 1;
    for (size_t i = 0; i < s->text.end_id_count; i++)
        if (s->text.end_ids[i] == id)
            return 1;
    return 0;
}

/* A finished text takes its place among the best; of equal ones the older stays before it. */
static void kk_finish(kk_beam *s, const kk_beam_candidate *c, float score)
{
    const int64_t beams = s->options.beams, generated = s->text.count - s->text.prompt_count;
    kk_hypothesis made = s->best[beams - 1];
    if (!(score > made.score))
        return;
    int64_t at = beams - 1;
    for (; at > 0 && s->best[at - 1].score < score; at--)
        s->best[at] = s->best[at - 1];
    made.score = score;
    made.count = generated + 1;
    memcpy(made.ids, s->ids + c->beam * s->text.max_length + s->text.prompt_count, (size_t)generated * sizeof(int64_t));
    made.ids[generated] = c->id;
    s->best[at] = made;
    s->finished += s->finished < beams;
}

/* The candidate that goes on next, the first of equal ones. */
static kk_beam_candidate *kk_next_running(kk_beam *s)
{
    kk_beam_candidate *best = NULL;
    for (int64_t k = 0; k < s->candidates; k++) {
        kk_beam_candidate *c = &s->candidate[k];
        if (!c->taken && (best == NULL || c->running > best->running))
            best = c;
    }
    best->taken = 1; /* there are more candidates than beams */
    return best;
}

/* The best that do not end go on: each takes the text of its parent and its own token. */
static void kk_go_on(kk_beam *s, int64_t *parents, int64_t *ids)
{
    const int64_t stride = s->text.max_length;
    int64_t *before = s->ids;
    for (int64_t b = 0; b < s->options.beams; b++) {
        const kk_beam_candidate *c = kk_next_running(s);
        int64_t *text = s->next + b * stride;
        memcpy(text, before + c->beam * stride, (size_t)s->text.count * sizeof *text);
        text[s->text.count] = ids[b] = c->id;
        parents[b] = c->beam;
        s->scores[b] = c->running;
    }
    s->ids = s->next;
    s->next = before;
}

/* Whether the best beam may still beat the worst finished text. */
static int kk_can_improve(const kk_beam *s)
{
    const int64_t longest = s->text.max_length - s->text.prompt_count, length = s->text.count - s->text.prompt_count;
    const double penalty = s->options.length_penalty;
    const int most = s->options.early_stopping == KK_EARLY_STOPPING_NEVER && penalty > 0.0;
    const float best = s->scores[0] / (float)pow((double)(most ? longest : length), penalty);
    return best > (s->finished < s->options.beams ? KK_NO_SCORE : s->best[s->options.beams - 1].score);
}

kk_status kk_beam_step(kk_beam *beam, float *logits, int64_t *parents, int64_t *ids, int *done)
{
    kk_logits_text text = beam->text;
    const int first = text.count == text.prompt_count;
    const int64_t beams = beam->options.beams, stride = first ? 0 : beam->vocabulary;
    int all_end = 1;
    for (int64_t b = 0; b < (first ? 1 : beams); b++) {
        const kk_status status = kk_log_softmax(logits + b * stride, beam->vocabulary);
        if (status != KK_OK)
            return status;
        text.ids = beam->ids + b * text.max_length;
        kk_logits_process(beam->logits, &text, logits + b * stride, beam->vocabulary, beam->seen);
    }
    kk_find_candidates(beam, logits, stride);
    const float power = (float)pow((double)(text.count + 1 - text.prompt_count), beam->options.length_penalty);
    for (int64_t k = 0; k < beam->candidates; k++) {
        kk_beam_candidate *c = &beam->candidate[k];
        c->taken = 0;
        c->ends = kk_ends(beam, c->id);
        c->running = c->ends ? c->score + KK_NO_SCORE : c->score;
        all_end &= c->ends;
        if (c->ends && k < beams)
            kk_finish(beam, c, c->score / power);
    }
    kk_go_on(beam, parents, ids);
    beam->text.count++;
    *done = all_end || (beam->options.early_stopping == KK_EARLY_STOPPING_TRUE && beam->finished == beams) || !kk_can_improve(beam);
    return KK_OK;
}
