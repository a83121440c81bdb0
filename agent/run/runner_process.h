/* runner_process.h - what the runners of programs and of plugins share.
 *
 * Used by a worker's thread. */
#ifndef SKEIN_AGENT_RUN_RUNNER_PROCESS_H
#define SKEIN_AGENT_RUN_RUNNER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/run/process.h"
#include "agent/run/runner.h"
#include "common/model/set_process.h"

/* What the call is about: the operation's file, or that of its rollback. */
const struct set_process *runner_process_of(const struct runner_call *call);

/* Whether the agent allows what the operation wants to run, and its rollback. True with its real
 * path. False: the report says what is not allowed. */
MUST_CHECK bool runner_process_check(const struct runner_call *call, const char **ret_path,
                                     struct runner_report *report);

/* What became of a process that ended otherwise than with 0; returns false, with the report. */
bool runner_process_judge(const struct runner_call *call, const char *what,
                          const struct process_end *end, struct runner_report *report);

/* Nothing of the operation was done, or is left: writes that down, so that its rollback, which the
 * walk calls next, does nothing. Returns false, as the failure does that it belongs to;
 * `interrupted` if it could not be written. */
bool runner_process_undo_nothing(const struct runner_call *call, struct runner_report *report);
/* Whether a position says so. */
bool runner_process_is_nothing(const char *position);

#endif
