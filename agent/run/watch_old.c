#include "agent/run/watch_old.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/run/watch_look.h"
#include "common/core/arena.h"
#include "common/survey/survey_ask.h"
#include "common/trace/trace_probe.h"

#define WATCH_OLD_IS_OLD(age)                                                                      \
    "a.xact_start < pg_catalog.clock_timestamp() - " age "::interval"                              \
    " AND coalesce(a.application_name, '') NOT LIKE 'skein-agent%'"

#define WATCH_OLD_LIST_SQL(name, where)                                                            \
    "SELECT DISTINCT " name " FROM pg_catalog.pg_stat_activity a"                                  \
    " JOIN pg_catalog.pg_locks l ON l.pid = a.pid"                                                 \
    " JOIN pg_catalog.pg_database d ON d.oid = l.database"                                         \
    " LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation"                                       \
    " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"                               \
    " WHERE " WATCH_OLD_IS_OLD("$1") " AND l.granted AND l.locktype = 'relation' AND " where       \
                                     " LIMIT 200"
static_assert(WATCH_OLD_MAX == 200, "as many as the query's limit");

/* $1: the schema, $2 to $5 beside each other: schemas ('' for that one), names, the wanted modes,
 * and those that do not go together with them; $6: the age; $7: whether snapshots count. */
static const char watch_old_blockers_sql[] =
    "WITH RECURSIVE wanted AS MATERIALIZED ("
    " SELECT n.oid AS namespace, w.name::name AS name, w.mode,"
    "  pg_catalog.string_to_array(w.against, ' ') AS against"
    " FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])"
    "  AS w (schema, name, mode, against)"
    " JOIN pg_catalog.pg_namespace n ON n.nspname = ANY ("
    "  CASE WHEN w.schema <> '' THEN ARRAY[w.schema::name] WHEN $1 <> '' THEN ARRAY[$1::name]"
    "  ELSE pg_catalog.current_schemas(false) END)"
    "), touched AS ("
    " SELECT c.oid, c.relname, w.mode, w.against FROM wanted w"
    " JOIN pg_catalog.pg_class c ON c.relname = w.name AND c.relnamespace = w.namespace"
    " UNION SELECT c.oid, c.relname, t.mode, t.against FROM touched t"
    " CROSS JOIN LATERAL ("
    "  SELECT h.inhrelid AS oid FROM pg_catalog.pg_inherits h WHERE h.inhparent = t.oid"
    "  UNION ALL SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = t.oid) AS f"
    " JOIN pg_catalog.pg_class c ON c.oid = f.oid"
    "), here AS MATERIALIZED ("
    " SELECT l.pid, l.relation, l.mode FROM pg_catalog.pg_locks l"
    " JOIN pg_catalog.pg_database d ON d.oid = l.database"
    " WHERE l.granted AND l.locktype = 'relation'"
    "  AND d.datname = pg_catalog.current_database()"
    "), held AS ("
    " SELECT DISTINCT ON (l.pid) l.pid, l.mode, t.relname || ' (' || t.mode || ')' AS about"
    " FROM here l JOIN touched t ON t.oid = l.relation AND l.mode = ANY (t.against)"
    " ORDER BY l.pid, about)"
    " SELECT coalesce(h.about, 'older transactions'), a.pid, " WATCH_LOOK_PERSON_SQL ","
    " coalesce(" WATCH_LOOK_MODE_SQL(
        "h.mode") ", 'a snapshot'), " WATCH_LOOK_QUERY_SQL ", " WATCH_LOOK_KEY_SQL
                  " FROM pg_catalog.pg_stat_activity a LEFT JOIN held h ON h.pid = a.pid"
                  " WHERE " WATCH_OLD_IS_OLD(
                      "$6") " AND a.datname = pg_catalog.current_database()"
                            " AND a.pid <> pg_catalog.pg_backend_pid()"
                            " AND (h.pid IS NOT NULL OR ($7::boolean AND a.backend_xmin IS NOT NULL"
                            "  AND coalesce(a.backend_type, '') <> 'autovacuum worker'))"
                            " ORDER BY a.xact_start LIMIT 3";

static void watch_old_age(uint64_t age_ms, char ret_age[32])
{
    (void)snprintf(ret_age, 32, "%" PRIu64 " ms", age_ms);
}

bool watch_old_list(struct pg_conn *conn, bool database_mode, uint64_t age_ms,
                    struct watch_old *ret_old, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *sql =
        database_mode
            ? WATCH_OLD_LIST_SQL("d.datname", "l.relation >= 16384")
            : WATCH_OLD_LIST_SQL("n.nspname", "l.relation >= 16384"
                                              " AND d.datname = pg_catalog.current_database()"
                                              " AND n.nspname IS NOT NULL");
    char age[32];
    const char *parameter = age;

    watch_old_age(age_ms, age);
    if (!pg_query(conn, sql, &parameter, 1, &rows, NULL, err)) {
        return false;
    }
    ret_old->count = pg_result_row_count(rows);
    for (size_t i = 0; i < ret_old->count; i++) {
        (void)snprintf(ret_old->names[i], sizeof(ret_old->names[i]), "%s",
                       pg_result_text(rows, i, 0));
    }
    return true;
}

/* The modes as arrays of PostgreSQL's: what is wanted, and what is in its way. */
static void watch_old_modes(const struct watch_old_call *call, struct buf *wanted,
                            struct buf *against)
{
    for (size_t i = 0; i < call->count; i++) {
        enum lint_mode mode = call->locks[i].mode;
        const char *between = "";

        buf_printf(wanted, "%s\"%s\"", i == 0 ? "{" : ",", lint_mode_name(mode));
        buf_puts(against, i == 0 ? "{\"" : ",\"");
        for (int other = LINT_ACCESS_SHARE; other < LINT_MODE_COUNT; other++) {
            if (lint_mode_conflicts(mode, (enum lint_mode)other)) {
                buf_printf(against, "%s%s", between, trace_probe_word((enum lint_mode)other));
                between = " ";
            }
        }
        buf_puts(against, "\"");
    }
    buf_puts(wanted, call->count == 0 ? "{}" : "}");
    buf_puts(against, call->count == 0 ? "{}" : "}");
}

bool watch_old_blockers(struct pg_conn *conn, const struct watch_old_call *call,
                        char ret_words[PROGRESS_BYTES_MAX], char ret_blocker[WATCH_KEY_BYTES],
                        struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    CLEANUP(buf_release) struct buf wanted = { .size_max = WATCH_MODES_BYTES_MAX };
    CLEANUP(buf_release) struct buf against = { .size_max = WATCH_MODES_BYTES_MAX };
    const char **names = arena_alloc_array(&arena, call->count + 1, sizeof(*names));
    const struct survey_call named = { .names = names, .name_count = call->count };
    const char *schemas = NULL;
    const char *bare = NULL;
    char age[32];

    for (size_t i = 0; i < call->count; i++) {
        names[i] = call->locks[i].relation;
    }
    survey_ask_names(&named, &arena, &schemas, &bare);
    watch_old_modes(call, &wanted, &against);
    watch_old_age(call->age_ms, age);
    const char *parameters[] = { call->schema,
                                 schemas,
                                 bare,
                                 buf_text(&wanted),
                                 buf_text(&against),
                                 age,
                                 call->snapshots ? "true" : "false" };
    if (!pg_query(conn, watch_old_blockers_sql, parameters, COUNT_OF(parameters), &rows, NULL,
                  err)) {
        return false;
    }
    watch_look_put_blockers(rows, ret_words, ret_blocker);
    return true;
}
