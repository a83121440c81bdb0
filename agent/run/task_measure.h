/* task_measure.h - a dry run's log made into the measure of its result.
 *
 * Blocks for one query, after the transaction was rolled back; on the worker's thread. */
#ifndef SKEIN_AGENT_RUN_TASK_MEASURE_H
#define SKEIN_AGENT_RUN_TASK_MEASURE_H

#include "agent/run/measure_log.h"
#include "agent/run/task_run.h"

/* Puts what was measured into the result of a dry run that has passed; of all others nothing. If
 * that is more than the task's lock budget, it has failed (LINT). Where the names cannot be read
 * nothing is told. False: it has come to something that any of several statements may have done.
 * Then nothing is told either, and the dry run is to be done again: that one and all others of the
 * set have a look behind each statement, so this is said once. */
MUST_CHECK bool task_measure_tell(struct task_context *context, struct executor_task *task,
                                  const struct measure_log *log, struct task_result *result);

#endif
