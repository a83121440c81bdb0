/* task_check.h - whether a task's operations can run at all, before anything of it begins.
 *
 * Pure. */
#ifndef SKEIN_AGENT_RUN_TASK_CHECK_H
#define SKEIN_AGENT_RUN_TASK_CHECK_H

#include <stdbool.h>

#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "agent/run/runners.h"
#include "common/core/base.h"
#include "common/model/plan.h"

struct task_check {
    const struct executor_options *options;
    const struct runner_table *runners;
    struct executor_task *task;
    const struct plan *plan;
    bool rehearses_rollback; /* then each needs a way back, too */
};

/* Whether every operation of the plan can run. False: the result says which cannot, and why. */
MUST_CHECK bool task_check(const struct task_check *check, struct task_result *result);

#endif
