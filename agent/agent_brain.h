/* agent_brain.h - the agent's one thread of decisions.
 *
 * Everything but start, drain, stop and status runs on that thread. */
#ifndef SKEIN_AGENT_AGENT_BRAIN_H
#define SKEIN_AGENT_AGENT_BRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent_gate.h"
#include "agent/control_post.h"
#include "agent/desk.h"
#include "agent/line.h"
#include "agent/register_desk.h"
#include "agent/run/executor.h"
#include "common/core/mailbox.h"
#include "common/core/metrics.h"
#include "common/model/message.h"

struct agent_brain;

/* All borrowed; they outlive the brain. */
struct agent_brain_parts {
    struct mailbox *inbox; /* of struct agent_event */
    struct executor *executor;
    struct control_post *control;
    struct desk *desk;
    struct register_desk *register_desk; /* NULL: no registry */
    struct metrics *metrics;
    struct line_options line;
    const char *shard;
    const char *agent; /* this process's id */
    struct labels labels;
    uint32_t workers;
    uint64_t seed; /* of the jitter in reconnecting */
};

struct agent_brain *agent_brain_start(const struct agent_brain_parts *parts);
/* From when this returns no task is submitted any more; new ones are handed back. */
void agent_brain_drain(struct agent_brain *brain);
/* Waits up to `wait_ms` until every result is acknowledged, then ends the thread. */
void agent_brain_stop(struct agent_brain **pointer, uint64_t wait_ms);

/* Working, or standing by in good order; else why not. Any thread. */
bool agent_brain_is_ready(struct agent_brain *brain, char ret_reason[AGENT_REASON_BYTES]);

#endif
