#include "agent/run/watch_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/core/buf.h"
#include "common/model/duration.h"

/* Who waits, for which of ours or as one of ours, and for how long. pg_blocking_pids looks at
 * everything under locks of its own, so it is asked only for those who wait. Before version 14 the
 * server does not tell since when: the statement's age stands for it, which is too long rather than
 * too short. */
#define WATCH_LOOK_WAITS_SQL(since)                                                                \
    "SELECT w.pid, b.pid,"                                                                         \
    " (1000 * extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(" since                   \
    ", pg_catalog.clock_timestamp())))::bigint,"                                                   \
    " w.pid = ANY ($1::integer[]), coalesce(a.application_name, ''), coalesce(a.usename, '')"      \
    " FROM (SELECT l.* FROM pg_catalog.pg_locks l WHERE NOT l.granted LIMIT 1000) AS w"            \
    " LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid"                                    \
    " CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid)"         \
    " WHERE w.pid = ANY ($1::integer[])"                                                           \
    " OR (b.pid = ANY ($1::integer[]) AND coalesce(a.backend_type, 'client backend') = "           \
    "'client backend' AND coalesce(a.application_name, '') NOT LIKE 'skein-agent%')"               \
    " LIMIT 200"
static const char watch_look_waits_sql[] = WATCH_LOOK_WAITS_SQL("a.query_start");
static const char watch_look_waits_14_sql[] = WATCH_LOOK_WAITS_SQL("w.waitstart");
static_assert(WATCH_WAITS_MAX == 200, "as many as the query's limit");

static const char watch_look_remaining_sql[] =
    "SELECT " WATCH_LOOK_KEY_SQL " FROM pg_catalog.pg_stat_activity a"
    " WHERE a.xact_start IS NOT NULL"
    " AND " WATCH_LOOK_KEY_SQL " = ANY (pg_catalog.string_to_array($1, ','))";

static const char watch_look_blockers_sql[] =
    "SELECT CASE WHEN l.locktype IN ('relation', 'tuple', 'extend')"
    " THEN coalesce((SELECT c.relname || CASE l.locktype WHEN 'relation'"
    "  THEN ' (' || " WATCH_LOOK_MODE_SQL(
        "l.mode") " || ')' ELSE '' END FROM pg_catalog.pg_class c, pg_catalog.pg_database d"
                  "  WHERE c.oid = l.relation AND d.oid = l.database"
                  "  AND d.datname = pg_catalog.current_database()), 'a table')"
                  " WHEN l.locktype = 'transactionid' THEN 'a row'"
                  " WHEN l.locktype IN ('virtualxid', 'spectoken') THEN 'older transactions'"
                  " ELSE 'a lock of the kind ' || l.locktype END,"
                  " b.pid, " WATCH_LOOK_PERSON_SQL ","
                  " coalesce((SELECT pg_catalog.string_agg(DISTINCT " WATCH_LOOK_MODE_SQL(
                      "h.mode") ", ', ')"
                                "  FROM pg_catalog.pg_locks h"
                                "  WHERE h.pid = b.pid AND h.granted AND h.locktype = 'relation' "
                                "AND l.locktype = 'relation'"
                                "  AND h.database = l.database AND h.relation = l.relation), ''),"
                                " " WATCH_LOOK_QUERY_SQL ", coalesce(" WATCH_LOOK_KEY_SQL ", '')"
                                " FROM (SELECT * FROM pg_catalog.pg_locks WHERE pid = $1::integer "
                                "AND NOT granted LIMIT 1) AS l"
                                " CROSS JOIN LATERAL (SELECT DISTINCT pid FROM pg_catalog.unnest("
                                "  pg_catalog.pg_blocking_pids(l.pid)) AS u (pid)) AS b"
                                " LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid"
                                " ORDER BY a.xact_start LIMIT 3";

