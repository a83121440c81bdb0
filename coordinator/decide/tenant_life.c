#include "coordinator/decide/tenant_life.h"

#include <string.h>

#include "common/core/limits.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"

static bool tenant_life_is_kind(enum rollout_kind kind)
{
    return kind == ROLLOUT_CREATE || kind == ROLLOUT_DROP;
}

bool tenant_life_is(const struct rollout *rollout)
{
    return tenant_life_is_kind(rollout->spec.kind);
}

const char *tenant_life_source(const struct rollout *rollout)
{
    if (rollout->spec.kind != ROLLOUT_CREATE || !rollout->spec.from_reference) {
        return "";
    }
    return strchr(rollout->set->reference, '/') + 1; /* it has one: checked at the start */
}

/* ---- guards ---- */

/* Names that a selector could not tell from others are nothing for people either. */
static bool tenant_life_check_path(const char *path, struct error *err)
{
    const char *slash = strchr(path, '/');

    if (slash == NULL || slash == path || slash[1] == '\0' || strchr(slash + 1, '/') != NULL ||
        strpbrk(path, ",*?()!=\" '") != NULL) {
        return error_set(err, ERR_INVALID, "'%s' is not a tenant: expected SHARD/NAME", path);
    }
    if (strlen(slash + 1) > TENANT_NAME_BYTES_MAX) {
        return error_set(err, ERR_INVALID, "'%s': PostgreSQL's names have at most %d bytes",
                         slash + 1, TENANT_NAME_BYTES_MAX);
    }
    return true;
}

static struct shard *tenant_life_shard(const struct fleet *fleet, const char *path)
{
    const size_t bytes = (size_t)(strchr(path, '/') - path);

    for (size_t i = 0; i < fleet->shard_count; i++) {
        if (strncmp(fleet->shards[i]->name, path, bytes) == 0 &&
            fleet->shards[i]->name[bytes] == '\0') {
            return fleet->shards[i];
        }
    }
    return NULL;
}

/* Another rollout that makes or drops this very tenant. */
static bool tenant_life_check_alone(const struct fleet *fleet, const struct rollout_spec *spec,
                                    struct error *err)
{
    for (size_t i = 0; i < fleet->rollout_count; i++) {
        const struct rollout *other = fleet->rollouts[i];
        if (rollout_is_active(other) && tenant_life_is(other) &&
            strcmp(other->spec.tenant, spec->tenant) == 0) {
            return error_set(err, ERR_CONFLICT, "rollout %s %s '%s' right now: wait for it",
                             other->spec.id, other->spec.kind == ROLLOUT_CREATE ? "makes" : "drops",
                             spec->tenant);
        }
    }
    return true;
}

static bool tenant_life_check_create(const struct fleet *fleet, const struct rollout_spec *spec,
                                     struct error *err)
{
    const struct set *set = set_shelf_find(&fleet->sets, spec->set, "");
    const char *slash = strchr(spec->tenant, '/');

    if (registry_find_path(fleet, spec->tenant) != NULL) {
        return error_set(err, ERR_REFUSED, "TENANT_EXISTS: the tenant '%s' is there already",
                         spec->tenant);
    }
    if (!spec->from_reference || set == NULL) {
        return true; /* whoever looks for the set says that there is none */
    }
    if (set->reference[0] == '\0') {
        return error_set(err, ERR_REFUSED,
                         "the set '%s' has no reference tenant to copy: --from scripts makes one",
                         spec->set);
    }
    if (strncmp(set->reference, spec->tenant, (size_t)(slash - spec->tenant) + 1) != 0) {
        return error_set(err, ERR_REFUSED,
                         "the reference tenant '%s' is on another shard, and a copy is made within "
                         "one: --from scripts makes one anywhere",
                         set->reference);
    }
    const struct shard *shard = tenant_life_shard(fleet, spec->tenant);
    if (shard != NULL && shard->tenants_known &&
        registry_find_path(fleet, set->reference) == NULL) {
        return error_set(err, ERR_REFUSED, "the reference tenant '%s' does not exist",
                         set->reference);
    }
    return true;
}

static bool tenant_life_check_free(const struct tenant *tenant, const char *path, struct error *err)
{
    const struct lock *lock = lock_table_find(tenant->shard, tenant->info->name);

    if (lock != NULL && lock_table_is_hold(lock)) {
        return error_set(err, ERR_REFUSED, "TENANT_LOCKED: '%s' is held by %s%s%s", path,
                         lock->record.owner, lock->record.reason[0] == '\0' ? "" : ": ",
                         lock->record.reason);
    }
    for (const struct tenant_task *task = tenant->tasks; task != NULL;
         task = task->next_of_tenant) {
        const struct rollout *other = task->part->rollout;
        if (rollout_is_active(other)) {
            return error_set(err, ERR_CONFLICT,
                             "rollout %s is under way and selects '%s': wait for it, or abort it",
                             other->spec.id, path);
        }
    }
    return true;
}

