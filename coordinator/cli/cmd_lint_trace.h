/* cmd_lint_trace.h - `skein lint DIR --trace CONNINFO`.
 *
 * Main thread only. */
#ifndef SKEIN_COORDINATOR_CLI_CMD_LINT_TRACE_H
#define SKEIN_COORDINATOR_CLI_CMD_LINT_TRACE_H

#include "common/lint/lint_run.h"
#include "common/model/set.h"
#include "common/trace/trace_set.h"
#include "coordinator/cli/cli.h"

/* Whether the arguments are one directory. From here on signals that would end the process wait:
 * the scratch database is dropped first. So it has to be called before the parser's thread is
 * made. */
MUST_CHECK bool cmd_lint_trace_may(const struct cli *cli);

/* Runs the set, which the run has read, on a scratch database. */
MUST_CHECK bool cmd_lint_trace(struct cli *cli, struct lint_run *run, const struct set *set,
                               struct trace *ret_trace, struct error *err);

#endif
