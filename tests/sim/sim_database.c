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
    tenant->before = 0;
    tenant->first = version;
    tenant->fence = 0;
    tenant->newest_token = 0;
    tenant->rollout[0] = '\0';
    tenant->undone[0] = '\0';
    tenant->move_count = 0;
    tenant->repeatables = 0;
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

void sim_database_read_ledger(const char *tenant, unsigned most, char ret_text[SIM_TEXT_BYTES])
{
    unsigned sum = 0;

    for (const char *at = tenant; *at != '\0'; at++) {
        sum += (unsigned char)*at;
    }
    sim_database_version(1 + sum % most, ret_text);
}

void sim_database_forget_version(struct sim_tenant *tenant)
{
    tenant->before = tenant->version;
    tenant->version = 0;
    tenant->first = 0;
}

/* The scripts up to here have taken effect when the task's own begin. */
static unsigned sim_database_start(const struct sim_task *task)
{
    return sim_database_parse(task->baseline[0] != '\0' ? task->baseline : task->from);
}

/* Where it starts at its target it has a repeatable script to run, as often as it is asked to. */
static bool sim_database_moves(const struct sim_task *task)
{
    return strcmp(task->from, task->target) != 0;
}

bool sim_database_is_done(const struct sim_tenant *tenant, const struct sim_task *task)
{
    if (task->mode == TASK_CREATE && !tenant->exists) {
        return false;
    }
    if (task_mode_is_rollback(task->mode)) {
        return strcmp(tenant->undone, task->rollout) == 0 && tenant->fence <= task->token;
    }
    return task->mode != TASK_DRY_RUN && sim_database_moves(task) &&
           tenant->version == sim_database_parse(task->target) &&
           strcmp(tenant->rollout, task->rollout) == 0 && tenant->fence <= task->token;
}

static bool sim_database_is_fenced(const struct sim_tenant *tenant, const struct sim_task *task)
{
    return task->token < tenant->fence;
}

enum task_code sim_database_open(struct sim_tenant *tenant, const struct sim_task *task)
{
    if (sim_database_is_fenced(tenant, task)) {
        return TASK_CODE_FENCED;
    }
    if (tenant->version == sim_database_parse(task->target) && sim_database_moves(task)) {
        return TASK_CODE_UP_TO_DATE;
    }
    if (tenant->version != sim_database_parse(task->from)) {
        return TASK_CODE_VERSION_MOVED;
    }
    bool unmanaged = tenant->version == 0 && tenant->before > 0;
    if (unmanaged && task->mode != TASK_BASELINE && task->baseline[0] == '\0') {
        return TASK_CODE_UNMANAGED;
    }
    if (!unmanaged && task->baseline[0] != '\0') {
        return TASK_CODE_VERSION_MOVED; /* it holds nothing any more */
    }
    if (task->reads_ledger && sim_database_parse(task->target) < tenant->version) {
        return TASK_CODE_LEDGER; /* that tool is behind */
    }
    return TASK_CODE_NONE;
}

/* As skein.undo_plan and skein.undo_begin. */
enum task_code sim_database_open_back(const struct sim_tenant *tenant, struct sim_task *task)
{
    const struct sim_move *first = NULL;

    if (sim_database_is_fenced(tenant, task)) {
        return TASK_CODE_FENCED;
    }
    for (unsigned i = tenant->move_count; i > 0; i--) {
        const struct sim_move *move = &tenant->moves[i - 1];
        if (strcmp(move->rollout, task->rollout) == 0 && !move->undone) {
            first = move;
        }
    }
    if (first == NULL) {
        return TASK_CODE_UP_TO_DATE;
    }
    if (strcmp(tenant->rollout, task->rollout) != 0) {
        return TASK_CODE_VERSION_MOVED;
    }
    task->back_from = tenant->version;
    task->back_to = first->from;
    return TASK_CODE_NONE;
}

/* As skein.task_create: what is there is never taken over. The row, with its fence, outlives the
 * tenant. */
enum task_code sim_database_open_life(const struct sim_tenant *tenant, const struct sim_task *task)
{
    if (sim_database_is_fenced(tenant, task)) {
        return TASK_CODE_FENCED;
    }
    return task->mode == TASK_CREATE && tenant->exists ? TASK_CODE_TENANT_EXISTS : TASK_CODE_NONE;
}

bool sim_database_is_life(const struct sim_task *task)
{
    return task->mode == TASK_CREATE || task->mode == TASK_DROP;
}

bool sim_database_lease_lives(const struct sim *sim, int64_t lease)
{
    return sim_etcd_lives(&sim->etcd, lease, sim->now_ms);
}

void sim_database_forget_commits(struct sim *sim, const struct sim_shard *shard,
                                 const struct sim_tenant *tenant)
{
    for (size_t i = 0; i < sim->commit_count; i++) {
        struct sim_commit *commit = &sim->commits[i];
        if (&sim->shards[commit->shard] == shard && &shard->tenants[commit->tenant] == tenant) {
            commit->undone = true;
        }
    }
}

/* The scripts take effect: what it was told to do, not what would be right, so that a second time
 * would show. A baseline is a person's word that the tenant is at this version (it was brought back
 * from a backup, say): from now on that is the truth. */
static void sim_database_apply(struct sim *sim, const struct sim_shard *shard,
                               struct sim_tenant *tenant, const struct sim_task *task)
{
    unsigned target = sim_database_parse(task->target);

