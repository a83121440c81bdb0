/* state_sql.h - the statements of an operation of the kind state, for one tenant.
 *
 * Pure. Texts live in the arena that they were made in. */
#ifndef SKEIN_AGENT_RUN_STATE_SQL_H
#define SKEIN_AGENT_RUN_STATE_SQL_H

#include <stdbool.h>

#include "common/core/arena.h"
#include "common/model/set_state.h"

struct state_sql {
    const struct set_state *set;
    const char *prefix; /* the placeholder replaced, in all of these */
    const char *to;
    bool moves; /* the streams get a new identity */
    /* Where things lie; "": in the tenant's database. Streams are found in the registry, if there
     * is one, else among the events. */
    const char *events_database, *snapshots_database, *registry_database, *find_database;
    const char *events_table, *snapshots_table,
        *registry_table; /* quoted; registry_table "" none */

    const char *find;        /* $1 prefix, $2 after which, $3 how many: stream, kind */
    const char *count;       /* $1 prefix */
    const char *read;        /* $1 streams, $2 events, $3 bytes, $4 all bytes: see state_read.h */
    const char *fold;        /* the author's functions as statements of skein.state_fold */
    const char *migrate;     /* NULL: none */
    const char *events;      /* what it reads: the events themselves */
    const char *rename;      /* $1 streams, $2 their new names */
    const char *missing;     /* the same: those that have no registry entry */
    const char *undo_rename; /* $1 to, $2 prefix, $3 how many */
    const char *undo_snapshots;                               /* $1 to, $2 how many */
    const char *look_events, *look_snapshots, *look_registry; /* no rows: do they exist? */
};

void state_sql_make(const struct set_state *set, const char *tenant, struct arena *arena,
                    struct state_sql *ret_sql);

/* $1 streams, $2 sequences, $3 answers. The index that keeps a snapshot unique is on the stream
 * alone, or on stream and sequence. */
const char *state_sql_insert(const struct state_sql *sql, bool by_stream, struct arena *arena);

/* The new identity of a stream whose name begins with the prefix. */
const char *state_sql_target(const struct state_sql *sql, const char *stream, struct arena *arena);

/* "schema"."name" of a name with a schema or without, whose placeholder is the tenant. */
const char *state_sql_quote(const char *name, const char *tenant, struct arena *arena);

#endif
