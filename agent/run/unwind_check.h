/* unwind_check.h - what a rollback would need, looked at before anything is touched.
 *
 * Looks at the file system, for programs and plugins; on the worker's thread. */
#ifndef SKEIN_AGENT_RUN_UNWIND_CHECK_H
#define SKEIN_AGENT_RUN_UNWIND_CHECK_H

#include <stdbool.h>

#include "agent/run/runners.h"
#include "agent/run/unwind_plan.h"
#include "common/model/message.h"

struct unwind_check {
    const struct executor_options *options;
    const struct runner_table *runners;
    struct executor_task *task;
};

/* Whether something undoes the operation, whatever that comes to. */
bool unwind_check_has_rollback(const struct runner_table *runners,
                               const struct operation *operation);
/* False: what undoes the operation is refused by its runner (a program that the configuration of
 * this agent does not let run); the result says so. */
bool unwind_check_rollback(const struct unwind_check *check,
                           const struct prepared_operation *operation, struct task_result *result);
/* Every operation has a rollback (all that have none are named), and this agent can run it. False:
 * the result says why not. */
bool unwind_check_all(const struct unwind_check *check, const struct unwind_plan *plan,
                      struct task_result *result);

#endif
