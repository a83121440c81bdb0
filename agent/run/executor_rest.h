/* executor_rest.h - a task that live traffic was in the way of: it rests, and is tried again.
 *
 * On a worker's thread. A task that rests keeps no worker busy; its tenant stays locked for it, and
 * the agent's lease fences it as any other. What if the agent dies meanwhile? The task is one that
 * was handed out and not answered: the next agent gets it anew, with its patience. */
#ifndef SKEIN_AGENT_RUN_EXECUTOR_REST_H
#define SKEIN_AGENT_RUN_EXECUTOR_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/run/executor_task.h"
#include "agent/run/executor_queue.h"

struct executor_try {
    struct executor_queue *queue;
    size_t worker;
    struct executor_turn turn;
    uint64_t began_ms;
    uint64_t random; /* any number */
};

/* The try has come to `result`. True: the task rests, and the worker's turn is over. False: the
 * result is what the task has come to; where its patience has ended, it says for whom it waited. */
bool executor_rest(const struct executor_try *attempt, struct task_result *result);

/* The answer to a task that was dropped while it rested. NULL: it has not been tried yet. */
struct task_result *executor_rest_dropped(struct executor_task *task);

#endif
