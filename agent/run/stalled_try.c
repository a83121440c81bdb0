#include "agent/run/stalled_try.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/core/limits.h"
#include "common/core/log.h"

/* A session that has locked rows of the journal and whose server process waits, in the middle of
 * the transaction, for words of its client: a worker says all in one go, so it never is silent
 * there for long. */
static const char stalled_try_sql[] =
    "SELECT pg_catalog.count(*) FROM ("
    " SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a"
    " WHERE a.usename = session_user AND a.pid <> pg_catalog.pg_backend_pid()"
    " AND a.wait_event = 'ClientRead' AND a.xact_start IS NOT NULL"
    " AND a.state_change < pg_catalog.clock_timestamp() - $1::interval"
    " AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.granted"
    " AND l.relation = 'skein.tenant'::pg_catalog.regclass"
    " AND l.mode IN ('RowShareLock', 'RowExclusiveLock'))) AS ended";
static const char stalled_walk_sql[] = "SELECT skein.walk_end_earlier($1, $2, $3::bigint)";

static void stalled_try_ask(struct pg_conn *conn, const char *sql, const char *const *parameters,
                            size_t count)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;
    struct error err = { 0 };

    if (!pg_query(conn, sql, parameters, count, &result, NULL, &err)) {
        log_debug("stalled_try_stays", "why=%.200s", err.message);
    } else if (pg_result_u64(result, 0, 0) > 0) {
        log_warning("stalled_try_ended", "sessions=%llu",
                    (unsigned long long)pg_result_u64(result, 0, 0));
    }
}

void stalled_try_end(struct pg_conn *conn, const char *tenant, const char *set, uint64_t token)
{
    char age[32];
    char text[32];
    const char *silent[] = { age };
    const char *walk[] = { tenant, set, text };

    (void)snprintf(age, sizeof(age), "%d ms", SESSION_LEASE_TTL_MS);
    (void)snprintf(text, sizeof(text), "%" PRIu64, token);
    stalled_try_ask(conn, stalled_try_sql, silent, COUNT_OF(silent));
    stalled_try_ask(conn, stalled_walk_sql, walk, COUNT_OF(walk));
}
