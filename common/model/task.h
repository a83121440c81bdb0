/* task.h - modes, outcomes and codes of a task, and their names.
 *
 * Pure. The names are promises to users: they stand in reports, in JSON and in tests. */
#ifndef SKEIN_COMMON_MODEL_TASK_H
#define SKEIN_COMMON_MODEL_TASK_H

#include <stdbool.h>

enum task_mode {
    TASK_DRY_RUN,
    TASK_RUN,
    TASK_BASELINE,
    TASK_SETTLE,   /* raise the fence above every earlier try, and say what the journal says */
    TASK_ROLLBACK, /* undo what this rollout did */
    TASK_ROLLBACK_DRY_RUN, /* try that, and change nothing */
    TASK_CREATE, /* the tenant is made, and brought to the target, or nothing of it is left */
    TASK_DROP,   /* the tenant and all that is in it goes */
    TASK_MODE_COUNT,
};

enum task_outcome { TASK_SUCCEEDED, TASK_SKIPPED, TASK_FAILED, TASK_OUTCOME_COUNT };

enum task_code {
    TASK_CODE_NONE = 0,
    TASK_CODE_SQL,
    TASK_CODE_LOCK_TIMEOUT,
    TASK_CODE_TENANT_LOCKED,
    TASK_CODE_FENCED,
    TASK_CODE_VERSION_MOVED,
    TASK_CODE_VERSION_TOO_OLD,
    TASK_CODE_FUTURE_VERSION,
    TASK_CODE_PRERELEASE,
    TASK_CODE_CHECKSUM_MISMATCH,
    TASK_CODE_UNMANAGED,
    TASK_CODE_TENANT_MISSING,
    TASK_CODE_TRANSACTION_CONTROL,
    TASK_CODE_LINT,
    TASK_CODE_STALE,
    TASK_CODE_CANCELLED,
    TASK_CODE_AGENT_LOST,
    TASK_CODE_DATABASE_LOST,
    TASK_CODE_RUNNER,
    TASK_CODE_ROLLBACK,
    TASK_CODE_UP_TO_DATE,
    TASK_CODE_OUTCOME_UNKNOWN,
    TASK_CODE_OTHERS_BEHIND,
    TASK_CODE_TENANT_EXISTS,
    TASK_CODE_TENANT_REFUSED,
    TASK_CODE_LEDGER,
    TASK_CODE_REGISTRY,
    TASK_CODE_YIELDED,
    TASK_CODE_SERVER_BUSY,
    TASK_CODE_COUNT,
};

/* "dry_run", "run", "baseline", "settle", "rollback", "rollback_dry_run", "create", "drop". */
const char *task_mode_name(enum task_mode mode);
/* Changes nothing, whatever becomes of it. */
bool task_mode_is_dry(enum task_mode mode);
/* Undoes, or tries to. */
bool task_mode_is_rollback(enum task_mode mode);
/* "SUCCEEDED", ... */
const char *task_outcome_name(enum task_outcome outcome);
/* "SQL", "LOCK_TIMEOUT", ...; "" for TASK_CODE_NONE. */
const char *task_code_name(enum task_code code);

#endif