    if (task->mode == TASK_BASELINE) {
        sim_database_forget_commits(sim, shard, tenant);
        for (unsigned i = 1; i <= SIM_SET_EDITIONS; i++) {
            tenant->applied[i] = i <= target ? 1 : 0;
        }
        return;
    }
    if (sim_database_is_life(task)) {
        tenant->exists = task->mode == TASK_CREATE;
        tenant->life++;
        tenant->first = 0;
        tenant->before = 0;
        tenant->move_count = 0;
        memset(tenant->applied, 0, sizeof(tenant->applied));
    }
    for (unsigned i = sim_database_start(task) + 1; i <= target; i++) {
        tenant->applied[i]++;
    }
}

/* Nobody could expect it any more: its agent was stopped with the transaction open, or died. */
static bool sim_database_is_late(const struct sim *sim, const struct sim_task *task)
{
    return task->agent == NULL || !sim_database_lease_lives(sim, task->lease);
}

static void sim_database_remember(struct sim_tenant *tenant, const struct sim_task *task)
{
    assert(tenant->move_count < SIM_MOVES_MAX);
    struct sim_move *move = &tenant->moves[tenant->move_count++];

    /* A baseline that was recorded on the way stays. */
    *move = (struct sim_move){ .from = sim_database_start(task) };
    snprintf(move->rollout, sizeof(move->rollout), "%s", task->rollout);
    memcpy(move->before, tenant->rollout, sizeof(move->before));
}

/* The scripts are undone, whatever has become of them since it began: twice would show. */
static void sim_database_commit_back(struct sim *sim, struct sim_shard *shard,
                                     struct sim_tenant *tenant, const struct sim_task *task)
{
    bool late = sim_database_is_late(sim, task);
    const char *before = "";

    sim_check_commit(sim, shard, tenant, task, late);
    for (unsigned i = task->back_to + 1; i <= task->back_from; i++) {
        tenant->applied[i]--;
    }
    for (unsigned i = tenant->move_count; i > 0; i--) {
        struct sim_move *move = &tenant->moves[i - 1];
        if (strcmp(move->rollout, task->rollout) == 0 && !move->undone) {
            move->undone = true;
            before = move->before;
        }
    }
    for (size_t i = 0; i < sim->commit_count; i++) {
        struct sim_commit *commit = &sim->commits[i];
        if (strcmp(commit->rollout, task->rollout) == 0 && &sim->shards[commit->shard] == shard &&
            &shard->tenants[commit->tenant] == tenant && commit->life == tenant->life) {
            commit->undone = true;
            commit->back = true;
        }
    }
    tenant->version = task->back_to;
    tenant->fence = task->token;
    tenant->repeatables = 0;
    snprintf(tenant->rollout, sizeof(tenant->rollout), "%s", before);
    snprintf(tenant->undone, sizeof(tenant->undone), "%s", task->rollout);
    sim->statistics[SIM_COUNT_UNDONE]++;
    sim_note(sim, "%s/%s is back at %u for %s token %llu%s", shard->name, tenant->name,
             task->back_to, task->rollout, (unsigned long long)task->token, late ? ", late" : "");
}

void sim_database_commit_part(struct sim *sim, struct sim_shard *shard, struct sim_tenant *tenant,
                              struct sim_task *task)
{
    bool late = sim_database_is_late(sim, task);

    sim_check_commit(sim, shard, tenant, task, late);
    tenant->applied[task->back_from]--;
    task->back_from--;
    tenant->version = task->back_from;
    tenant->fence = task->token;
    tenant->repeatables = 0;
    sim->statistics[SIM_COUNT_PARTS]++;
    sim_note(sim, "%s/%s is half way back, at %u, for %s token %llu%s", shard->name, tenant->name,
             tenant->version, task->rollout, (unsigned long long)task->token, late ? ", late" : "");
}

void sim_database_commit(struct sim *sim, struct sim_shard *shard, struct sim_tenant *tenant,
                         const struct sim_task *task)
{
    bool late = sim_database_is_late(sim, task);
    /* Repeatable scripts may run again for one rollout: that is one commit, for those who count. */
    bool again = !sim_database_moves(task) && strcmp(tenant->rollout, task->rollout) == 0;

    if (task->mode == TASK_ROLLBACK) {
        sim_database_commit_back(sim, shard, tenant, task);
        return;
    }
    sim_check_commit(sim, shard, tenant, task, late);
    sim_database_apply(sim, shard, tenant, task);
    if (!again) {
        sim_database_remember(tenant, task);
    }
    tenant->undone[0] = '\0';
    if (task->mode == TASK_RUN && task->repeatables != 0) {
        tenant->repeatables = task->repeatables;
    }
    tenant->version = sim_database_parse(task->target);
    tenant->fence = task->token;
    snprintf(tenant->rollout, sizeof(tenant->rollout), "%s", task->rollout);
    if (again) {
        return;
    }
    sim->commits = memory_reserve(sim->commits, sim->commit_count, &sim->commit_capacity,
                                  sizeof(struct sim_commit));
    struct sim_commit *commit = &sim->commits[sim->commit_count++];
    *commit = (struct sim_commit){ .shard = (unsigned)(shard - sim->shards),
                                   .tenant = (unsigned)(tenant - shard->tenants),
                                   .life = tenant->life,
                                   .late = late };
    snprintf(commit->rollout, sizeof(commit->rollout), "%s", task->rollout);
    sim->statistics[SIM_COUNT_COMMITS]++;
    sim_note(sim, "%s/%s committed %s for %s token %llu%s", shard->name, tenant->name, task->target,
             task->rollout, (unsigned long long)task->token, late ? ", late" : "");
}
