#include "agent/run/loose_repair.h"

#include <string.h>

#include "agent/run/task_text.h"

/* An index by its name, in the schema of its table. */
static const char loose_index_sql[] =
    "SELECT i.indisvalid, i.indrelid = t.oid, format('%I.%I', n.nspname, c.relname)"
    " FROM pg_catalog.pg_class t JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
    " WHERE t.oid = pg_catalog.to_regclass($1) AND c.relname = $2::name";
static const char loose_exists_sql[] =
    "SELECT pg_catalog.to_regclass($1) IS NOT NULL,"
    " coalesce(pg_catalog.pg_relation_size(pg_catalog.to_regclass($1)), 0)";
/* Copies that an ended REINDEX CONCURRENTLY has left: on a table (its partitions, its TOAST table)
 * or in a schema. PostgreSQL's manual names them so. */
#define LOOSE_COPIES                                                                               \
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i"                      \
    " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"                                          \
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"                                    \
    " JOIN pg_catalog.pg_class t ON t.oid = i.indrelid"                                            \
    " WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND "
#define LOOSE_TABLES(root)                                                                         \
    "EXISTS (SELECT FROM (SELECT " root " AS oid UNION"                                            \
    " SELECT p.relid::oid FROM pg_catalog.pg_partition_tree(" root "::regclass) p) r"              \
    " JOIN pg_catalog.pg_class o ON o.oid = r.oid WHERE t.oid IN (o.oid, o.reltoastrelid))"
static const char loose_copies_of_table_sql[] =
    LOOSE_COPIES LOOSE_TABLES("pg_catalog.to_regclass($1)::oid");
static const char loose_copies_of_index_sql[] =
    LOOSE_COPIES LOOSE_TABLES("(SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid ="
                              " pg_catalog.to_regclass($1))");
static const char loose_copies_of_schema_sql[] =
    LOOSE_COPIES "t.relnamespace = pg_catalog.to_regnamespace($1)";
static const char loose_detach_sql[] =
    "SELECT i.inhdetachpending FROM pg_catalog.pg_inherits i"
    " WHERE i.inhparent = pg_catalog.to_regclass($1) AND i.inhrelid = pg_catalog.to_regclass($2)";

/* "schema"."name", or "name" where the statement leaves the schema to the search_path. */
static const char *loose_name(const struct runner_call *call, const char *schema, const char *name)
{
    if (name == NULL) {
        return "";
    }
    const char *quoted = task_text_identifier(call->arena, name);

    return schema == NULL ? quoted
                          : arena_printf(call->arena, "%s.%s",
                                         task_text_identifier(call->arena, schema), quoted);
}

static bool loose_query(const struct runner_call *call, const char *sql,
                        const char *const *parameters, size_t count, struct pg_result **ret_rows,
                        struct runner_report *report)
{
    struct pg_error words = { 0 };
    struct error err = { 0 };

    return pg_query(call->conn, sql, parameters, count, ret_rows, &words, &err) ||
           runner_fail_pg(call, &words, report);
}

static bool loose_run(const struct runner_call *call, const char *sql, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;

    return loose_query(call, sql, NULL, 0, &rows, report);
}

/* Waiting for what blocks nobody is free, and being impatient would leave the next invalid index.
 */
static bool loose_drop_index(const struct runner_call *call, const char *name,
                             struct runner_report *report)
{
    return loose_run(call, "SELECT set_config('lock_timeout', '0', false)", report) &&
           loose_run(call, arena_printf(call->arena, "DROP INDEX CONCURRENTLY IF EXISTS %s", name),
                     report);
}

/* What there is under the name of an index that is to be made. */
enum loose_index { LOOSE_INDEX_NONE, LOOSE_INDEX_VALID, LOOSE_INDEX_INVALID, LOOSE_INDEX_UNKNOWN };

