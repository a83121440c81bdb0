/* yield.h - which of the agent's statements have to get out of the application's way.
 *
 * Pure; owned by the watcher. Sessions wait for what our backends hold, or behind what they queue
 * for. One look lists them; this says for which worker enough of them have waited for too long. */
#ifndef SKEIN_AGENT_DECIDE_YIELD_H
#define SKEIN_AGENT_DECIDE_YIELD_H

#include <stddef.h>
#include <stdint.h>

#include "common/core/limits.h"

struct yield_wait {
    size_t worker;      /* of ours, that is in the session's way */
    uint64_t waited_ms; /* how long the session has waited by now */
};

struct yield_options {
    uint32_t sessions; /* so many, or more, have to wait; 0: nothing ever yields */
    uint64_t after_ms[AGENT_WORKERS_MAX]; /* for so long, for this worker */
    uint64_t look_ms;                     /* how much later the next look comes */
};

struct yield_verdict {
    uint32_t sessions[AGENT_WORKERS_MAX];   /* that wait for the worker, too long or not */
    uint64_t longest_ms[AGENT_WORKERS_MAX]; /* of them */
    uint64_t stop;                          /* bit I: worker I's statement is to be stopped */
};

/* A session counts as soon as it would have waited too long before the next look. */
void yield_judge(const struct yield_options *options, const struct yield_wait *waits, size_t count,
                 struct yield_verdict *ret_verdict);

#endif