/* The set under whose name the tenant is dropped: one that it has a version of. */
static bool tenant_life_find_set(const struct fleet *fleet, const struct tenant *tenant,
                                 struct rollout_spec *spec, struct error *err)
{
    for (size_t i = 0; i < tenant->info->version_count; i++) {
        const char *name = tenant->info->versions[i].set;
        bool meant = spec->set[0] == '\0' || strcmp(spec->set, name) == 0;
        const struct set *set = set_shelf_find(&fleet->sets, name, "");
        if (meant && set != NULL) {
            spec->set = set->name;
            return true;
        }
    }
    if (!spec->force) {
        return error_set(err, ERR_REFUSED,
                         "UNMANAGED: '%s' has no version of %s%s: skein drops only what it "
                         "manages (--force drops it all the same)",
                         spec->tenant, spec->set[0] == '\0' ? "a published set" : "the set ",
                         spec->set);
    }
    /* Any will do: what is dropped is the same. */
    if (spec->set[0] == '\0' && fleet->sets.title_count > 0) {
        spec->set = fleet->sets.titles[0].head.name;
    }
    return set_shelf_find(&fleet->sets, spec->set, "") != NULL ||
           error_set(err, ERR_REFUSED,
                     "'%s' cannot be dropped: no set is published%s%s in whose name that is done",
                     spec->tenant, spec->set[0] == '\0' ? "" : " as ", spec->set);
}

static bool tenant_life_check_drop(const struct fleet *fleet, struct rollout_spec *spec,
                                   struct error *err)
{
    const struct tenant *tenant = registry_find_path(fleet, spec->tenant);

    if (tenant == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "there is no tenant '%s'; `skein tenant list` has them all", spec->tenant);
    }
    for (size_t i = 0; i < fleet->sets.title_count; i++) {
        const struct set_head *head = &fleet->sets.titles[i].head;
        const struct set *set = set_shelf_find(&fleet->sets, head->name, head->digest);
        if (set != NULL && strcmp(set->reference, spec->tenant) == 0) {
            return error_set(
                err, ERR_REFUSED,
                "'%s' is the reference tenant of the set '%s': name another one in its "
                "skein.yaml first",
                spec->tenant, set->name);
        }
    }
    return tenant_life_check_free(tenant, spec->tenant, err) &&
           tenant_life_find_set(fleet, tenant, spec, err);
}

bool tenant_life_start(struct step *step, struct rollout_spec *spec, struct error *err)
{
    const struct fleet *fleet = step->fleet;

    if (!tenant_life_is_kind(spec->kind)) {
        return true;
    }
    if (!tenant_life_check_path(spec->tenant, err)) {
        return false;
    }
    const struct shard *shard = tenant_life_shard(fleet, spec->tenant);
    if (shard == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "there is no shard for the tenant '%s'; `skein shard list` has them all",
                         spec->tenant);
    }
    spec->selector = arena_printf(&step->effects->arena, "shard=%s,tenant=%s", shard->name,
                                  strchr(spec->tenant, '/') + 1);
    return tenant_life_check_alone(fleet, spec, err) &&
           (spec->kind == ROLLOUT_CREATE ? tenant_life_check_create(fleet, spec, err)
                                         : tenant_life_check_drop(fleet, spec, err));
}

/* ---- its task ---- */

void tenant_life_expect(struct step *step, struct part *part)
{
    const struct rollout *rollout = part->rollout;

    if (!tenant_life_is(rollout) ||
        tenant_life_shard(step->fleet, rollout->spec.tenant) != part->shard) {
        return;
    }
    struct tenant *tenant =
        registry_expect_tenant(part->shard, strchr(rollout->spec.tenant, '/') + 1);
    if (tenant != NULL) {
        part_see(step, part, tenant);
    }
}

void tenant_life_plan(const struct tenant *tenant, const struct rollout *rollout,
                      struct plan *ret_plan)
{
    *ret_plan = (struct plan){ .code = TASK_CODE_NONE };
    if (rollout->spec.kind == ROLLOUT_CREATE && tenant->present) {
        ret_plan->code = TASK_CODE_TENANT_EXISTS;
        (void)error_set(&ret_plan->error, ERR_REFUSED, "a tenant of this name is there already");
    }
}
