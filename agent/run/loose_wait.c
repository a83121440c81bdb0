#include "agent/run/loose_wait.h"

#include "agent/run/watch_old.h"
#include "common/core/log.h"

/* For whom PostgreSQL waits inside such a statement: those who hold a lock on the table that does
 * not go together with `mode`, and where an index is built, all who hold a snapshot in the
 * database: they may see rows that the index does not have. */
static const struct loose_wait_kind {
    enum lint_mode mode; /* LINT_NO_LOCK: no single table is waited for */
    bool snapshots;
    bool waits;
} loose_wait_kinds[] = {
    [SQL_LOOSE_TRANSACTION] = { .waits = false },
    [SQL_LOOSE_CREATE_INDEX] = { LINT_SHARE_ROW_EXCLUSIVE, true, true },
    [SQL_LOOSE_DROP_INDEX] = { LINT_ACCESS_EXCLUSIVE, false, true },
    [SQL_LOOSE_REINDEX_INDEX] = { LINT_ACCESS_EXCLUSIVE, true, true },
    [SQL_LOOSE_REINDEX_TABLE] = { LINT_ACCESS_EXCLUSIVE, true, true },
    [SQL_LOOSE_REINDEX_SCHEMA] = { LINT_NO_LOCK, true, true },
    [SQL_LOOSE_DETACH] = { LINT_ACCESS_EXCLUSIVE, false, true },
    [SQL_LOOSE_AGAIN] = { .waits = false },
};

bool loose_wait_look(const struct runner_call *call, const struct sql_loose *loose,
                     struct runner_report *report)
{
    const struct loose_wait_kind *kind = &loose_wait_kinds[loose->kind];
    const struct executor_options *options = call->options;
    const bool has_schema = loose->schema != NULL && loose->schema[0] != '\0';
    char words[PROGRESS_BYTES_MAX];
    char blocker[WATCH_KEY_BYTES];
    struct error err = { 0 };

    if (!kind->waits || !options->watch.enabled || call->blocked == NULL) {
        return true;
    }
    const struct lint_lock lock = {
        .relation = has_schema ? arena_printf(call->arena, "%s.%s", loose->schema, loose->relation)
                               : loose->relation,
        .mode = kind->mode,
    };
    const struct watch_old_call asked = {
        .schema = options->database_mode ? "" : call->task->tenant,
        .age_ms = options->watch.old_ms,
        .locks = &lock,
        .count = kind->mode == LINT_NO_LOCK ? 0 : 1,
        .snapshots = kind->snapshots,
    };
    if (!watch_old_blockers(call->conn, &asked, words, blocker, &err)) {
        log_failure("old_transactions_unseen", &err, "tenant=%s", call->task->tenant);
        return true;
    }
    if (words[0] == '\0') {
        return true;
    }
    call->blocked(call->context, words, blocker);
    return runner_fail(call, report, TASK_CODE_LOCK_TIMEOUT, "%s", words);
}
