/* tenant_register.h - the users' own table of tenants, in a control database: which version each
 * has.
 *
 * The table is not skein's: it is named in the agent's configuration, and so are its columns, as
 * SQL writes them. Versions are set, not counted up, so that writing one twice does no harm. Used
 * by one thread at a time; blocks, for REGISTER_STATEMENT_MS at most. */
#ifndef SKEIN_AGENT_RUN_TENANT_REGISTER_H
#define SKEIN_AGENT_RUN_TENANT_REGISTER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"

struct tenant_register_options {
    const char *conninfo; /* "": there is none */
    const char *table;
    const char *set; /* whose versions it holds */
    const char *tenant_column;
    const char *version_column;
    const char *shard_column; /* "": the table is of one shard, or names are unique in it */
    const char *shard;
};

struct tenant_register_row {
    const char *tenant;
    const char *version; /* NULL: none */
};

struct tenant_register;

struct tenant_register *tenant_register_new(const struct tenant_register_options *options);
void tenant_register_free(struct tenant_register **pointer);

/* Writes what differs, in one statement; no tenant twice. `ret_missing` has the tenants without a
 * row, in the arena. */
MUST_CHECK bool tenant_register_put(struct tenant_register *reg,
                                    const struct tenant_register_row *rows, size_t count,
                                    struct arena *arena, const char *const **ret_missing,
                                    size_t *ret_missing_count, struct error *err);
/* A row without a version. `ret_added` says whether there was none. */
MUST_CHECK bool tenant_register_add(struct tenant_register *reg, const char *tenant,
                                    bool *ret_added, struct error *err);
MUST_CHECK bool tenant_register_remove(struct tenant_register *reg, const char *tenant,
                                       struct error *err);

#endif
