#include "agent/run/batch_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool batch_look_query(const struct runner_call *call, const char *sql,
                             const char *const *parameters, size_t count,
                             struct pg_result **ret_rows, struct pg_error *ret_error)
{
    struct error err = { 0 };

    return pg_query(call->conn, sql, parameters, count, ret_rows, ret_error, &err);
}

/* An error of a query that looks at the keys only. */
static bool batch_look_fail(const struct runner_call *call, const struct sql_statement *statement,
                            const struct pg_error *error, struct runner_report *report)
{
    (void)runner_fail_pg(call, error, report);
    report->problem.statement = statement->number;
    report->problem.line = statement->line;
    return false;
}

static struct buf batch_look_buf(void)
{
    return (struct buf){ .size_max = 2 * (size_t)SCRIPT_BYTES_MAX };
}

/* ---- NULL ---- */

/* Whether the table's definition keeps NULL out of the column. */
static bool batch_look_is_not_null(const struct runner_call *call, uint32_t table, uint32_t column,
                                   bool *ret_not_null, struct pg_error *ret_error)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    char texts[2][16];
    const char *parameters[] = { texts[0], texts[1] };

    (void)snprintf(texts[0], sizeof(texts[0]), "%" PRIu32, table);
    (void)snprintf(texts[1], sizeof(texts[1]), "%" PRIu32, column);
    if (!batch_look_query(call,
                          "SELECT attnotnull FROM pg_catalog.pg_attribute"
                          " WHERE attrelid = $1::oid AND attnum = $2::integer",
                          parameters, COUNT_OF(parameters), &rows, ret_error)) {
        return false;
    }
    *ret_not_null = pg_result_row_count(rows) == 1 && pg_result_bool(rows, 0, 0);
    return true;
}

/* Asks the keys themselves. */
static bool batch_look_for_null(const struct runner_call *call, const struct batch_script *script,
                                size_t column, struct runner_report *report)
{
    CLEANUP(buf_release) struct buf sql = batch_look_buf();
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct sql_statement *keys = batch_script_keys(script);
    struct pg_error error = { 0 };

    buf_printf(&sql,
               "SELECT EXISTS (SELECT FROM (\n%s\n) AS skein_keys WHERE skein_keys.%s IS NULL)",
               keys->text, script->columns[column]);
    if (!batch_look_query(call, buf_text(&sql), NULL, 0, &rows, &error)) {
        return batch_look_fail(call, keys, &error, report);
    }
    if (pg_result_bool(rows, 0, 0)) {
        (void)runner_fail(call, report, TASK_CODE_RUNNER,
                          "the key's column %s is NULL in some rows, which no chunk would reach: "
                          "leave them out of the SELECT of the keys, or take another key",
                          script->columns[column]);
        report->problem.statement = keys->number;
        report->problem.line = keys->line;
        return false;
    }
    return true;
}

bool batch_look_keys(const struct runner_call *call, const struct batch_script *script,
                     struct runner_report *report)
{
    CLEANUP(buf_release) struct buf sql = batch_look_buf();
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error error = { 0 };

    buf_printf(&sql, "SELECT * FROM (\n%s\n) AS skein_keys LIMIT 0",
               batch_script_keys(script)->text);
    if (!batch_look_query(call, buf_text(&sql), NULL, 0, &rows, &error)) {
        return batch_look_fail(call, batch_script_keys(script), &error, report);
    }
    for (size_t i = 0; i < script->column_count; i++) {
        uint32_t table = 0;
        uint32_t column = 0;
        bool not_null = false;

        pg_result_origin(rows, i, &table, &column);
        if (table != 0 && !batch_look_is_not_null(call, table, column, &not_null, &error)) {
            return runner_fail_pg(call, &error, report);
        }
        if (!not_null && !batch_look_for_null(call, script, i, report)) {
            return false;
        }
    }
    return true;
}

/* ---- plans ---- */

/* Of an EXPLAIN's first line: what the planner thinks of the number of rows. */
static uint64_t batch_look_estimate(const struct pg_result *plan)
{
    const char *line = pg_result_row_count(plan) > 0 ? pg_result_text(plan, 0, 0) : NULL;
    const char *rows = line == NULL ? NULL : strstr(line, " rows=");

    return rows == NULL ? 0 : strtoull(rows + strlen(" rows="), NULL, 10);
}

static bool batch_look_sorts(const struct pg_result *plan)
{
    for (size_t i = 0; i < pg_result_row_count(plan); i++) {
        const char *line = pg_result_text(plan, i, 0);

        if (line != NULL && strstr(line, "->  Sort  (") != NULL) {
            return true;
        }
    }
    return false;
}

static void batch_look_put_count(const struct batch_script *script, bool first, struct buf *sql)
{
    buf_printf(sql, "EXPLAIN SELECT FROM (\n%s\n) AS skein_keys", batch_script_keys(script)->text);
    for (size_t i = 0; !first && i < script->column_count; i++) {
        buf_printf(sql, "%s%s", i == 0 ? " WHERE (" : ", ", script->columns[i]);
    }
    for (size_t i = 0; !first && i < script->column_count; i++) {
        buf_printf(sql, "%s$%zu", i == 0 ? ") > (" : ", ", i + 1);
    }
    buf_puts(sql, first ? "" : ")");
}

