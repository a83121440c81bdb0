/* make_copy.h - a new tenant that gets its structure from another one of the same shard.
 *
 * Blocks; used by a worker's thread. What pg_dump says of the other one is read in one transaction
 * with the journal's rows: so the new tenant is where the other one was, or still empty. It commits
 * only if both have the same fingerprint, and if nothing has migrated the other one meanwhile. Rows
 * of tables are not copied. */
#ifndef SKEIN_AGENT_RUN_MAKE_COPY_H
#define SKEIN_AGENT_RUN_MAKE_COPY_H

#include "agent/run/make_side.h"

struct make_copy {
    struct make_side *tenant; /* where it is made, empty */
    const char *source;       /* the tenant that is copied */
};

/* False: the side's result says why not. */
MUST_CHECK bool make_copy_run(const struct make_copy *copy);

#endif
