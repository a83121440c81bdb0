/* watch_look.h - what the watcher asks the server: who waits for whom, and how it is.
 *
 * Queries on the watcher's own connection; the watcher's thread. No query takes a lock that anybody
 * could wait for, and none looks at a table of the users. */
#ifndef SKEIN_AGENT_RUN_WATCH_LOOK_H
#define SKEIN_AGENT_RUN_WATCH_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/decide/yield.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/pg/pg_conn.h"

/* ---- parts of queries, where `a` is a row of pg_stat_activity ---- */

/* A transaction that nobody else will ever be. */
#define WATCH_LOOK_KEY_SQL                                                                         \
    "a.pid::text || ':' || (1000000 * extract(epoch FROM a.xact_start))::bigint::text"
/* Application, user, state, and for how many milliseconds it has been in that. */
#define WATCH_LOOK_PERSON_SQL                                                                      \
    "coalesce(a.application_name, ''), coalesce(a.usename, ''), coalesce(a.state, ''),"            \
    " (1000 * extract(epoch FROM pg_catalog.clock_timestamp() - CASE WHEN a.state = 'active'"      \
    "  THEN a.query_start ELSE a.state_change END))::bigint"
/* Literals are left out of the query: they may be anybody's data. */
#define WATCH_LOOK_QUERY_SQL                                                                       \
    "pg_catalog.left(pg_catalog.regexp_replace(pg_catalog.regexp_replace("                         \
    "  pg_catalog.rtrim(pg_catalog.left(coalesce(a.query, ''), 2000), E'; \\n'),"                  \
    "  '''[^'']*(''|$)', '?', 'g'), '\\m[0-9]+\\M|\\s+', ' ', 'g'), 80)"
/* "AccessShareLock" as people write it: "ACCESS SHARE". */
#define WATCH_LOOK_MODE_SQL(mode)                                                                  \
    "pg_catalog.upper(pg_catalog.regexp_replace(pg_catalog.replace(" mode ", 'Lock', ''),"         \
    " '([a-z])([A-Z])', '\\1 \\2', 'g'))"

/* A worker with a task, and its server process. */
struct watch_target {
    size_t worker;
    uint64_t serial; /* the turn */
    uint32_t pid;
    uint64_t budget_ms; /* of its task: how long it may be in others' way; 0: nothing is said */
};

struct watch_waits {
    struct yield_wait items[WATCH_WAITS_MAX];
    size_t count;
    uint64_t stuck; /* bit I: targets[I] waits for somebody itself */
    /* Some of those who wait for us: "pid 4711 web (alice), 2.1s". */
    char who[AGENT_WORKERS_MAX][PROGRESS_BYTES_MAX];
};

/* Their process ids as an array of PostgreSQL's. */
void watch_look_pids(const struct watch_target *targets, size_t count, struct buf *pids);

/* Sessions of others that wait for a target (skein's own and the server's do not count). */
MUST_CHECK bool watch_look_waits(struct pg_conn *conn, const struct watch_target *targets,
                                 size_t count, struct watch_waits *ret_waits, struct error *err);

/* Who is in the way, oldest first, from rows with: what it is about, pid, WATCH_LOOK_PERSON_SQL's
 * four, what it holds, WATCH_LOOK_QUERY_SQL, WATCH_LOOK_KEY_SQL. As watch_look_blockers. */
void watch_look_put_blockers(const struct pg_result *rows, char ret_words[PROGRESS_BYTES_MAX],
                             char ret_blocker[WATCH_KEY_BYTES]);

/* Who is in the way of `pid`: "waits for accounts (ACCESS EXCLUSIVE): pid 4711 psql (alice),
 * idle in transaction for 4m 05s, holds ACCESS SHARE: SELECT ...". "" for nobody any more.
 * `ret_blocker` stands for the transaction of the oldest of them; "" where that cannot be seen. */
MUST_CHECK bool watch_look_blockers(struct pg_conn *conn, uint32_t pid,
                                    char ret_words[PROGRESS_BYTES_MAX],
                                    char ret_blocker[WATCH_KEY_BYTES], struct error *err);
/* Which of these transactions (separated by commas) are there still. */
MUST_CHECK bool watch_look_remaining(struct pg_conn *conn, const char *blockers,
                                     struct pg_result **ret_rows, struct error *err);

struct watch_health {
    uint64_t wal;      /* its end, in bytes */
    uint64_t replayed; /* by the standby that is farthest behind; 0: none, or it is not told */
    char standby[NAME_BYTES_MAX + 1];
    uint64_t connections_left; /* for an ordinary user */
    uint64_t active;           /* sessions at work, ours among them */
    /* Of the file system with the data, in percent; 100: it cannot be seen from here. */
    uint64_t disk_percent;
};
MUST_CHECK bool watch_look_health(struct pg_conn *conn, struct watch_health *ret_health,
                                  struct error *err);

#endif