uint64_t batch_look_rows(const struct runner_call *call, const struct batch_script *script,
                         char *const key[])
{
    CLEANUP(buf_release) struct buf sql = batch_look_buf();
    CLEANUP(pg_result_free) struct pg_result *plan = NULL;
    const char *parameters[BATCH_KEY_COLUMNS_MAX] = { NULL };
    struct pg_error error = { 0 };
    bool first = key[0] == NULL;

    for (size_t i = 0; i < script->column_count; i++) {
        parameters[i] = key[i];
    }
    batch_look_put_count(script, first, &sql);
    if (!batch_look_query(call, buf_text(&sql), parameters, first ? 0 : script->column_count, &plan,
                          &error)) {
        return 0; /* the first chunk fails for the same reason, and says so better */
    }
    return batch_look_estimate(plan);
}

/* The planner is forbidden what needs no index: if it still sorts, there is none. So the answer
 * does not depend on what the table's size and statistics are today. */
static const char *const batch_look_forbid_sql[] = {
    "SAVEPOINT skein_look",
    "SET LOCAL enable_sort = off",
    "SET LOCAL enable_seqscan = off",
};

bool batch_look_plan(const struct runner_call *call, const struct batch_script *script,
                     struct runner_report *report)
{
    CLEANUP(buf_release) struct buf sql = batch_look_buf();
    CLEANUP(buf_release) struct buf count = batch_look_buf();
    const char *one = "1";
    const struct pg_batch_report *answers = NULL;

    buf_puts(&sql, "EXPLAIN ");
    batch_script_put_chunk(script, true, &sql);
    batch_look_put_count(script, true, &count);
    pg_batch_add(call->batch, buf_text(&count), NULL, 0, 0);
    for (size_t i = 0; i < COUNT_OF(batch_look_forbid_sql); i++) {
        pg_batch_add(call->batch, batch_look_forbid_sql[i], NULL, 0, 0);
    }
    pg_batch_add(call->batch, buf_text(&sql), &one, 1, 0);
    pg_batch_add(call->batch, "ROLLBACK TO SAVEPOINT skein_look", NULL, 0, 0);
    pg_batch_run(call->batch, &answers);
    if (answers->failed || answers->lost) {
        return batch_look_fail(call, batch_script_keys(script), &answers->error, report);
    }
    uint64_t rows = batch_look_estimate(answers->items[0].result);
    const struct pg_result *plan = answers->items[1 + COUNT_OF(batch_look_forbid_sql)].result;
    if (rows >= BATCH_INDEX_ROWS_MIN && batch_look_sorts(plan)) {
        runner_warn(call, report, TASK_CODE_RUNNER,
                    "no index yields the keys in their order (%s%s): each chunk reads and sorts "
                    "all of about %" PRIu64 " rows; make an index on the key's columns first",
                    script->columns[0], script->column_count > 1 ? ", ..." : "", rows);
    }
    report->output = arena_printf(call->arena, "about %" PRIu64 " rows", rows);
    return true;
}

/* Whether there are more keys than the first chunk has. */
static bool batch_look_rest(const struct runner_call *call, const struct batch_script *script,
                            uint64_t rows, struct runner_report *report)
{
    CLEANUP(buf_release) struct buf sql = batch_look_buf();
    CLEANUP(pg_result_free) struct pg_result *answer = NULL;
    char number[24];
    const char *parameters[] = { number };
    struct pg_error error = { 0 };

    (void)snprintf(number, sizeof(number), "%" PRIu64, rows + 1);
    buf_printf(&sql,
               "SELECT pg_catalog.count(*) FROM (SELECT FROM (\n%s\n) AS skein_keys LIMIT $1) AS k",
               batch_script_keys(script)->text);
    if (!batch_look_query(call, buf_text(&sql), parameters, 1, &answer, &error)) {
        return batch_look_fail(call, batch_script_keys(script), &error, report);
    }
    report->partial = pg_result_u64(answer, 0, 0) > rows;
    return true;
}

bool batch_look_first(const struct runner_call *call, const struct batch_script *script,
                      uint64_t rows, struct runner_report *report)
{
    CLEANUP(buf_release) struct buf sql = batch_look_buf();
    CLEANUP(pg_result_free) struct pg_result *answer = NULL;
    const struct sql_statement *statement = batch_script_work(script);
    char number[24];
    const char *parameters[] = { number };
    struct pg_error error = { 0 };
    uint32_t line = statement->line;

    if (!batch_look_rest(call, script, rows, report)) {
        return false;
    }
    (void)snprintf(number, sizeof(number), "%" PRIu64, rows);
    batch_script_put(script, true, "", &sql);
    if (!batch_look_query(call, buf_text(&sql), parameters, 1, &answer, &error)) {
        (void)batch_script_locate(script, buf_text(&sql), error.position, &statement, &line);
        (void)batch_look_fail(call, statement, &error, report);
        report->problem.line = line;
        return false;
    }
    return true;
}

bool batch_look_behind(const struct runner_call *call, const char *mark,
                       char ret_behind[NAME_BYTES_MAX + 1], struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error error = { 0 };

    if (!batch_look_query(call, "SELECT skein.batch_behind($1)", &mark, 1, &rows, &error)) {
        return runner_fail_pg(call, &error, report);
    }
    (void)snprintf(ret_behind, NAME_BYTES_MAX + 1, "%s", pg_result_text(rows, 0, 0));
    return true;
}
