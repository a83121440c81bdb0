/* control_task.h - runs what another shard's task wants done in this agent's control database.
 *
 * Blocks; used by the control desk's thread. Each operation is one transaction together with its
 * row in skein.control, so it counts once for each tenant and key, however often it is asked for:
 * what was done already is answered with success. */
#ifndef SKEIN_AGENT_RUN_CONTROL_TASK_H
#define SKEIN_AGENT_RUN_CONTROL_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/check/prepared_set.h"
#include "agent/run/worker_link.h"
#include "common/core/arena.h"
#include "common/model/message.h"

struct control_task_options {
    const char *agent; /* its id, for the history rows */
    uint64_t statement_timeout_ms;
    /* Waits; false as soon as nothing shall be begun any more. */
    bool (*pause)(void *context, uint64_t milliseconds);
    void *context;
};

/* `ret_error` has the code TASK_CODE_NONE when it is done; its texts live in `arena`. After
 * DATABASE_LOST it may have been done or not: whoever asks again will be told. */
void control_task_run(const struct control_task_options *options, struct worker_link *link,
                      const struct control_run *run, const struct prepared_set *set,
                      struct arena *arena, struct task_error *ret_error);

#endif
