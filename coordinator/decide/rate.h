/* rate.h - how many tasks end per second, from a ring of the last RATE_SECONDS whole seconds.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_RATE_H
#define SKEIN_COORDINATOR_DECIDE_RATE_H

#include <stdint.h>

#include "common/core/limits.h"

struct rate {
    uint64_t started_s; /* when the first task ended; 0: none yet */
    uint64_t newest_s;
    uint64_t total; /* since the first one */
    uint64_t counts[RATE_SECONDS + 1];
};

void rate_add(struct rate *rate, uint64_t now_ms);
/* Tasks per second over the last RATE_SECONDS, or over the time since the first one ended. */
double rate_per_second(const struct rate *rate, uint64_t now_ms);
/* The time that `left` tasks take at this rate, as a range: from 0.8 to 1.5 times the estimate,
 * since the last tenants of a fleet are seldom its fastest. 0 and 0 when not known, as in the first
 * seconds and after the first few tasks, which say nothing of the others. */
void rate_left_ms(const struct rate *rate, uint64_t now_ms, uint64_t left, uint64_t *ret_min_ms,
                  uint64_t *ret_max_ms);

#endif
