#include "agent/run/ledger_found.h"

#include <stdio.h>
#include <string.h>

#include "agent/run/ledger_sql.h"
#include "common/model/ledger.h"

static bool ledger_found_refuse(const char *sqlstate, const char *message, const char *detail,
                                struct pg_error *ret_error)
{
    *ret_error = (struct pg_error){ .position = 0 };
    (void)snprintf(ret_error->sqlstate, sizeof(ret_error->sqlstate), "%s", sqlstate);
    (void)snprintf(ret_error->message, sizeof(ret_error->message), "%s", message);
    (void)snprintf(ret_error->detail, sizeof(ret_error->detail), "%s", detail);
    return false;
}

static const char *ledger_found_text(const struct pg_result *rows, size_t row, size_t column)
{
    const char *text = pg_result_text(rows, row, column);

    return text == NULL ? "" : text;
}

/* A tenant whose version is higher was migrated by skein without the tool's knowing: going back to
 * what the tool knows would run those scripts again. */
static bool ledger_found_compare(const struct executor_task *task, const char *version,
                                 struct pg_error *ret_error)
{
    struct semver found;
    struct semver now;
    struct error err = { 0 };

    if (task->from[0] == '\0' || !semver_parse(version, &found, &err) ||
        !semver_parse(task->from, &now, &err)) {
        return true;
    }
    int order = semver_compare(&found, &now);
    if (order == 0) {
        error_set(&err, ERR_REFUSED, "the tenant is already at %s", version);
        return ledger_found_refuse("SK008", err.message, version, ret_error);
    }
    if (order < 0) {
        error_set(&err, ERR_REFUSED,
                  "the table says %s, but the tenant is at %s already: skein has gone further",
                  version, task->from);
        return ledger_found_refuse("SK030", err.message, "", ret_error);
    }
    return true;
}

bool ledger_found(const struct executor_task *task, const struct pg_result *rows,
                  char ret_version[SEMVER_BYTES_MAX + 1], struct pg_error *ret_error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const size_t count = pg_result_row_count(rows);
    struct ledger_row *list = arena_alloc_array(&arena, count + 1, sizeof(*list));
    struct ledger ledger;
    struct error err = { 0 };

    if (count > LEDGER_ROWS_MAX) {
        error_set(&err, ERR_LIMIT, "the table has more than %d rows", LEDGER_ROWS_MAX);
        return ledger_found_refuse("SK030", err.message, "", ret_error);
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct ledger_row){
            .key = ledger_found_text(rows, i, 0),
            .state = ledger_sql_state(ledger_found_text(rows, i, 1)),
            .label = ledger_found_text(rows, i, 2),
        };
    }
    if (!ledger_parse(task->from_ledger, &ledger, &err) ||
        !ledger_judge(ledger.tool, prepared_set_model(task->set), list, count, ret_version, &err)) {
        return ledger_found_refuse("SK030", err.message, "", ret_error);
    }
    return ledger_found_compare(task, ret_version, ret_error);
}
