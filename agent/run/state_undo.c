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

/* One of the tables, and the statement that takes a page of it back. */
struct state_undo_table {
    const char *database;
    const char *sql; /* NULL: nothing was written there */
    const char *parameters[3];
    size_t count;
};

/* Registry entries first: whoever reads one finds the snapshot that it names. */
static void state_undo_tables(const struct runner_call *call, const struct state_sql *sql,
                              struct state_undo_table ret_tables[2])
{
    const char *most = arena_printf(call->arena, "%" PRIu32, sql->set->page);

    ret_tables[0] = (struct state_undo_table){ .database = sql->registry_database,
                                               .sql = sql->undo_rename,
                                               .parameters = { sql->to, sql->prefix, most },
                                               .count = 3 };
    ret_tables[1] = (struct state_undo_table){ .database = sql->snapshots_database,
                                               .sql = sql->undo_snapshots,
                                               .parameters = { sql->to, most },
                                               .count = 2 };
}

static bool state_undo_query(const struct runner_call *call, const struct state_link *link,
                             const struct state_undo_table *table, uint64_t *ret_rows,
                             struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (!pg_query(state_link_conn(link, call), table->sql, table->parameters, table->count, &result,
                  &words, &err)) {
        return state_link_fail(call, link, &words, report);
    }
    *ret_rows = state_undo_rows(result);
    return true;
}

/* One page, in a transaction of its own. */
static bool state_undo_page(const struct runner_call *call, const struct state_link *link,
                            const struct state_undo_table *table, bool commit, uint64_t *ret_rows,
                            struct runner_report *report)
{
    if (link->conn == NULL) {
        return (state_step_begin(call, report) &&
                state_undo_query(call, link, table, ret_rows, report) &&
                state_step_commit(call, NULL, report)) ||
               state_step_abort(call, report);
    }
    if (!state_step_open(call, link, report)) {
        return false;
    }
    if (!state_undo_query(call, link, table, ret_rows, report)) {
        state_step_leave(link);
        return false;
    }
    return state_step_close(call, link, commit, report);
}

static bool state_undo_all(const struct runner_call *call, const struct state_undo_table *table,
                           struct runner_report *report)
{
    CLEANUP(state_link_release) struct state_link link = { 0 };
    uint64_t rows = 1;

    if (table->database[0] != '\0' &&
        !state_link_open(call, table->database, false, &link, report)) {
        return false;
    }
    while (rows > 0) {
        if (!state_undo_page(call, &link, table, true, &rows, report)) {
            return false;
        }
        crash_point("state_undone_page");
    }
    return true;
}

bool state_undo(const struct runner_call *call, const struct state_sql *sql,
                struct runner_report *report)
{
    struct state_undo_table tables[2];

    state_undo_tables(call, sql, tables);
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        if (tables[i].sql != NULL && !state_undo_all(call, &tables[i], report)) {
            return false;
        }
    }
    return true;
}

static bool state_undo_rehearse_table(const struct runner_call *call,
                                      const struct state_undo_table *table,
                                      struct runner_report *report)
{
    CLEANUP(state_link_release) struct state_link link = { 0 };
    uint64_t rows = 0;

    if (table->database[0] == '\0') {
        return state_undo_query(call, &link, table, &rows, report);
    }
    return state_link_open(call, table->database, false, &link, report) &&
           state_undo_page(call, &link, table, false, &rows, report);
}

bool state_undo_rehearse(const struct runner_call *call, const struct state_sql *sql,
                         struct runner_report *report)
{
    struct state_undo_table tables[2];

    state_undo_tables(call, sql, tables);
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        if (tables[i].sql != NULL && !state_undo_rehearse_table(call, &tables[i], report)) {
            return false;
        }
    }
    return true;
}
