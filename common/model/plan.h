/* plan.h - from where to where a tenant goes, and by which scripts.
 *
 * Pure. The rules of a linear history: every migration with from < version <= to, in order, each
 * once; afterwards the version is `to`, also where no script carries it. */
#ifndef SKEIN_COMMON_MODEL_PLAN_H
#define SKEIN_COMMON_MODEL_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/set.h"
#include "common/model/task.h"

/* A plan borrows the set. Its migrations are one run of the set's array. */
struct plan {
    enum task_code code; /* TASK_CODE_NONE: there is something to do; TASK_CODE_UP_TO_DATE: not;
                            else why this tenant cannot go there */
    size_t first;        /* index of the first migration */
    size_t count;        /* 0 with TASK_CODE_NONE: the version moves, no script runs */
    struct error error;  /* one sentence for code, when it is an error */
};

/* `from` is "" for a tenant without a version, `has_objects` says whether such a tenant holds
 * anything (then it is UNMANAGED). `to` must be a valid version (see plan_check_target). */
void plan_make(const struct set *set, const char *from, bool has_objects, const char *to,
               struct plan *ret_plan);

/* Whether anybody may go to this version: not above the latest, not below the minimum, a prerelease
 * only where the set allows it. "" is the latest; the text to use is given back, borrowed. */
MUST_CHECK bool plan_check_target(const struct set *set, const char *target,
                                  const char **ret_target, struct error *err);

#endif
