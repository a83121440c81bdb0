/* size_plan.h - what of a plan depends on how large tables are: found out once, for all tenants.
 *
 * Immutable when made; counted by references, so that workers share it. */
#ifndef SKEIN_AGENT_CHECK_SIZE_PLAN_H
#define SKEIN_AGENT_CHECK_SIZE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/model/plan.h"
#include "common/model/set.h"
#include "common/sql/sql_script.h"
#include "common/survey/survey.h"

/* Work that grows with the tables in `parts`. */
struct size_item {
    const char *rule;
    const char *file;
    uint32_t line;
    uint32_t statement;
    const char *relation; /* "" where it is about several */
    const char *lock;
    const char *why;
    const char *fix;
    const char **parts; /* "schema.name", "" for the tenant's schema, as surveys have them */
    size_t part_count;
};

struct size_plan;

/* A plan of a set, or with `down` the rollbacks of its migrations. */
struct size_way {
    const struct set *set;
    const struct plan *plan;
    bool down;
};

/* What it may touch, by the set's scripts alone: nothing where it does no work that grows with a
 * table, whatever a tenant's catalog looks like. */
struct size_plan *size_plan_of_scripts(struct sql_parser *parser, const struct size_way *way);
/* What it works on, in a tenant with that catalog. */
struct size_plan *size_plan_of_survey(struct sql_parser *parser, const struct size_way *way,
                                      const struct survey *survey);
void size_plan_ref(struct size_plan *plan);
void size_plan_unref(struct size_plan **plan);

/* Of scripts: relations as lint names them; `*ret_all`: it may be any. */
const char *const *size_plan_names(const struct size_plan *plan, size_t *ret_count, bool *ret_all);

/* Of a survey. */
const struct size_item *size_plan_items(const struct size_plan *plan, size_t *ret_count);

#endif
