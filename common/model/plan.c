#include "common/model/plan.h"

#include <assert.h>

#include "common/model/quote.h"

static void plan_refuse(struct plan *plan, enum task_code code)
{
    plan->code = code;
    plan->first = 0;
    plan->count = 0;
    assert(plan->error.code != ERR_NONE);
}

/* The first migration above `version`. */
static size_t plan_find_above(const struct set *set, const struct semver *version)
{
    size_t low = 0;
    size_t high = set->migration_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (semver_compare(&set->migrations[middle].version, version) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether a tenant may start at this version at all, whatever its target. */
static enum task_code plan_check_start(const struct set *set, const char *from,
                                       const struct semver *start, struct error *err)
{
    char quoted[QUOTE_BYTES];

    quote_text(from, quoted);
    if (semver_is_prerelease(start) && !set->prereleases) {
        error_set(err, ERR_REFUSED,
                  "the tenant is at the prerelease %s, and the set '%s' does not allow prereleases "
                  "(prereleases: true in skein.yaml does)",
                  quoted, set->name);
        return TASK_CODE_PRERELEASE;
    }
    if (semver_compare(start, &set->latest) > 0) {
        error_set(err, ERR_REFUSED,
                  "the tenant is at %s, above the latest version %s of the set '%s'", quoted,
                  set->latest_text, set->name);
        return TASK_CODE_FUTURE_VERSION;
    }
    if (set->min_version_text[0] != '\0' && semver_compare(start, &set->min_version) < 0) {
        error_set(err, ERR_REFUSED,
                  "the tenant is at %s, below the minimum version %s of the set '%s': take it "
                  "there with an older edition of the set first",
                  quoted, set->min_version_text, set->name);
        return TASK_CODE_VERSION_TOO_OLD;
    }
    return TASK_CODE_NONE;
}

static enum task_code plan_check_path(const struct set *set, const char *from,
                                      const struct semver *start, const char *to,
                                      const struct semver *target, struct error *err)
{
    enum task_code code = plan_check_start(set, from, start, err);
    char quoted[QUOTE_BYTES];
    char quoted_to[QUOTE_BYTES];

    if (code != TASK_CODE_NONE) {
        return code;
    }
    int order = semver_compare(start, target);
    if (order > 0) {
        error_set(err, ERR_REFUSED,
                  "the tenant is at %s, above the target %s; a rollout only goes up, going down is "
                  "what a rollback is for",
                  quote_text(from, quoted), quote_text(to, quoted_to));
        return TASK_CODE_FUTURE_VERSION;
    }
    return order == 0 ? TASK_CODE_UP_TO_DATE : TASK_CODE_NONE;
}

bool plan_takes_repeatables(const struct set *set, const char *version)
{
    struct semver parsed;
    struct error ignored;

    return set->repeatable_count > 0 && semver_parse(version, &parsed, &ignored) &&
           semver_compare(&parsed, &set->latest) == 0;
}

/* From where a tenant goes, "" for below everything; NULL when it cannot go anywhere. */
static const char *plan_find_start(const struct set *set, const struct plan_start *start,
                                   struct plan *plan)
{
    if (start->from[0] != '\0' || !start->has_objects) {
        return start->from;
    }
    if (start->baseline[0] != '\0') {
        return start->baseline;
    }
    error_set(&plan->error, ERR_REFUSED,
              "the tenant holds objects but has no version of the set '%s': tell skein its "
              "version with a baseline",
              set->name);
    plan_refuse(plan, TASK_CODE_UNMANAGED);
    return NULL;
}

/* Sets `code` and the first migration. */
static void plan_follow(const struct set *set, const char *from, const char *to,
                        const struct semver *target, struct plan *plan)
{
    struct semver version;

    if (from[0] == '\0') {
        return;
    }
    if (!semver_parse(from, &version, &plan->error)) {
        error_wrap(&plan->error, "the tenant's journal holds something that is no version");
        plan_refuse(plan, TASK_CODE_VERSION_MOVED);
        return;
    }
    plan->code = plan_check_path(set, from, &version, to, target, &plan->error);
    if (plan->code == TASK_CODE_NONE || plan->code == TASK_CODE_UP_TO_DATE) {
        plan->first = plan_find_above(set, &version);
    } else {
        plan_refuse(plan, plan->code);
    }
}

void plan_make(const struct set *set, const struct plan_start *start, const char *to,
               struct plan *ret_plan)
{
    struct semver target;
    struct plan *plan = ret_plan;

    *plan = (struct plan){ .code = TASK_CODE_NONE };
    if (!semver_parse(to, &target, &plan->error)) {
        error_wrap(&plan->error, "target");
        plan_refuse(plan, TASK_CODE_FUTURE_VERSION);
        return;
    }
    const char *from = plan_find_start(set, start, plan);
    if (from == NULL) {
        return;
    }
    plan_follow(set, from, to, &target, plan);
    if (plan->code != TASK_CODE_NONE && plan->code != TASK_CODE_UP_TO_DATE) {
        return;
    }
    plan->repeatables =
        plan_takes_repeatables(set, to) && set->repeatables_digest != start->repeatables;
    if (plan->code == TASK_CODE_UP_TO_DATE && (plan->repeatables || from != start->from)) {
        plan->code = TASK_CODE_NONE; /* a baseline is to be recorded, at least */
    }
    plan->count = plan_find_above(set, &target) - plan->first;
    assert(plan->first + plan->count <= set->migration_count);
}

bool plan_check_target(const struct set *set, const char *target, const char **ret_target,
                       struct error *err)
{
    struct semver version;
    char quoted[QUOTE_BYTES];

    if (target[0] == '\0') {
        *ret_target = set->latest_text;
        return true;
    }
    if (!semver_parse(target, &version, err)) {
        return error_wrap(err, "target");
    }
    quote_text(target, quoted);
    if (semver_is_prerelease(&version) && !set->prereleases) {
        return error_set(err, ERR_REFUSED,
                         "PRERELEASE: the target %s is a prerelease, and the set '%s' does not "
                         "allow prereleases (prereleases: true in skein.yaml does)",
                         quoted, set->name);
    }
    if (semver_compare(&version, &set->latest) > 0) {
        return error_set(err, ERR_REFUSED,
                         "FUTURE_VERSION: the target %s is above the latest version %s of the set "
                         "'%s'",
                         quoted, set->latest_text, set->name);
    }
    if (set->min_version_text[0] != '\0' && semver_compare(&version, &set->min_version) < 0) {
        return error_set(err, ERR_REFUSED,
                         "VERSION_TOO_OLD: the target %s is below the minimum version %s of the "
                         "set '%s'",
                         quoted, set->min_version_text, set->name);
    }
    *ret_target = target;
    return true;
}

bool plan_check_baseline(const struct set *set, const char *baseline, const char *target,
                         struct error *err)
{
    struct semver version;
    struct semver end;
    struct error why = { 0 };

    if (!semver_parse(baseline, &version, err)) {
        return error_wrap(err, "baseline of unmanaged tenants");
    }
    if (!semver_parse(target, &end, err)) {
        return error_wrap(err, "target");
    }
    enum task_code code = plan_check_path(set, baseline, &version, target, &end, &why);
    if (code != TASK_CODE_NONE && code != TASK_CODE_UP_TO_DATE) {
        return error_set(err, ERR_REFUSED, "%s: baseline of unmanaged tenants: %s",
                         task_code_name(code), why.message);
    }
    return true;
}
