/* tenants.h - which tenants this agent has, and at which versions: one query per database.
 *
 * Used by one thread (the agent's watcher) with connections of its own. */
#ifndef SKEIN_AGENT_KEEP_TENANTS_H
#define SKEIN_AGENT_KEEP_TENANTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/message.h"

struct pg_conn;

struct tenants_options {
    const char *conninfo;
    bool database_mode;
    const char *const *match; /* globs on names; none: "*" unless `query` is set */
    size_t match_count;
    const char *const *exclude;
    size_t exclude_count;
    const char *query; /* "" for none: text name, jsonb labels */
};

/* Whether a new tenant of this name would be one of these, and may be made. ERR_REFUSED says why
 * not. `conn` is to conninfo's own database. */
MUST_CHECK bool tenants_accept(const struct tenants_options *options, struct pg_conn *conn,
                               const char *name, struct error *err);

/* All tenants at one moment, sorted by name. */
struct tenants_snapshot {
    struct arena arena;
    const struct tenant_info *items;
    size_t count;
};
void tenants_snapshot_release(struct tenants_snapshot *snapshot);

struct tenants_reader;
struct tenants_reader *tenants_reader_new(const struct tenants_options *options); /* copies */
void tenants_reader_free(struct tenants_reader **reader);

/* Reads the tenants; installs or upgrades the journal where it is missing (schema mode: in the one
 * database; database mode: in each tenant's on first sight). A tenant database that cannot be read
 * keeps what was known of it and is no error; tenants_reader_trouble then names the first of them.
 * Errors: as pg_conn_open; ERR_LIMIT for more than TENANTS_PER_SHARD_MAX; ERR_REFUSED with the SQL
 * to run when the rights do not suffice to install the journal. */
MUST_CHECK bool tenants_reader_read(struct tenants_reader *reader,
                                    struct tenants_snapshot *ret_snapshot, struct error *err);

/* "" or one sentence on what the last read could not see; valid until the next read. */
const char *tenants_reader_trouble(const struct tenants_reader *reader);

/* The newest rows of skein.history of one tenant, newest first. */
MUST_CHECK bool tenants_reader_history(struct tenants_reader *reader, const char *tenant,
                                       uint32_t limit, struct arena *arena,
                                       struct history_reply *ret_reply, struct error *err);

/* Sets and takes away labels of a tenant's own, as the request says. */
MUST_CHECK bool tenants_reader_label(struct tenants_reader *reader,
                                     const struct history_request *request, struct error *err);

/* The schemas of these tenants, in order, until SCHEMAS_WORK_MAX_MS have passed: then the reply has
 * fewer. A tenant that cannot be read has an error of its own. */
void tenants_reader_schemas(struct tenants_reader *reader, const struct schema_request *request,
                            struct arena *arena, struct schema_reply *ret_reply);

#endif
