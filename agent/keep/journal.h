/* journal.h - the schema `skein` of a database that holds tenants: there, and of this version.
 *
 * Used by whichever thread owns the connection; installing is serialised by the database. */
#ifndef SKEIN_AGENT_KEEP_JOURNAL_H
#define SKEIN_AGENT_KEEP_JOURNAL_H

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/pg/pg_conn.h"

enum { JOURNAL_VERSION = 5 };

/* agent/keep/journal/ as one text: for `skein-agent journal --print` and for administrators. */
const char *journal_sql(void);

/* Looks (one round trip when all is well), and installs or upgrades what is missing. ERR_REFUSED
 * says what an administrator has to run when this role's rights do not suffice, or that the journal
 * is newer than this program; otherwise as pg_query. */
MUST_CHECK bool journal_ensure(struct pg_conn *conn, struct error *err);

/* Whether a statement of our own failed because the journal is not (or not wholly) there, or is an
 * older one. */
bool journal_is_missing(const struct pg_error *error);

#endif
