/* pg_wait.h - waiting for a server's next byte, but not for ever.
 *
 * Private to common/pg. A statement may take hours, so silence alone proves nothing: after
 * PG_PING_AFTER_MS of it the server is asked, on a new connection, whether it is alive. One that
 * answers is waited for; one that does not (a host without power, a stopped process, whose kernel
 * still answers for it) costs the connection: it is lost, as if it had broken. */
#ifndef SKEIN_COMMON_PG_PG_WAIT_H
#define SKEIN_COMMON_PG_PG_WAIT_H

#include <stdbool.h>

#include "common/pg/pg_libpq.h"

/* Until something can be read (or written, if `writing`); *ret_readable says which. False: the
 * connection is lost; conn->words says why when the server was found dead. */
MUST_CHECK bool pg_wait(struct pg_conn *conn, bool writing, bool *ret_readable);

#endif
