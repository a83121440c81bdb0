/* pg_conninfo.h - where a connection goes, as words for another program.
 *
 * Used by the thread that owns the connection. */
#ifndef SKEIN_COMMON_PG_PG_CONNINFO_H
#define SKEIN_COMMON_PG_PG_CONNINFO_H

#include <stddef.h>

#include "common/core/buf.h"
#include "common/pg/pg_conn.h"

struct pg_setting {
    const char *name; /* "search_path" */
    const char *value;
};

/* Appends a libpq conninfo string that leads to the same server, database and user, with
 * `settings` for the session that it opens. It holds no password (see pg_conninfo_password): such
 * strings are printed and logged. */
void pg_conninfo_describe(const struct pg_conn *conn, const char *application,
                          const struct pg_setting *settings, size_t setting_count, struct buf *buf);

/* The password that the connection was made with, wherever it came from; "" for none. Borrowed. */
const char *pg_conninfo_password(const struct pg_conn *conn);

#endif
