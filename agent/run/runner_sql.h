/* runner_sql.h - scripts outside a transaction (`-- skein:transaction none`).
 *
 * Each statement alone. One that PostgreSQL takes in a transaction runs in one of its own, which
 * also stores that it is done. One that it does not (CONCURRENTLY, VACUUM) is written down as under
 * way, runs with no transaction beside it, and is written down as done; a try after a crash looks
 * into the catalog what became of it (loose_repair). The position: {"done": N, "under_way": bool},
 * N statements. */
#ifndef SKEIN_AGENT_RUN_RUNNER_SQL_H
#define SKEIN_AGENT_RUN_RUNNER_SQL_H

#include <stdbool.h>

#include "agent/run/runner.h"

extern const struct runner runner_sql;

/* Whether a script with this position has done nothing at all. */
bool runner_sql_is_untouched(const char *position);

#endif
