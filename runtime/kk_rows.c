#include "kk_prefix.h"

#include "kk_rows.h"

#include <string.h>

size_t kk_rows_bytes(int64_t count)
{
    const size_t n = (size_t)count;
    return n * (6 * sizeof(int64_t) + sizeof(kk_row_copy)) + (n * n * sizeof(int32_t) + 7) / 8 * 8;
}

void kk_rows_open(kk_rows *rows, int64_t count, void *memory)
{
    rows->count = count;
    rows->length = memory;
    rows->place = rows->length + count;
    rows->input = rows->place + count;
    rows->call_length = rows->input + count;
    rows->call_place = rows->call_length + count;
    rows->call_input = rows->call_place + count;
    rows->copy = (kk_row_copy *)(void *)(rows->call_input + count);
    rows->shared = (int32_t *)(void *)(rows->copy + count);
    rows->whole = rows->uniform = rows->encoded = 0;
    kk_rows_reset(rows);
}

void kk_rows_reset(kk_rows *rows)
{
    memset(rows->shared, 0, (size_t)rows->count * (size_t)rows->count * sizeof *rows->shared);
    for (int64_t i = 0; i < rows->count; i++) {
        rows->length[i] = 0;
        rows->place[i] = rows->input[i] = i;
    }
    kk_rows_select(rows, 0, rows->count);
}

void kk_rows_select(kk_rows *rows, const int64_t *which, int64_t call_count)
{
    for (int64_t b = 0; b < call_count; b++) {
        const int64_t row = which ? which[b] : b;
        rows->call_length[b] = rows->length[row];
        rows->call_place[b] = rows->place[row];
        rows->call_input[b] = rows->input[row];
    }
}

kk_status kk_rows_may_append(const kk_rows *rows, const int64_t *which, int64_t call_count, int64_t count, int64_t capacity)
{
    if (call_count < (rows->whole ? rows->count : 1) || call_count > rows->count || count < 1)
        return KK_ERROR_RANGE;
    for (int64_t b = 0; b < call_count; b++) {
        const int64_t row = which ? which[b] : b;
        if (rows->input[row] < 0)
            return KK_ERROR_ORDER;
        if (count > capacity - rows->length[row])
            return KK_ERROR_CAPACITY;
        if (rows->uniform && rows->length[row] != rows->length[which ? which[0] : 0])
            return KK_ERROR_RANGE;
    }
    return KK_OK;
}

void kk_rows_forget_inputs(kk_rows *rows)
{
    for (int64_t i = 0; rows->encoded && i < rows->count; i++)
        rows->input[i] = -1;
}

/* Place b holds the first `length` positions of place a, and otherwise what a shares with the others. */
static void kk_share(kk_rows *rows, int64_t a, int64_t b, int64_t length)
{
    const int64_t n = rows->count;
    for (int64_t other = 0; other < n; other++)
        rows->shared[b * n + other] = rows->shared[other * n + b] = rows->shared[a * n + other];
    rows->shared[a * n + b] = rows->shared[b * n + a] = (int32_t)length;
}

kk_status kk_rows_truncate(kk_rows *rows, int64_t row, int64_t length)
{
    const int64_t n = rows->count;
    if (row < 0 || row >= n || length < 0 || length > rows->length[row])
        return KK_ERROR_RANGE;
    rows->length[row] = length;
    for (int64_t other = 0; other < n; other++) {
        int32_t *shared = &rows->shared[rows->place[row] * n + other];
        if (*shared > length)
            *shared = rows->shared[other * n + rows->place[row]] = (int32_t)length;
    }
    return KK_OK;
}

/* The place that nobody wants and that has most in common with `place`. wanted: [count], by row. */
static int64_t kk_best_place(const kk_rows *rows, const int64_t *wanted, int64_t place, int64_t *row)
{
    int64_t best = -1;
    for (int64_t i = 0; i < rows->count; i++) {
        const int64_t other = rows->place[i];
        if (!wanted[i] && (best < 0 || rows->shared[place * rows->count + other] > rows->shared[place * rows->count + best])) {
            best = other;
            *row = i;
        }
    }
    return best;
}

kk_status kk_rows_reorder(kk_rows *rows, const int64_t *from, int64_t count, int64_t *copies)
{
    const int64_t n = rows->count;
    /* The arrays of a call are free between calls. */
    int64_t *const length = rows->call_length, *const place = rows->call_place, *const wanted = rows->call_input;
    *copies = 0;
    if (count < 0 || count > n)
        return KK_ERROR_RANGE;
    for (int64_t i = 0; i < count; i++)
        if (from[i] < 0 || from[i] >= n)
            return KK_ERROR_RANGE;
    /* 1. A row that stays keeps its place; else the first who wants it takes it. */
    for (int64_t i = 0; i < n; i++)
        wanted[i] = i >= count || from[i] == i;
    for (int64_t i = 0; i < n; i++) {
        const int64_t source = i < count ? from[i] : i;
        length[i] = rows->length[source];
        place[i] = source == i || !wanted[source] ? rows->place[source] : -1;
        wanted[source] = 1;
    }
    /* 2. The others take places that nobody wants. There are enough: as many as rows that are wanted once more. */
    for (int64_t i = 0; i < count; i++)
        if (place[i] < 0) {
            const int64_t source = rows->place[from[i]];
            int64_t row = 0;
            place[i] = kk_best_place(rows, wanted, source, &row);
            wanted[row] = 1;
            const int64_t first = rows->shared[source * n + place[i]];
            if (first < length[i]) {
                const kk_row_copy copy = {source, place[i], first, length[i]};
                rows->copy[(*copies)++] = copy;
            }
            kk_share(rows, source, place[i], length[i]);
        }
    for (int64_t i = 0; i < n; i++)
        wanted[i] = rows->input[i < count ? from[i] : i];
    memcpy(rows->input, wanted, (size_t)n * sizeof *wanted);
    memcpy(rows->length, length, (size_t)n * sizeof *length);
    memcpy(rows->place, place, (size_t)n * sizeof *place);
    return KK_OK;
}
