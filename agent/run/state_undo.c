#include "agent/run/state_undo.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/state_link.h"
#include "agent/run/state_step.h"
#include "common/core/crash.h"

/* How many rows the statement has changed: the number behind "UPDATE " or "DELETE ". */
static uint64_t state_undo_rows(const struct pg_result *result)
{
    const char *blank = strrchr(pg_result_tag(result), ' ');

    return blank == NULL ? 0 : strtoull(blank + 1, NULL, 10);
}

/* One page, in a transaction of its own. */
static bool state_undo_page(const struct runner_call *call, const struct state_link *link,
                            const char *sql, const char *const *parameters, size_t count,
                            uint64_t *ret_rows, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;
    bool elsewhere = link->conn != NULL;
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (elsewhere ? !state_step_open(call, link, report) : !state_step_begin(call, report)) {
        return elsewhere ? false : state_step_abort(call, report);
    }
    bool done =
        pg_query(state_link_conn(link, call), sql, parameters, count, &result, &words, &err);
    if (done) {
        *ret_rows = state_undo_rows(result);
        done = elsewhere ? state_step_close(call, link, true, report)
                         : state_step_commit(call, NULL, report);
    } else {
        (void)state_link_fail(call, link, &words, report);
    }
    if (!done && elsewhere) {
        state_step_leave(link);
    }
    return done || (elsewhere ? false : state_step_abort(call, report));
}

static bool state_undo_table(const struct runner_call *call, const char *database, const char *sql,
                             const char *const *parameters, size_t count,
                             struct runner_report *report)
{
    CLEANUP(state_link_release) struct state_link link = { 0 };
    uint64_t rows = 1;

    if (database[0] != '\0' && !state_link_open(call, database, false, &link, report)) {
        return false;
    }
    while (rows > 0) {
        if (!state_undo_page(call, &link, sql, parameters, count, &rows, report)) {
            return false;
        }
        crash_point("state_undone_page");
    }
    return true;
}

bool state_undo(const struct runner_call *call, const struct state_sql *sql,
                struct runner_report *report)
{
    const char *most = arena_printf(call->arena, "%" PRIu32, sql->set->page);
    const char *const rename[] = { sql->to, sql->prefix, most };
    const char *const snapshots[] = { sql->to, most };

    return (sql->undo_rename == NULL ||
            state_undo_table(call, sql->registry_database, sql->undo_rename, rename,
                             COUNT_OF(rename), report)) &&
           state_undo_table(call, sql->snapshots_database, sql->undo_snapshots, snapshots,
                            COUNT_OF(snapshots), report);
}
