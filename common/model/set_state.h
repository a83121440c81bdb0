/* set_state.h - what a `.state.yaml` says: which streams of events are folded into which snapshots.
 *
 * Pure. deploy/docs/states.md explains the keys to authors. */
#ifndef SKEIN_COMMON_MODEL_SET_STATE_H
#define SKEIN_COMMON_MODEL_SET_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/model/set_process.h"

/* The placeholder that stands for the tenant's name: in prefixes, databases and names of tables. */
#define SET_STATE_TENANT "{tenant}"

/* Names are as PostgreSQL keeps them, without quotes; a table's may have a schema and a dot in
 * front. `database` "": the tenant's. */
struct set_state_events {
    const char *database, *table, *stream, *sequence, *type, *payload;
};
struct set_state_snapshots {
    const char *database, *table, *stream, *sequence, *state;
};
struct set_state_registry {
    const char *database, *table, *stream,
        *kind; /* table "": none; kind "": it has no such column */
};

struct set_state {
    const char *prefix;
    const char *to;      /* the prefix of the new identity; the same as `prefix`: it stays */
    const char *kind;    /* "": any */
    const char *fold;    /* an SQL function; "": the program folds */
    const char *migrate; /* an SQL function; "": none */
    const char *initial; /* JSON: the state before the first event */
    const struct set_process *program; /* NULL: SQL functions fold */
    bool is_object;                    /* the program is a plugin's object */
    struct set_state_events events;
    struct set_state_snapshots snapshots;
    struct set_state_registry registry;
    uint32_t workers;
    uint32_t page;       /* streams of one transaction */
    uint64_t max_errors; /* UINT64_MAX: any number */
    uint64_t max_events; /* of one stream */
    uint64_t max_bytes;  /* of one stream's payloads */
    bool rollback;       /* can be undone */
};

/* `path` is what errors call the file; the texts live in `arena`. ERR_INVALID or ERR_LIMIT with
 * file, line, value and what was expected. */
MUST_CHECK bool set_state_parse(const char *path, struct bytes text, struct arena *arena,
                                struct set_state *ret_state, struct error *err);

/* Whether one of the prefixes begins with the other. A stream that has its new identity would then
 * be found as one that is still to be done. */
bool set_state_overlap(const char *one, const char *other);

#endif
