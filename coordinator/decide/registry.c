#include "coordinator/decide/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/registry_tenants.h"

static size_t registry_shard_place(const struct fleet *fleet, const char *name)
{
    size_t low = 0;
    size_t high = fleet->shard_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(fleet->shards[middle]->name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct shard *registry_find_shard(const struct fleet *fleet, const char *name)
{
    size_t place = registry_shard_place(fleet, name);

    if (place < fleet->shard_count && strcmp(fleet->shards[place]->name, name) == 0) {
        return fleet->shards[place];
    }
    return NULL;
}

struct shard *registry_add_shard(struct step *step, const char *name, const struct labels *labels)
{
    struct fleet *fleet = step->fleet;
    struct shard *shard = registry_find_shard(fleet, name);

    if (shard != NULL) {
        return shard;
    }
    if (fleet->shard_count == SHARDS_MAX) {
        return NULL;
    }
    shard = memory_alloc(sizeof(*shard));
    shard->name = memory_strdup(name);
    shard->labels = copy_labels_block(labels);
    shard->first_seen_ms = step->wall_ms;
    shard->trouble = "";
    shard->refresh_sent = fleet->newest_refresh;
    shard->refresh_seen = shard->refresh_sent;
    size_t place = registry_shard_place(fleet, name);
    fleet->shards = memory_reserve(fleet->shards, fleet->shard_count, &fleet->shard_capacity,
                                   sizeof(struct shard *));
    memmove(&fleet->shards[place + 1], &fleet->shards[place],
            (fleet->shard_count - place) * sizeof(struct shard *));
    fleet->shards[place] = shard;
    fleet->shard_count++;
    return shard;
}

static void registry_free_tenant(struct tenant *tenant)
{
    free(tenant->info);
    free(tenant);
}

static void registry_free_shard(struct shard *shard)
{
    assert(shard->parts == NULL);
    for (size_t i = 0; i < shard->tenant_count; i++) {
        registry_free_tenant(shard->tenants[i]);
    }
    free(shard->tenants);
    free(shard->labels);
    free(shard->name);
    free(shard);
}

void registry_remove_shard(struct fleet *fleet, struct shard *shard)
{
    size_t place = registry_shard_place(fleet, shard->name);

    assert(fleet->shards[place] == shard);
    assert(shard->links == NULL);
    assert(shard->locks == NULL);
    fleet->tenant_count -= shard->present_count;
    memmove(&fleet->shards[place], &fleet->shards[place + 1],
            (fleet->shard_count - place - 1) * sizeof(struct shard *));
    fleet->shard_count--;
    registry_free_shard(shard);
}

void registry_release(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->shard_count; i++) {
        registry_free_shard(fleet->shards[i]);
    }
    free(fleet->shards);
    fleet->shards = NULL;
    fleet->shard_count = 0;
    fleet->shard_capacity = 0;
    fleet->tenant_count = 0;
}

static bool registry_labels_equal(const struct labels *a, const struct labels *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
            strcmp(a->items[i].value, b->items[i].value) != 0) {
            return false;
        }
    }
    return true;
}

void registry_store_shard(struct step *step, struct shard *shard)
{
    const struct shard_record record = { .name = shard->name,
                                         .labels = *shard->labels,
                                         .tenant_count = shard->present_count,
                                         .first_seen_ms = shard->first_seen_ms };

    shard->stored = true;
    shard->tenants_stored = shard->present_count;
    emit_put_shard(step, &record);
}

void registry_put_labels(struct step *step, struct shard *shard, const struct labels *labels)
{
    bool same = registry_labels_equal(shard->labels, labels);

    if (!same) {
        free(shard->labels);
        shard->labels = copy_labels_block(labels);
    }
    if (!same || !shard->stored) {
        registry_store_shard(step, shard);
    }
}

/* ---- tenants ---- */

