/* brain.h - the coordinator's one thread of decisions: events in, effects out.
 *
 * Everything but brain_start, brain_stop and brain_is_ready runs on that thread. */
#ifndef SKEIN_COORDINATOR_BRAIN_H
#define SKEIN_COORDINATOR_BRAIN_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/core/mailbox.h"
#include "common/core/metrics.h"
#include "common/store/store.h"
#include "coordinator/serve/agent_service.h"
#include "coordinator/serve/health.h"
#include "coordinator/serve/leader_view.h"
#include "coordinator/serve/operator_service.h"

struct brain;

/* All borrowed; they outlive the brain. */
struct brain_parts {
    struct mailbox *inbox; /* of struct event */
    struct store *store;
    const char *store_prefix;
    const char *address; /* how others reach this coordinator */
    struct metrics *metrics;
    struct leader_view *leader;
    struct agent_service *agents;
    struct operator_service *operators;
    struct health *health;
};

struct brain *brain_start(const struct brain_parts *parts);
/* Writes what is decided (for a bounded time), ends all calls, closes the inbox, joins the thread,
 * gives the leader key back. */
void brain_stop(struct brain **pointer);

enum { BRAIN_REASON_BYTES = 256 };
/* Leading, or standing by in good order; else why not. Any thread. */
bool brain_is_ready(struct brain *brain, char ret_reason[BRAIN_REASON_BYTES]);

#endif
