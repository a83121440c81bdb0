/* sqitch_plan.h - sqitch.plan, read: changes in their order, with the ids that sqitch gives them.
 *
 * Pure. Texts live in the arena. */
#ifndef SKEIN_COMMON_IMPORT_SQITCH_PLAN_H
#define SKEIN_COMMON_IMPORT_SQITCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

struct sqitch_dependency {
    const char *text; /* "users", "users@v1", "auth:users" */
    const char *id;   /* of the change that it means; NULL: of another project, or not there */
    bool conflict;
};

struct sqitch_change {
    const char *name;
    const char *file; /* its scripts' name: "users", or "users@v1" where it was reworked later */
    const char *id;   /* 40 hex digits */
    const char *note;
    const char *planned_at; /* 2024-01-31T12:00:00Z */
    const char *planner_name;
    const char *planner_email;
    const struct sqitch_dependency *dependencies;
    size_t dependency_count;
    uint32_t line;
};

struct sqitch_tag {
    const char *name; /* with its "@" */
    size_t change;    /* index of the change that it stands behind */
};

struct sqitch_plan {
    const char *project;
    const char *uri; /* "" for none */
    struct sqitch_change *changes;
    size_t change_count;
    struct sqitch_tag *tags;
    size_t tag_count;
};

/* ERR_INVALID with the line. */
MUST_CHECK bool sqitch_plan_parse(struct bytes text, struct arena *arena,
                                  struct sqitch_plan *ret_plan, struct error *err);

#endif
