/* task_answer.h - what a task's result says.
 *
 * Pure. A result and its texts live in the task's arena. */
#ifndef SKEIN_AGENT_RUN_TASK_ANSWER_H
#define SKEIN_AGENT_RUN_TASK_ANSWER_H

#include "agent/run/executor_task.h"
#include "agent/run/task_batch.h"
#include "common/core/base.h"
#include "common/model/lacking.h"

/* What a SQLSTATE means to a rollout: TASK_CODE_SQL where nothing else. */
enum task_code task_answer_code_of(const char *sqlstate);

/* A result that says nothing yet. */
struct task_result *task_answer_new(struct executor_task *task);

/* The version moved (a run), or would have (a dry run). */
void task_answer_succeed(struct task_result *result, const struct executor_task *task,
                         size_t scripts);
/* One sentence; SKIPPED or FAILED. */
void task_answer_fail(struct task_result *result, struct executor_task *task, const char *shard,
                      enum task_outcome outcome, enum task_code code, const char *format, ...)
    PRINTF(6, 7);
/* What the server refused; `report->failed` is set. `why` is what a statement that was cancelled
 * from outside is called (executor_notes_why). */
void task_answer_refused(struct task_result *result, struct executor_task *task, const char *shard,
                         const struct task_outcome_report *report, enum task_code why);
/* The WARNINGs of the last try; they never fail a task. */
void task_answer_warn(struct task_result *result, struct executor_task *task, const char *shard,
                      const struct task_outcome_report *report);
/* A script of the plan that cannot run at all. */
void task_answer_problem(struct task_result *result, struct executor_task *task, const char *shard,
                         const struct prepared_operation *operation, bool down);
/* These have to be undone, and nothing says how. */
void task_answer_lacking(struct task_result *result, struct executor_task *task, const char *shard,
                         const struct lacking *lacking);

#endif