static enum loose_index loose_find_index(const struct runner_call *call,
                                         const struct sql_loose *loose, const char **ret_name,
                                         struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { loose_name(call, loose->schema, loose->relation), loose->other };

    if (!loose_query(call, loose_index_sql, parameters, COUNT_OF(parameters), &rows, report)) {
        return LOOSE_INDEX_UNKNOWN;
    }
    if (pg_result_row_count(rows) == 0) {
        return LOOSE_INDEX_NONE;
    }
    *ret_name = arena_strdup(call->arena, pg_result_text(rows, 0, 2));
    if (!pg_result_bool(rows, 0, 1)) {
        (void)runner_fail(call, report, TASK_CODE_SQL,
                          "the index %s is there already, of another table", *ret_name);
        return LOOSE_INDEX_UNKNOWN;
    }
    return pg_result_bool(rows, 0, 0) ? LOOSE_INDEX_VALID : LOOSE_INDEX_INVALID;
}

static enum loose_state loose_repair_create(const struct runner_call *call,
                                            const struct sql_loose *loose,
                                            struct runner_report *report)
{
    const char *name = "";

    switch (loose_find_index(call, loose, &name, report)) {
    case LOOSE_INDEX_NONE:
        return LOOSE_AGAIN;
    case LOOSE_INDEX_VALID:
        return LOOSE_DONE;
    case LOOSE_INDEX_INVALID:
        return loose_drop_index(call, name, report) ? LOOSE_AGAIN : LOOSE_FAILED;
    case LOOSE_INDEX_UNKNOWN:
        break;
    }
    return LOOSE_FAILED;
}

static enum loose_state loose_repair_drop(const struct runner_call *call,
                                          const struct sql_loose *loose,
                                          struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { loose_name(call, loose->schema, loose->relation) };

    if (!loose_query(call, loose_exists_sql, parameters, 1, &rows, report)) {
        return LOOSE_FAILED;
    }
    return pg_result_bool(rows, 0, 0) ? LOOSE_AGAIN : LOOSE_DONE;
}

/* Whether it had rebuilt everything is not known, so it runs again, without the copies that the
 * last time has left. */
static enum loose_state loose_repair_reindex(const struct runner_call *call,
                                             const struct sql_loose *loose,
                                             struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { loose_name(call, loose->schema, loose->relation) };
    const char *sql = loose->kind == SQL_LOOSE_REINDEX_INDEX   ? loose_copies_of_index_sql
                      : loose->kind == SQL_LOOSE_REINDEX_TABLE ? loose_copies_of_table_sql
                                                               : loose_copies_of_schema_sql;

    if (!loose_query(call, sql, parameters, 1, &rows, report)) {
        return LOOSE_FAILED;
    }
    for (size_t i = 0; i < pg_result_row_count(rows); i++) {
        if (!loose_drop_index(call, pg_result_text(rows, i, 0), report)) {
            return LOOSE_FAILED;
        }
    }
    return LOOSE_AGAIN;
}

/* FINALIZE locks the partition for a moment, so it asks with the task's patience, several times. */
static enum loose_state loose_finish_detach(const struct runner_call *call, const char *table,
                                            const char *partition, struct runner_report *report)
{
    const char *sql =
        arena_printf(call->arena, "ALTER TABLE %s DETACH PARTITION %s FINALIZE", table, partition);

    for (uint32_t tries = 1;; tries++) {
        *report = (struct runner_report){ 0 };
        if (loose_run(call, sql, report)) {
            return LOOSE_DONE;
        }
        bool locked = report->problem.code == TASK_CODE_LOCK_TIMEOUT && !report->interrupted;
        if (!locked || tries == LOOSE_DETACH_TRIES_MAX ||
            !call->pause(call->context, LOOSE_DETACH_PAUSE_MS)) {
            return LOOSE_FAILED;
        }
    }
}

static enum loose_state loose_repair_detach(const struct runner_call *call,
                                            const struct sql_loose *loose,
                                            struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { loose_name(call, loose->schema, loose->relation),
                                 loose_name(call, loose->other_schema, loose->other) };

    if (!loose_query(call, loose_detach_sql, parameters, COUNT_OF(parameters), &rows, report)) {
        return LOOSE_FAILED;
    }
    if (pg_result_row_count(rows) == 0) {
        return LOOSE_DONE;
    }
    return pg_result_bool(rows, 0, 0)
               ? loose_finish_detach(call, parameters[0], parameters[1], report)
               : LOOSE_AGAIN;
}

