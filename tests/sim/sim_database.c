/* Tenants' databases: rows that are locked, a fence, a version, and scripts that must not take
 * effect twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

struct sim_tenant *sim_database_find(struct sim_shard *shard, const char *tenant)
{
    for (unsigned i = 0; i < SIM_TENANTS_MAX; i++) {
        if (strcmp(shard->tenants[i].name, tenant) == 0) {
            return &shard->tenants[i];
        }
    }
    return NULL;
}

void sim_database_create(struct sim *sim, struct sim_shard *shard, unsigned index, unsigned version)
{
    struct sim_tenant *tenant = &shard->tenants[index];

    tenant->exists = true;
    tenant->life++;
    tenant->version = version;
    tenant->first = version;
    tenant->fence = 0;
    tenant->rollout[0] = '\0';
    tenant->broken = false;
    for (unsigned i = 0; i <= SIM_SET_EDITIONS; i++) {
        tenant->applied[i] = i >= 1 && i <= version ? 1 : 0;
    }
    sim_note(sim, "%s/%s exists at %u", shard->name, tenant->name, version);
}

const char *sim_database_version(unsigned version, char text[SIM_TEXT_BYTES])
{
    text[0] = '\0';
    if (version > 0) {
        snprintf(text, SIM_TEXT_BYTES, "0.%u.0", version);
    }
    return text;
}

unsigned sim_database_parse(const char *version)
{
    return version[0] == '\0' ? 0 : (unsigned)strtoul(version + 2, NULL, 10);
}

enum task_code sim_database_open(struct sim_tenant *tenant, const struct sim_task *task)
{
    if (task->token < tenant->fence) {
        return TASK_CODE_FENCED;
    }
    if (tenant->version == sim_database_parse(task->target)) {
        return TASK_CODE_UP_TO_DATE;
    }
    if (tenant->version != sim_database_parse(task->from)) {
        return TASK_CODE_VERSION_MOVED;
    }
    return TASK_CODE_NONE;
}

static bool sim_lease_lives(const struct sim *sim, const struct sim_agent *agent)
{
    const struct sim_lease *lease = &sim->leases[agent->lease];

    return agent->lease != 0 && lease->alive && sim->now_ms < lease->until_ms;
}

void sim_database_commit(struct sim *sim, struct sim_shard *shard, struct sim_tenant *tenant,
                         const struct sim_task *task)
{
    unsigned target = sim_database_parse(task->target);

    /* What it was told to do, not what would be right: a second time would show. */
    for (unsigned i = sim_database_parse(task->from) + 1; i <= target; i++) {
        tenant->applied[i]++;
    }
    tenant->version = target;
    tenant->fence = task->token;
    snprintf(tenant->rollout, sizeof(tenant->rollout), "%s", task->rollout);
    sim->commits = memory_reserve(sim->commits, sim->commit_count, &sim->commit_capacity,
                                  sizeof(struct sim_commit));
    struct sim_commit *commit = &sim->commits[sim->commit_count++];
    *commit =
        (struct sim_commit){ .shard = (unsigned)(shard - sim->shards),
                             .tenant = (unsigned)(tenant - shard->tenants),
                             .life = tenant->life,
                             .late = task->agent != NULL && !sim_lease_lives(sim, task->agent) };
    snprintf(commit->rollout, sizeof(commit->rollout), "%s", task->rollout);
    sim->statistics[SIM_COUNT_COMMITS]++;
    sim_note(sim, "%s/%s committed %s for %s token %llu", shard->name, tenant->name, task->target,
             task->rollout, (unsigned long long)task->token);
}
