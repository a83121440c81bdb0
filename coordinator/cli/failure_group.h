/* failure_group.h - "312 failures" said as "2 causes".
 *
 * Pure. Two errors have one cause when code, SQLSTATE, file, statement and message agree; digits
 * and the tenant's own name in a message do not count. */
#ifndef SKEIN_COORDINATOR_CLI_FAILURE_GROUP_H
#define SKEIN_COORDINATOR_CLI_FAILURE_GROUP_H

#include <stddef.h>

#include <jansson.h>

#include "common/core/arena.h"

enum { FAILURE_GROUP_TENANTS = 3 };

struct failure_group {
    const json_t *example; /* borrowed from the list: its first error */
    size_t count;
    const char *tenants[FAILURE_GROUP_TENANTS]; /* the first ones */
    size_t tenant_count;
};

struct failure_groups {
    struct failure_group *items; /* most frequent first */
    size_t count;
};

/* `errors`: a shaped list. Everything lives in `arena` and in `errors`. */
struct failure_groups failure_group_make(const json_t *errors, struct arena *arena);

/* What to do about it: one phrase, "" where there is nothing to say. */
const char *failure_group_advice(const struct failure_group *group);

#endif
