/* Strings of a model with characters replaced by others. */
#include "kk_prefix.h"

#include "kk_string_case.h"

#include "kk_code_points.h"
#include "kk_unicode.h"

#include <string.h>

#define KK_SIGMA 0x3A3u
#define KK_CASED 1
#define KK_CASE_IGNORABLE 2

typedef struct kk_case_tables {
    const int32_t *codes, *ends, *runs;
    const uint8_t *texts, *kinds;
    int64_t pieces, run_count;
} kk_case_tables;

static unsigned kk_case_kind(const kk_case_tables *tables, uint32_t code_point)
{
    return tables->kinds[kk_run_of(tables->runs, tables->run_count, code_point)];
}

/* Whether a sigma is the last cased character of a word. cased: whether the last character before it that matters is cased. */
static int kk_is_final_sigma(const kk_case_tables *tables, int cased, const uint8_t *at, const uint8_t *end)
{
    while (cased && at < end) {
        uint32_t code_point;
        unsigned kind;
        at += kk_utf8_read(at, end, &code_point);
        kind = kk_case_kind(tables, code_point);
        if (!(kind & KK_CASE_IGNORABLE))
            return !(kind & KK_CASED);
    }
    return cased;
}

/* Maps one string and gives how many bytes it has then; to: where it goes, or null. */
static int64_t kk_map_string(const kk_case_tables *tables, const uint8_t *at, const uint8_t *end, uint8_t *to, int64_t room)
{
    int64_t length = 0;
    int cased = 0;
    while (at < end) {
        uint32_t code_point;
        int64_t piece = 0, bytes = (int64_t)kk_utf8_read(at, end, &code_point);
        const uint8_t *from = at;
        at += bytes;
        if (tables->pieces > 0)
            piece = kk_run_of(tables->codes, tables->pieces, code_point);
        if (tables->run_count > 1 && code_point == KK_SIGMA && kk_is_final_sigma(tables, cased, at, end)) {
            from = (const uint8_t *)"\xcf\x82";
            bytes = 2;
        } else if (tables->pieces > 0 && (uint32_t)tables->codes[piece] == code_point) {
            const int64_t begin = piece > 0 ? tables->ends[piece - 1] : 0;
            from = tables->texts + begin;
            bytes = tables->ends[piece] - begin;
        }
        if (tables->run_count > 1) {
            const unsigned kind = kk_case_kind(tables, code_point);
            cased = kind & KK_CASE_IGNORABLE ? cased : (int)(kind & KK_CASED);
        }
        if (to != NULL && bytes <= room - length)
            memcpy(to + length, from, (size_t)bytes);
        length += bytes;
    }
    return length;
}

static int kk_lies_within(int64_t start, int64_t length, int64_t size)
{
    return start >= 0 && length >= 0 && length <= size && start <= size - length;
}

void kk_mapped_lengths(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const int32_t *codes, const uint8_t *texts,
                       const int32_t *ends, const int32_t *runs, const uint8_t *kinds, int64_t *mapped, int64_t count, int64_t size, int64_t pieces,
                       int64_t run_count)
{
    const kk_case_tables tables = {codes, ends, runs, texts, kinds, pieces, run_count};
    const int64_t last = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < last; i++) {
        const int64_t length = kk_lies_within(starts[i], lengths[i], size) ? lengths[i] : 0;
        const uint8_t *const at = bytes + (length > 0 ? starts[i] : 0);
        mapped[i] = kk_map_string(&tables, at, at + length, NULL, 0);
    }
}

void kk_map_strings(const kk_thread *t, const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, const int32_t *codes, const uint8_t *texts,
                    const int32_t *ends, const int32_t *runs, const uint8_t *kinds, const int64_t *begins, uint8_t *to, int64_t count, int64_t size,
                    int64_t pieces, int64_t run_count, int64_t room)
{
    const kk_case_tables tables = {codes, ends, runs, texts, kinds, pieces, run_count};
    const int64_t last = count * (t->index + 1) / t->count;
    for (int64_t i = count * t->index / t->count; i < last; i++) {
        const int64_t length = kk_lies_within(starts[i], lengths[i], size) ? lengths[i] : 0;
        const uint8_t *const at = bytes + (length > 0 ? starts[i] : 0);
        if (begins[i] >= 0 && begins[i] <= room)
            (void)kk_map_string(&tables, at, at + length, to + begins[i], room - begins[i]);
    }
}
