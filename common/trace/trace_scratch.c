#include "common/trace/trace_scratch.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/core/limits.h"
#include "common/core/memory.h"

enum { TRACE_SCRATCH_NAME_BYTES = 64 };

/* Settings of the session that runs the set: nothing waits for ever, and all work is done by the
 * one backend whose locks and scans are looked at. */
static const char trace_scratch_settings[] =
    "RESET ALL; SET lock_timeout = '10s'; SET statement_timeout = '10min';"
    "SET max_parallel_maintenance_workers = 0;"
    "SET max_parallel_workers_per_gather = 0";

/* While it is in use its maker's session holds an advisory lock of its number, taken before the
 * database is made: so whoever sees the database, by the same snapshot sees the lock, from
 * whichever database. Who dies loses the lock with the session. */
#define TRACE_SCRATCH_HELD                                                                         \
    "(EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datname = d.datname)"              \
    " OR EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory'"                  \
    " AND l.objsubid = 1 AND l.granted AND pg_catalog.lpad(pg_catalog.to_hex(l.classid::bigint),"  \
    " 8, '0') || pg_catalog.lpad(pg_catalog.to_hex(l.objid::bigint), 8, '0')"                      \
    " = pg_catalog.right(d.datname, 16)))"

struct trace_scratch {
    struct pg_conn *server; /* the database of the conninfo */
    struct pg_conn *conn;   /* the scratch */
    char name[TRACE_SCRATCH_NAME_BYTES];
    bool made;
};

static bool trace_scratch_make(struct trace_scratch *scratch, const char *conninfo,
                               const char *prefix, struct error *err)
{
    char sql[TRACE_SCRATCH_NAME_BYTES + 64];
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
        return error_set(err, ERR_INTERNAL, "no random numbers");
    }
    snprintf(scratch->name, sizeof(scratch->name), "%.40s%016" PRIx64, prefix, number);
    if (!pg_conn_open(conninfo, "", "skein trace", &scratch->server, err)) {
        return false;
    }
    snprintf(sql, sizeof(sql), "SELECT pg_catalog.pg_advisory_lock(%" PRId64 ")", (int64_t)number);
    if (!pg_script(scratch->server, sql, NULL, err)) {
        return error_wrap(err, "take the lock of a scratch database");
    }
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", scratch->name);
    if (!pg_script(scratch->server, sql, NULL, err)) {
        return error_wrap(err, "make the scratch database %s", scratch->name);
    }
    scratch->made = true;
    return pg_conn_open(conninfo, scratch->name, "skein trace", &scratch->conn, err) &&
           pg_script(scratch->conn, trace_scratch_settings, NULL, err);
}

bool trace_scratch_open(const char *conninfo, struct trace_scratch **ret_scratch, struct error *err)
{
    return trace_scratch_open_as(conninfo, "skein_trace_", "", ret_scratch, err);
}

bool trace_scratch_open_as(const char *conninfo, const char *prefix, const char *comment,
                           struct trace_scratch **ret_scratch, struct error *err)
{
    CLEANUP(trace_scratch_free) struct trace_scratch *scratch = memory_alloc(sizeof(*scratch));
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { scratch->name, comment };

    if (!trace_scratch_make(scratch, conninfo, prefix, err)) {
        return false;
    }
    if (comment[0] != '\0' &&
        !pg_query(scratch->server,
                  "SELECT pg_catalog.format('COMMENT ON DATABASE %I IS %L', $1::text, $2::text)",
                  parameters, COUNT_OF(parameters), &rows, NULL, err)) {
        return false;
    }
    if (comment[0] != '\0' && !pg_script(scratch->server, pg_result_text(rows, 0, 0), NULL, err)) {
        return error_wrap(err, "the scratch database %s", scratch->name);
    }
    *ret_scratch = TAKE(scratch);
    return true;
}

bool trace_scratch_sweep(struct pg_conn *conn, const char *prefix, bool *ret_left,
                         struct error *err)
{
    static const char select[] =
        "SELECT pg_catalog.format('DROP DATABASE IF EXISTS %I', d.datname), " TRACE_SCRATCH_HELD
        " FROM pg_catalog.pg_database d WHERE d.datname ~ ('^' || $1 || '[0-9a-f]{16}$')";
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { prefix };

