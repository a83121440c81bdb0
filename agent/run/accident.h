/* accident.h - failures that say nothing about the statement that failed.
 *
 * Pure. */
#ifndef SKEIN_AGENT_RUN_ACCIDENT_H
#define SKEIN_AGENT_RUN_ACCIDENT_H

#include <stdbool.h>

#include "common/pg/pg_conn.h"

/* The server threw this transaction out for reasons that lie outside of it: a deadlock, a shutdown,
 * another session's DDL. Another try may do better. */
bool accident_is(const struct pg_error *error);
/* The session ended: said at COMMIT, it does not say whether that took effect. */
bool accident_is_farewell(const struct pg_error *error);

#endif
