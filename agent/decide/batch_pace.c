#include "agent/decide/batch_pace.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/core/limits.h"
#include "common/model/duration.h"

static uint64_t batch_pace_clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

void batch_pace_init(struct batch_pace *pace, uint64_t rows, uint64_t target_ms, uint64_t done_rows,
                     uint64_t now_us)
{
    *pace = (struct batch_pace){ .rows = batch_pace_clamp(rows, 1, BATCH_ROWS_MAX),
                                 .target_us =
                                     1000 * batch_pace_clamp(target_ms, 1, BATCH_TARGET_MAX_MS),
                                 .began_us = now_us,
                                 .began_rows = done_rows };
}

void batch_pace_done(struct batch_pace *pace, uint64_t keys, uint64_t elapsed_us, bool waiting)
{
    uint64_t elapsed = elapsed_us == 0 ? 1 : elapsed_us;
    uint64_t least = pace->rows / 2;
    uint64_t most = 2 * pace->rows;

    pace->refusals = 0;
    if (waiting) {
        pace->rows = batch_pace_clamp(least, 1, BATCH_ROWS_MAX);
        return;
    }
    if (keys < pace->rows) {
        return; /* there were no more: it says nothing of a full chunk */
    }
    uint64_t fits = pace->rows * pace->target_us / elapsed; /* far from overflow by both bounds */
    pace->rows = batch_pace_clamp(batch_pace_clamp(fits, least, most), 1, BATCH_ROWS_MAX);
}

bool batch_pace_refused(struct batch_pace *pace, uint64_t *ret_pause_ms)
{
    pace->refusals++;
    if (pace->refusals >= BATCH_LOCK_TRIES_MAX) {
        return false;
    }
    uint64_t pause_ms = TASK_BACKOFF_MIN_MS;
    for (uint32_t i = 1; i < pace->refusals && pause_ms < TASK_BACKOFF_MAX_MS; i++) {
        pause_ms *= 2;
    }
    *ret_pause_ms = batch_pace_clamp(pause_ms, 1, TASK_BACKOFF_MAX_MS);
    pace->rows = batch_pace_clamp(pace->rows / 2, 1, BATCH_ROWS_MAX);
    return true;
}

/* With commas: 1,234,567. */
static const char *batch_pace_number(uint64_t value, char text[32])
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    size_t at = 0;

    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            text[at++] = ',';
        }
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

const char *batch_pace_words(const struct batch_pace *pace, uint64_t done_rows, uint64_t total_rows,
                             uint64_t now_us, char words[BATCH_PACE_WORDS_BYTES])
{
    uint64_t elapsed_us = now_us > pace->began_us ? now_us - pace->began_us : 1;
    uint64_t fresh = done_rows > pace->began_rows ? done_rows - pace->began_rows : 0;
    double rate = 1e6 * (double)fresh / (double)elapsed_us;
    char number[32];
    char left[DURATION_TEXT_BYTES];

    batch_pace_number((uint64_t)rate, number);
    if (total_rows <= done_rows || rate < 1.0) {
        (void)snprintf(words, BATCH_PACE_WORDS_BYTES, "%s rows/s", number);
        return words;
    }
    double left_ms = 1000.0 * (double)(total_rows - done_rows) / rate;
    duration_format_whole(left_ms > 1e12 ? (uint64_t)1e12 : (uint64_t)left_ms, left);
    (void)snprintf(words, BATCH_PACE_WORDS_BYTES, "%s rows/s, about %s left", number, left);
    return words;
}
