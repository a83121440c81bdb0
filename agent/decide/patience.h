/* patience.h - when a task that live traffic was in the way of is tried again.
 *
 * Pure; owned by the task. Pauses grow by two and are jittered, so that many tasks which wait for
 * the same transaction do not come back at the same moment. */
#ifndef SKEIN_AGENT_DECIDE_PATIENCE_H
#define SKEIN_AGENT_DECIDE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/base.h"

struct patience {
    uint64_t began_ms; /* the first try; 0: there was none */
    uint32_t tries;    /* that did not get through */
};

/* A try that began at `try_ms` did not get through, and it is `now_ms`. True: the next begins at
 * *ret_at_ms, at the latest when the patience ends. False: it has ended. `random` is any number. */
MUST_CHECK bool patience_try_again(struct patience *patience, uint64_t patience_ms, uint64_t try_ms,
                                   uint64_t now_ms, uint64_t random, uint64_t *ret_at_ms);

#endif
