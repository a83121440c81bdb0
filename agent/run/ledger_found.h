/* ledger_found.h - the version that another tool's table tells, of the rows that were read.
 *
 * Pure. */
#ifndef SKEIN_AGENT_RUN_LEDGER_FOUND_H
#define SKEIN_AGENT_RUN_LEDGER_FOUND_H

#include "agent/run/executor_task.h"
#include "common/pg/pg_conn.h"

/* `rows` are those of ledger_sql_read. False: the tenant's version is not to be changed, and the
 * error says why as if the server had: SK030 (the table tells no version, or one below the
 * tenant's) or SK008 (the tenant has that version already, in `detail`). */
MUST_CHECK bool ledger_found(const struct executor_task *task, const struct pg_result *rows,
                             char ret_version[SEMVER_BYTES_MAX + 1], struct pg_error *ret_error);

#endif
