/* batch_pace.h - how many rows the next chunk of a batch takes, and how fast it goes.
 *
 * Pure; owned by the worker that runs the batch. A chunk should take as long as the target says:
 * long enough that the round trip and the commit do not count, short enough that nobody waits for
 * its row locks. So the size follows what the last chunk took, by a factor of two at most. */
#ifndef SKEIN_AGENT_DECIDE_BATCH_PACE_H
#define SKEIN_AGENT_DECIDE_BATCH_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"

struct batch_pace {
    uint64_t rows; /* of the next chunk; 1 to BATCH_ROWS_MAX */
    uint64_t target_us;
    uint32_t refusals; /* in a row */
    /* For the rate: since this try began. */
    uint64_t began_us;
    uint64_t began_rows;
};

void batch_pace_init(struct batch_pace *pace, uint64_t rows, uint64_t target_ms, uint64_t done_rows,
                     uint64_t now_us);

/* A chunk of `keys` rows took so long. `waiting`: somebody waited for its row locks at its end. */
void batch_pace_done(struct batch_pace *pace, uint64_t keys, uint64_t elapsed_us, bool waiting);

/* A chunk did not get its locks, or was not ready in the time that a statement has: the next one is
 * half as large. False: that has happened BATCH_LOCK_TRIES_MAX times in a row. Else how long to
 * wait before. */
MUST_CHECK bool batch_pace_refused(struct batch_pace *pace, uint64_t *ret_pause_ms);

enum { BATCH_PACE_WORDS_BYTES = 96 };
/* "8,120 rows/s, 24s left" (the latter where `total_rows` is known and not yet reached). Returns
 * `words`. */
const char *batch_pace_words(const struct batch_pace *pace, uint64_t done_rows, uint64_t total_rows,
                             uint64_t now_us, char words[BATCH_PACE_WORDS_BYTES]);

#endif
