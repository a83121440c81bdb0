#include "coordinator/decide/overlap.h"

#include <string.h>

#include "coordinator/decide/registry.h"

static bool overlap_refuse(const struct rollout *other, const char *shard, const char *tenant,
                           struct error *err)
{
    return error_set(err, ERR_CONFLICT,
                     "rollout %s of the same set is under way and selects %s%s%s too: wait for it, "
                     "abort it, or select other tenants",
                     other->spec.id, shard, tenant[0] == '\0' ? "" : "/", tenant);
}

static bool overlap_check_shard(const struct shard *shard, const struct selector *selector,
                                const struct rollout *other, const struct selector *others,
                                struct error *err)
{
    if (!selector_may_match_shard(selector, shard->name, shard->labels) ||
        !selector_may_match_shard(others, shard->name, shard->labels)) {
        return true;
    }
    if (!shard->tenants_known) {
        return overlap_refuse(other, shard->name, "*", err);
    }
    for (size_t i = 0; i < shard->tenant_count; i++) {
        const struct tenant_info *info = shard->tenants[i]->info;
        if (shard->tenants[i]->present &&
            selector_matches(selector, shard->name, shard->labels, info->name, &info->labels) &&
            selector_matches(others, shard->name, shard->labels, info->name, &info->labels)) {
            return overlap_refuse(other, shard->name, info->name, err);
        }
    }
    return true;
}

bool overlap_check(const struct fleet *fleet, const char *set, const struct selector *selector,
                   const struct rollout *self, struct error *err)
{
    for (size_t i = 0; i < fleet->rollout_count; i++) {
        const struct rollout *other = fleet->rollouts[i];
        CLEANUP(selector_free) struct selector *others = NULL;
        if (other == self || !rollout_is_active(other) || strcmp(other->spec.set, set) != 0) {
            continue;
        }
        if (!selector_parse(other->spec.selector, &others, err)) {
            return false;
        }
        if (fleet->shard_count == 0) {
            return overlap_refuse(other, "perhaps the same tenants (no shard is known yet)", "",
                                  err);
        }
        for (size_t j = 0; j < fleet->shard_count; j++) {
            if (!overlap_check_shard(fleet->shards[j], selector, other, others, err)) {
                return false;
            }
        }
    }
    return true;
}
