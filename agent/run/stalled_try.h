/* stalled_try.h - ends what an agent that stands still has left open in a database.
 *
 * Blocks; used by a worker's thread. Nobody but skein's tasks locks a tenant's row in the journal,
 * and whoever has the tenant's lock now is the only one who may: so whoever else still holds the
 * row was given its task under an earlier lock. If its client says nothing in the middle of a
 * transaction for longer than a session lives, that agent is stopped or cut off, and its server
 * process is told to end; the transaction rolls back. */
#ifndef SKEIN_AGENT_RUN_STALLED_TRY_H
#define SKEIN_AGENT_RUN_STALLED_TRY_H

#include <stdint.h>

#include "common/pg/pg_conn.h"

/* Also ends a walk of this tenant (skein.walk_guard), whatever it is doing, and fences it out,
 * unless a later token than `token` has written to the tenant: then it is us who came too late.
 *
 * Asks once; it may take a moment until the row is free, and there may be nothing to end yet. A
 * role that may not end others' sessions waits instead: no error either way. */
void stalled_try_end(struct pg_conn *conn, const char *tenant, const char *set, uint64_t token);

#endif
