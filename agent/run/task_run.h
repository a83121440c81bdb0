/* task_run.h - one task from beginning to end, through outages and lost answers.
 *
 * Blocks; used by a worker's thread. */
#ifndef SKEIN_AGENT_RUN_TASK_RUN_H
#define SKEIN_AGENT_RUN_TASK_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/run/executor_options.h"
#include "agent/run/executor_queue.h"
#include "agent/run/worker_link.h"

struct task_context {
    const struct executor_options *options;
    struct executor_queue *queue;
    struct worker_link *link;
    struct copy_table *copies; /* the executor's */
    size_t worker;             /* whose turn it is */
    struct watcher *watcher;   /* NULL: nothing is looked at */
};

/* What the task came to; the result lives in the task's arena. True: the result rests on a commit
 * that the WAL may not hold yet, so it must pass the barrier before it is reported. */
bool task_run(struct task_context *context, const struct executor_turn *turn,
              struct task_result **ret_result);

#endif
