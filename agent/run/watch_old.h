/* watch_old.h - transactions of others that have been open for long: whether they are in the way.
 *
 * Queries on a connection of the caller's, on its thread. They take no lock that anybody could wait
 * for. skein's own sessions do not count. The age of others' transactions is seen by members of
 * pg_read_all_stats alone: without it nobody is old. */
#ifndef SKEIN_AGENT_RUN_WATCH_OLD_H
#define SKEIN_AGENT_RUN_WATCH_OLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/lint/lint_walk.h"
#include "common/pg/pg_conn.h"

/* Schemas (or databases) whose tables are locked by transactions older than this. */
struct watch_old {
    char names[WATCH_OLD_MAX][NAME_BYTES_MAX + 1];
    size_t count;
};
MUST_CHECK bool watch_old_list(struct pg_conn *conn, bool database_mode, uint64_t age_ms,
                               struct watch_old *ret_old, struct error *err);

/* Locks that somebody wants in the connection's database. */
struct watch_old_call {
    const char *schema; /* of relations without one; "": they are looked up by the search_path */
    uint64_t age_ms;
    const struct lint_lock *locks; /* `relation` as lint names it; its partitions and children
                                      count, and the table of an index */
    size_t count;
    bool snapshots; /* whoever holds a snapshot is in the way, too, whatever it has locked */
};
/* The oldest transactions that hold what does not go together with one of the locks: as
 * watch_look_blockers says it. "" for nobody. One round trip. */
MUST_CHECK bool watch_old_blockers(struct pg_conn *conn, const struct watch_old_call *call,
                                   char ret_words[PROGRESS_BYTES_MAX],
                                   char ret_blocker[WATCH_KEY_BYTES], struct error *err);

#endif