    if (!pg_query(conn, select, parameters, 1, &rows, NULL, err)) {
        return error_wrap(err, "look for scratch databases");
    }
    *ret_left = false;
    for (size_t i = 0; i < pg_result_row_count(rows); i++) {
        bool used = pg_result_bool(rows, i, 1);
        struct pg_error words = { 0 };

        if (!used && !pg_script(conn, pg_result_text(rows, i, 0), &words, err)) {
            used = strcmp(words.sqlstate, "55006") == 0; /* somebody has come to look at it */
            if (!used) {
                return error_wrap(err, "drop a scratch database that was left over");
            }
        }
        *ret_left = *ret_left || used;
    }
    return true;
}

/* What a scratch server need not have for the tables to be right. */
static bool trace_scratch_may_fail(const struct pg_error *words)
{
    static const char *const states[] = {
        "42704", /* undefined object: a role */
        "42P06", /* the schema is there: public */
    };

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        if (strcmp(words->sqlstate, states[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool trace_scratch_run(struct trace_scratch *scratch, const struct sql_script *script,
                              struct error *err)
{
    for (size_t i = 0; i < script->count; i++) {
        CLEANUP(pg_result_free) struct pg_result *rows = NULL;
        struct pg_error words = { 0 };

        if (!pg_query(scratch->conn, script->statements[i].text, NULL, 0, &rows, &words, err) &&
            !trace_scratch_may_fail(&words)) {
            return error_wrap(err, "line %" PRIu32, script->statements[i].line);
        }
    }
    return true;
}

bool trace_scratch_load(struct trace_scratch *scratch, struct sql_parser *parser, struct bytes text,
                        const char *schema, struct error *err)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct sql_problem problem = { 0 };
    const char *const parameters[] = { schema };

    if (!sql_script_parse(parser, text, &script, &problem)) {
        return error_set(err, ERR_INVALID, "line %" PRIu32 ": %s", problem.line,
                         problem.error.message);
    }
    /* A dump sets what suits itself. */
    return trace_scratch_run(scratch, &script, err) &&
           pg_script(scratch->conn, trace_scratch_settings, NULL, err) &&
           (schema[0] == '\0' ||
            pg_query(scratch->conn,
                     "SELECT set_config('search_path', quote_ident($1) || ', public', false)",
                     parameters, 1, &rows, NULL, err));
}

struct pg_conn *trace_scratch_conn(struct trace_scratch *scratch)
{
    return scratch->conn;
}

const char *trace_scratch_name(const struct trace_scratch *scratch)
{
    return scratch->name;
}

const char *trace_scratch_left_over(struct trace_scratch *scratch, struct arena *arena)
{
    static const char select[] =
        "SELECT coalesce(string_agg(d.datname, ' ' ORDER BY d.datname), '') FROM pg_database d"
        " WHERE d.datname ~ '^skein_trace_[0-9a-f]{16}$' AND d.datname <> $1"
        " AND NOT " TRACE_SCRATCH_HELD;
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { scratch->name };
    struct error err = { 0 };

    if (!pg_query(scratch->server, select, parameters, 1, &rows, NULL, &err)) {
        return "";
    }
    return arena_strdup(arena, pg_result_text(rows, 0, 0));
}

bool trace_scratch_drop(struct trace_scratch *scratch, struct error *err)
{
    char sql[TRACE_SCRATCH_NAME_BYTES + 32];

    pg_conn_free(&scratch->conn); /* PostgreSQL waits for a backend that is about to end */
    if (!scratch->made) {
        return true;
    }
    snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s", scratch->name);
    if (!pg_script(scratch->server, sql, NULL, err)) {
        return error_wrap(err, "the scratch database %s is left behind", scratch->name);
    }
    scratch->made = false;
    return true;
}

void trace_scratch_free(struct trace_scratch **scratch)
{
    struct error err = { 0 };

    if (*scratch == NULL) {
        return;
    }
    (void)!trace_scratch_drop(*scratch, &err); /* the caller who wants to know calls it before */
    pg_conn_free(&(*scratch)->server);
    free(*scratch);
    *scratch = NULL;
}