/* Positions in the WAL as numbers. One that is only archived to is not waited for. */
static const char watch_look_health_sql[] =
    "SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::bigint,"
    " coalesce((r.lsn - '0/0')::bigint, 0), coalesce(r.name, ''),"
    " greatest(0, pg_catalog.current_setting('max_connections')::integer"
    "  - pg_catalog.current_setting('superuser_reserved_connections')::integer - s.clients),"
    " s.active, CASE WHEN pg_catalog.inet_server_addr() IS NULL"
    "  OR pg_catalog.inet_server_addr() = pg_catalog.inet_client_addr()"
    "  THEN coalesce((SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'),"
    "  '') ELSE '' END"
    " FROM (SELECT pg_catalog.count(*) FILTER (WHERE coalesce(backend_type, 'client backend')"
    "  = 'client backend') AS clients,"
    "  pg_catalog.count(*) FILTER (WHERE state = 'active') AS active"
    "  FROM pg_catalog.pg_stat_activity) AS s"
    " LEFT JOIN LATERAL (SELECT replay_lsn AS lsn, application_name AS name"
    "  FROM pg_catalog.pg_stat_replication WHERE state IN ('streaming', 'catchup')"
    "  AND replay_lsn IS NOT NULL ORDER BY replay_lsn LIMIT 1) AS r ON true";

static bool watch_look_query(struct pg_conn *conn, const char *sql, const char *const *parameters,
                             size_t count, struct pg_result **ret_rows, struct error *err)
{
    return pg_query(conn, sql, parameters, count, ret_rows, NULL, err);
}

static size_t watch_look_find(const struct watch_target *targets, size_t count, uint64_t pid)
{
    size_t i = 0;

    while (i < count && targets[i].pid != pid) {
        i++;
    }
    return i;
}

/* Adds one to those who wait for a worker, as long as there is room for words. */
static void watch_look_name(const struct pg_result *rows, size_t row, uint64_t waited_ms,
                            char words[PROGRESS_BYTES_MAX])
{
    size_t size = strlen(words);
    char age[DURATION_TEXT_BYTES];

    if (size > PROGRESS_BYTES_MAX / 2) {
        return;
    }
    (void)snprintf(words + size, PROGRESS_BYTES_MAX - size, "%spid %s %.60s (%.60s), %s",
                   size == 0 ? "" : "; ", pg_result_text(rows, row, 0),
                   pg_result_text(rows, row, 4), pg_result_text(rows, row, 5),
                   duration_format(waited_ms, age));
}

static void watch_look_add(const struct pg_result *rows, size_t row,
                           const struct watch_target *targets, size_t count,
                           struct watch_waits *waits)
{
    uint64_t waited_ms = pg_result_u64(rows, row, 2);
    size_t blocker = watch_look_find(targets, count, pg_result_u64(rows, row, 1));

    if (pg_result_bool(rows, row, 3)) {
        size_t own = watch_look_find(targets, count, pg_result_u64(rows, row, 0));

        if (own < count) {
            waits->stuck |= UINT64_C(1) << own;
        }
        return;
    }
    if (blocker < count && waits->count < WATCH_WAITS_MAX) {
        size_t worker = targets[blocker].worker;

        waits->items[waits->count++] =
            (struct yield_wait){ .worker = worker, .waited_ms = waited_ms };
        watch_look_name(rows, row, waited_ms, waits->who[worker]);
    }
}

void watch_look_pids(const struct watch_target *targets, size_t count, struct buf *pids)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(pids, "%s%" PRIu32, i == 0 ? "{" : ",", targets[i].pid);
    }
    buf_puts(pids, count == 0 ? "{}" : "}");
}

bool watch_look_waits(struct pg_conn *conn, const struct watch_target *targets, size_t count,
                      struct watch_waits *ret_waits, struct error *err)
{
    CLEANUP(buf_release) struct buf pids = { .size_max = ERROR_BYTES_MAX };
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *sql =
        pg_conn_server_version(conn) >= 140000 ? watch_look_waits_14_sql : watch_look_waits_sql;

