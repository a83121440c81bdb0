#include "coordinator/decide/tenant_plan.h"

#include <string.h>

#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"
#include "coordinator/decide/tenant_life.h"

enum task_mode tenant_plan_first_mode(const struct rollout *rollout)
{
    static const enum task_mode modes[ROLLOUT_KIND_COUNT] = {
        [ROLLOUT_MIGRATE] = TASK_DRY_RUN,
        [ROLLOUT_BASELINE] = TASK_BASELINE,
        [ROLLOUT_CREATE] = TASK_CREATE,
        [ROLLOUT_DROP] = TASK_DROP,
    };

    if (rollback_is_on(rollout)) {
        return TASK_ROLLBACK_DRY_RUN;
    }
    return rollout->spec.kind == ROLLOUT_MIGRATE && !rollout_has_dry_run(rollout)
               ? TASK_RUN
               : modes[rollout->spec.kind];
}

bool tenant_plan_is_migrated(const struct rollout *rollout, const struct tenant *tenant)
{
    const struct set_version *version = registry_version(tenant, rollout->spec.set);

    return version != NULL && strcmp(version->rollout, rollout->spec.id) == 0 &&
           (rollout_spec_has_ledger(&rollout->spec) ||
            strcmp(version->version, rollout->spec.target) == 0) &&
           (rollout->repeatables == 0 || version->repeatables == rollout->repeatables);
}

bool tenant_plan_is_done(const struct rollout *rollout, const struct tenant *tenant)
{
    return rollback_is_on(rollout) ? rollback_is_done(rollout, tenant)
                                   : tenant_plan_is_migrated(rollout, tenant);
}

struct plan_start tenant_plan_start(const struct rollout_spec *spec, const struct tenant *tenant)
{
    /* A tenant that is made begins with nothing, whatever is still known of one of its name. */
    const struct set_version *version =
        spec->kind == ROLLOUT_CREATE ? NULL : registry_version(tenant, spec->set);
    const char *from = version == NULL ? "" : version->version;
    bool unmanaged = from[0] == '\0' && tenant->info->has_objects;

    if (spec->kind == ROLLOUT_CREATE || spec->kind == ROLLOUT_DROP) {
        /* What is known is of a tenant of this name that is gone, or is to go. */
        return (struct plan_start){ .from = "", .baseline = "" };
    }
    return (struct plan_start){
        .from = from,
        .has_objects = tenant->info->has_objects && spec->kind != ROLLOUT_CREATE,
        .baseline = unmanaged ? spec->baseline_unmanaged : "",
        .repeatables = version == NULL ? 0 : version->repeatables,
    };
}

const struct plan *tenant_plan_of(struct rollout *rollout, const struct tenant *tenant)
{
    const struct set_version *version = registry_version(tenant, rollout->spec.set);
    const struct plan_start start = tenant_plan_start(&rollout->spec, tenant);
    struct plan_cache *cache = &rollout->plan_cache;

    if (rollout->state.rollback != ROLLBACK_NONE) {
        /* What is to be undone its journal knows. Where skein never was there is nothing. */
        bool nothing = rollback_is_on(rollout) && version == NULL;
        cache->valid = false;
        cache->plan.code = nothing ? TASK_CODE_UP_TO_DATE : TASK_CODE_NONE;
        return &cache->plan;
    }
    if (rollout->spec.kind == ROLLOUT_BASELINE) {
        /* What another tool's table says only the tenant's agent can see. */
        bool same = strcmp(start.from, rollout->spec.target) == 0 &&
                    !rollout_spec_has_ledger(&rollout->spec);
        cache->valid = false;
        cache->plan.code = same ? TASK_CODE_UP_TO_DATE : TASK_CODE_NONE;
        return &cache->plan;
    }
    if (tenant_life_is(rollout)) {
        cache->valid = false;
        tenant_life_plan(tenant, rollout, &cache->plan);
        return &cache->plan;
    }
    if (!cache->valid || cache->has_objects != start.has_objects ||
        cache->repeatables != start.repeatables || strcmp(cache->from, start.from) != 0) {
        plan_make(rollout->set, &start, rollout->spec.target, &cache->plan);
        rollback_look_at_plan(rollout, &cache->plan);
        cache->valid = strlen(start.from) < sizeof(cache->from);
        if (cache->valid) {
            memcpy(cache->from, start.from, strlen(start.from) + 1);
        }
        cache->has_objects = start.has_objects;
        cache->repeatables = start.repeatables;
    }
    return &cache->plan;
}
