/* copy_first.h - a dry run on a live tenant that could hurt is tried on an empty copy first.
 *
 * Blocks; used by a worker's thread. A plan is risky where lint foresees work while writers wait on
 * a table that is not small (task_sizes), or cannot see into a script, or where statements run
 * outside of a transaction, which no dry run on the tenant runs. Of all tenants with the same
 * schema one is copied, and what the trial showed is weighed for each of them with its own sizes;
 * the others rest without a worker meanwhile. Other plans cost nothing.
 *
 * What the trial cannot show is not held against a tenant: a script that fails in its transaction
 * on a copy without rows is tried on the tenant itself. Where there is no copy the dry run goes on
 * as if there was nothing to fear, with a warning. What if the agent dies? All of this is forgotten
 * and done again; the copy is dropped by the next agent (clone_sweep). */
#ifndef SKEIN_AGENT_RUN_COPY_FIRST_H
#define SKEIN_AGENT_RUN_COPY_FIRST_H

#include "agent/run/task_run.h"
#include "common/model/plan.h"

struct copy_first {
    bool looked;
    bool told_if_passed; /* the first warning only says something if the tenant's own try passes */
    struct task_error warnings[SIZE_WARNINGS_MAX];
    size_t warning_count;
};

/* Before the first statement of a dry run; the context's link is open to the tenant's database.
 * `large`: what lint foresees is about tables that are not small.
 * False: the result says why the tenant is not tried (LINT, or what failed on the copy), or the
 * task is to rest: copy_first_rest. */
MUST_CHECK bool copy_first_look(struct copy_first *first, struct task_context *context,
                                struct executor_task *task, const struct plan *plan, bool large,
                                struct task_result *result);

/* Of a task that awaits a copy: ends the worker's turn, the task is the queue's. False: it was
 * cancelled, as its result says. */
MUST_CHECK bool copy_first_rest(struct task_context *context, struct executor_task *task);

/* Adds what there was to say to the result's warnings. */
void copy_first_warn(const struct copy_first *first, struct task_context *context,
                     struct executor_task *task, struct task_result *result);

#endif