static size_t registry_tenant_place(const struct shard *shard, const char *name)
{
    size_t low = 0;
    size_t high = shard->tenant_count;

    /* Agents report in order, so a new name mostly belongs at the end. */
    if (high > 0 && strcmp(shard->tenants[high - 1]->info->name, name) < 0) {
        return high;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(shard->tenants[middle]->info->name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct tenant *registry_find_tenant(const struct shard *shard, const char *name)
{
    size_t place = registry_tenant_place(shard, name);

    if (place < shard->tenant_count && strcmp(shard->tenants[place]->info->name, name) == 0) {
        return shard->tenants[place];
    }
    return NULL;
}

struct tenant *registry_find_path(const struct fleet *fleet, const char *path)
{
    const char *slash = strchr(path, '/');
    char name[NAME_BYTES_MAX + 1];

    if (slash == NULL || (size_t)(slash - path) >= sizeof(name)) {
        return NULL;
    }
    memcpy(name, path, (size_t)(slash - path));
    name[slash - path] = '\0';
    const struct shard *shard = registry_find_shard(fleet, name);
    struct tenant *tenant = shard == NULL ? NULL : registry_find_tenant(shard, slash + 1);
    return tenant != NULL && tenant->present ? tenant : NULL;
}

/* Finds, or makes one that is not present. */
static struct tenant *registry_add_tenant(struct shard *shard, const struct tenant_info *info)
{
    size_t place = registry_tenant_place(shard, info->name);

    if (place < shard->tenant_count && strcmp(shard->tenants[place]->info->name, info->name) == 0) {
        return shard->tenants[place];
    }
    if (shard->present_count >= TENANTS_PER_SHARD_MAX) {
        shard->trouble = "it has more tenants than skein can hold: the rest is ignored";
        return NULL;
    }
    struct tenant *tenant = memory_alloc(sizeof(*tenant));
    tenant->shard = shard;
    tenant->info = copy_tenant_block(info);
    shard->tenants = memory_reserve(shard->tenants, shard->tenant_count, &shard->tenant_capacity,
                                    sizeof(struct tenant *));
    memmove(&shard->tenants[place + 1], &shard->tenants[place],
            (shard->tenant_count - place) * sizeof(struct tenant *));
    shard->tenants[place] = tenant;
    shard->tenant_count++;
    return tenant;
}

struct tenant *registry_expect_tenant(struct shard *shard, const char *name)
{
    const struct tenant_info info = { .name = name };

    return registry_add_tenant(shard, &info);
}

struct tenant *registry_put_tenant(struct step *step, struct shard *shard,
                                   const struct tenant_info *info)
{
    struct tenant *tenant = registry_add_tenant(shard, info);

    if (tenant == NULL) {
        return NULL;
    }
    free(tenant->info);
    tenant->info = copy_tenant_block(info);
    tenant->report = shard->report;
    if (!tenant->present) {
        tenant->present = true;
        shard->present_count++;
        step->fleet->tenant_count++;
    }
    return tenant;
}

void registry_mark_gone(struct step *step, struct tenant *tenant)
{
    if (tenant->present) {
        tenant->present = false;
        tenant->shard->present_count--;
        step->fleet->tenant_count--;
    }
}

void registry_collect(struct tenant *tenant)
{
    struct shard *shard = tenant->shard;

    if (tenant->present || tenant->tasks != NULL) {
        return;
    }
    size_t place = registry_tenant_place(shard, tenant->info->name);
    assert(shard->tenants[place] == tenant);
    memmove(&shard->tenants[place], &shard->tenants[place + 1],
            (shard->tenant_count - place - 1) * sizeof(struct tenant *));
    shard->tenant_count--;
    registry_free_tenant(tenant);
}

const struct set_version *registry_version(const struct tenant *tenant, const char *set)
{
    for (size_t i = 0; i < tenant->info->version_count; i++) {
        if (strcmp(tenant->info->versions[i].set, set) == 0) {
            return &tenant->info->versions[i];
        }
    }
    return NULL;
}

void registry_put_version(struct tenant *tenant, const struct set_version *version)
{
    struct tenant_info info = *tenant->info;
    struct set_version versions[VERSIONS_PER_TENANT_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; i < info.version_count && count < VERSIONS_PER_TENANT_MAX; i++) {
        if (strcmp(info.versions[i].set, version->set) != 0) {
            versions[count++] = info.versions[i];
        }
    }
    versions[count++] = *version;
    info.versions = versions;
    info.version_count = count;
    struct tenant_info *copy = copy_tenant_block(&info);
    free(tenant->info);
    tenant->info = copy;
}
