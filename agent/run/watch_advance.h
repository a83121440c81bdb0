/* watch_advance.h - how far the server is with statements that take long.
 *
 * A query on the watcher's own connection; the watcher's thread. PostgreSQL tells it of CREATE
 * INDEX and REINDEX, VACUUM, VACUUM FULL and CLUSTER (pg_stat_progress_*). */
#ifndef SKEIN_AGENT_RUN_WATCH_ADVANCE_H
#define SKEIN_AGENT_RUN_WATCH_ADVANCE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/run/watch_look.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/pg/pg_conn.h"

struct watch_advance {
    uint64_t done; /* of `total` blocks, rows or transactions, whatever the phase counts */
    uint64_t total;
    char phase[WATCH_PHASE_BYTES]; /* "building index: scanning table"; "" where nothing is told */
};

/* One for each target. */
MUST_CHECK bool watch_advance_look(struct pg_conn *conn, const struct watch_target *targets,
                                   size_t count, struct watch_advance *ret_items,
                                   struct error *err);

#endif
