/* plan_group.h - "1,000 tenants" said as "three ways to go".
 *
 * Pure. Tenants of a plan go the same way when they start at the same version, end at the same one,
 * run the same scripts, and fail for the same reason if they cannot go. */
#ifndef SKEIN_COORDINATOR_CLI_PLAN_GROUP_H
#define SKEIN_COORDINATOR_CLI_PLAN_GROUP_H

#include <stddef.h>

#include <jansson.h>

#include "common/core/arena.h"

enum { PLAN_GROUP_TENANTS = 3 };

struct plan_group {
    const json_t *example; /* borrowed from the plan: its first tenant */
    size_t count;
    const char *tenants[PLAN_GROUP_TENANTS]; /* the first ones */
};

struct plan_groups {
    struct plan_group *items; /* most tenants first */
    size_t count;
};

/* `tenants`: those of a shaped plan. Who is there already is left out. Everything lives in `arena`
 * and in `tenants`. */
struct plan_groups plan_group_make(const json_t *tenants, struct arena *arena);

#endif
