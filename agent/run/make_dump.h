/* make_dump.h - the structure of a tenant, as the SQL that pg_dump writes.
 *
 * Blocks; used by a worker's thread. pg_dump runs as any program does (process.h): watched by a
 * skein-helper, ended with the task. What it writes lies in a file of mode 0600 until it is read.
 */
#ifndef SKEIN_AGENT_RUN_MAKE_DUMP_H
#define SKEIN_AGENT_RUN_MAKE_DUMP_H

#include "agent/run/make_side.h"
#include "common/core/buf.h"

/* `conn` leads to the tenant's database; `schema` "" is all of it but for the journal. `other`: a
 * second schema, as far as it is there; NULL for none. False: the side's result says why. */
MUST_CHECK bool make_dump_read(struct make_side *side, const struct pg_conn *conn,
                               const char *schema, const char *other, struct buf *ret_sql);

#endif