    watch_look_pids(targets, count, &pids);
    const char *parameter = buf_text(&pids);
    memset(ret_waits, 0, sizeof(*ret_waits));
    if (!watch_look_query(conn, sql, &parameter, 1, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < pg_result_row_count(rows); i++) {
        watch_look_add(rows, i, targets, count, ret_waits);
    }
    return true;
}

static void watch_look_put_blocker(struct buf *text, const struct pg_result *rows, size_t row)
{
    const char *application = pg_result_text(rows, row, 2);
    const char *state = pg_result_text(rows, row, 4);
    const char *modes = pg_result_text(rows, row, 6);
    const char *query = pg_result_text(rows, row, 7);
    char age[DURATION_TEXT_BYTES];

    if (pg_result_u64(rows, row, 1) == 0) {
        buf_puts(text, "a prepared transaction");
        return;
    }
    buf_printf(text, "pid %s%s%.60s (%.60s)", pg_result_text(rows, row, 1),
               application[0] == '\0' ? "" : " ", application, pg_result_text(rows, row, 3));
    if (state[0] != '\0') {
        buf_printf(text, ", %s for %s", state,
                   duration_format_whole(pg_result_u64(rows, row, 5), age));
    }
    if (modes[0] != '\0') {
        buf_printf(text, ", holds %s", modes);
    }
    if (query[0] != '\0') {
        buf_printf(text, ": %s", query);
    }
}

void watch_look_put_blockers(const struct pg_result *rows, char ret_words[PROGRESS_BYTES_MAX],
                             char ret_blocker[WATCH_KEY_BYTES])
{
    CLEANUP(buf_release) struct buf text = { .size_max = ERROR_BYTES_MAX };

    ret_words[0] = '\0';
    ret_blocker[0] = '\0';
    for (size_t i = 0; i < pg_result_row_count(rows); i++) {
        if (i == 0) {
            (void)snprintf(ret_blocker, WATCH_KEY_BYTES, "%s", pg_result_text(rows, i, 8));
            buf_printf(&text, "waits for %.100s: ", pg_result_text(rows, i, 0));
        } else {
            buf_puts(&text, "; ");
        }
        watch_look_put_blocker(&text, rows, i);
    }
    if (text.size > 0) {
        (void)snprintf(ret_words, PROGRESS_BYTES_MAX, "%s", buf_text(&text));
    }
}

bool watch_look_remaining(struct pg_conn *conn, const char *blockers, struct pg_result **ret_rows,
                          struct error *err)
{
    return watch_look_query(conn, watch_look_remaining_sql, &blockers, 1, ret_rows, err);
}

bool watch_look_blockers(struct pg_conn *conn, uint32_t pid, char ret_words[PROGRESS_BYTES_MAX],
                         char ret_blocker[WATCH_KEY_BYTES], struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    char number[16];
    const char *parameter = number;

    (void)snprintf(number, sizeof(number), "%" PRIu32, pid);
    if (!watch_look_query(conn, watch_look_blockers_sql, &parameter, 1, &rows, err)) {
        return false;
    }
    watch_look_put_blockers(rows, ret_words, ret_blocker);
    return true;
}

/* The data directory of a server on this machine. It may well be closed to us; what holds it is
 * not. */
static uint64_t watch_look_disk(const char *folder)
{
    struct statvfs disk;

    if (folder[0] != '/' || statvfs(folder, &disk) != 0 || disk.f_blocks == 0) {
        return 100;
    }
    return (uint64_t)(100.0 * (double)disk.f_bavail / (double)disk.f_blocks);
}

bool watch_look_health(struct pg_conn *conn, struct watch_health *ret_health, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;

    if (!watch_look_query(conn, watch_look_health_sql, NULL, 0, &rows, err)) {
        return false;
    }
    *ret_health = (struct watch_health){
        .wal = pg_result_u64(rows, 0, 0),
        .replayed = pg_result_u64(rows, 0, 1),
        .connections_left = pg_result_u64(rows, 0, 3),
        .active = pg_result_u64(rows, 0, 4),
        .disk_percent = watch_look_disk(pg_result_text(rows, 0, 5)),
    };
    (void)snprintf(ret_health->standby, sizeof(ret_health->standby), "%s",
                   pg_result_text(rows, 0, 2));
    return true;
}