enum loose_state loose_repair(const struct runner_call *call, const struct sql_loose *loose,
                              struct runner_report *report)
{
    switch (loose->kind) {
    case SQL_LOOSE_CREATE_INDEX:
        return loose_repair_create(call, loose, report);
    case SQL_LOOSE_DROP_INDEX:
        return loose_repair_drop(call, loose, report);
    case SQL_LOOSE_REINDEX_INDEX:
    case SQL_LOOSE_REINDEX_TABLE:
    case SQL_LOOSE_REINDEX_SCHEMA:
        return loose_repair_reindex(call, loose, report);
    case SQL_LOOSE_DETACH:
        return loose_repair_detach(call, loose, report);
    case SQL_LOOSE_TRANSACTION:
    case SQL_LOOSE_AGAIN:
        break;
    }
    return LOOSE_AGAIN;
}

enum loose_state loose_repair_look(const struct runner_call *call, const struct sql_loose *loose,
                                   struct runner_report *report)
{
    const char *name = "";

    if (loose->kind != SQL_LOOSE_CREATE_INDEX) {
        return LOOSE_AGAIN;
    }
    switch (loose_find_index(call, loose, &name, report)) {
    case LOOSE_INDEX_NONE:
        return LOOSE_AGAIN;
    case LOOSE_INDEX_VALID:
        if (loose->tolerant) {
            return LOOSE_DONE;
        }
        (void)runner_fail(call, report, TASK_CODE_SQL, "the index %s is there already", name);
        report->problem.sqlstate = "42P07";
        return LOOSE_TAKEN;
    case LOOSE_INDEX_INVALID:
        (void)runner_fail(call, report, TASK_CODE_SQL,
                          "an invalid index %s is there, left by something other than skein", name);
        report->problem.sqlstate = "42P07";
        report->problem.hint = arena_printf(
            call->arena, "If nobody is building it: DROP INDEX CONCURRENTLY %s;", name);
        return LOOSE_TAKEN;
    case LOOSE_INDEX_UNKNOWN:
        break;
    }
    return LOOSE_FAILED;
}

/* Whether the table can be locked against writers without waiting for any: a rehearsal must not be
 * in the way of what the migration itself lets pass. Inside the dry run's transaction. */
static bool loose_is_free(const struct runner_call *call, const char *name)
{
    struct runner_report ignored = { 0 };
    bool is_free =
        loose_run(call, "SAVEPOINT skein_rehearsal", &ignored) &&
        loose_run(call, arena_printf(call->arena, "LOCK TABLE %s IN SHARE MODE NOWAIT", name),
                  &ignored);

    return loose_run(call,
                     is_free ? "RELEASE SAVEPOINT skein_rehearsal"
                             : "ROLLBACK TO SAVEPOINT skein_rehearsal",
                     &ignored) &&
           is_free;
}

bool loose_repair_rehearse(const struct runner_call *call, const struct sql_loose *loose,
                           uint64_t *ret_bytes, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *name = loose_name(call, loose->schema, loose->relation);

    *ret_bytes = 0;
    if (loose->relation == NULL || loose->kind == SQL_LOOSE_REINDEX_SCHEMA ||
        loose->kind == SQL_LOOSE_AGAIN) {
        return true;
    }
    if (!loose_query(call, loose_exists_sql, &name, 1, &rows, report)) {
        return false;
    }
    if (!pg_result_bool(rows, 0, 0) && !(loose->kind == SQL_LOOSE_DROP_INDEX && loose->tolerant)) {
        (void)runner_fail(call, report, TASK_CODE_SQL, "the relation %s does not exist", name);
        report->problem.sqlstate = loose->kind == SQL_LOOSE_DROP_INDEX ? "42704" : "42P01";
        return false;
    }
    enum loose_state state = loose_repair_look(call, loose, report);
    if (loose->kind == SQL_LOOSE_CREATE_INDEX && state == LOOSE_AGAIN) {
        *ret_bytes = loose_is_free(call, name) ? pg_result_u64(rows, 0, 1) : UINT64_MAX;
    }
    return (state == LOOSE_AGAIN || state == LOOSE_DONE) && !pg_conn_is_lost(call->conn);
}
