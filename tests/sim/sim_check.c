/* What must hold at every moment. Each check looks at the outside: databases, the store's keys,
 * messages, answers, reports. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/wire/wire.h"
#include "tests/sim/sim_world.h"

enum {
    CHECK_EVERY_MS = 250,
    CHECK_CLOCKS_MS = 2000, /* by which coordinators' clocks differ */
    CHECK_CANCEL_MS = 1000, /* in which a process that runs has seen that its lease is over */
};

/* ---- exactly once ---- */

static void sim_check_tenant(struct sim *sim, const struct sim_shard *shard,
                             const struct sim_tenant *tenant)
{
    for (unsigned i = 1; tenant->exists && i <= SIM_SET_EDITIONS; i++) {
        unsigned expected = i <= tenant->version || i <= tenant->before ? 1 : 0;
        if (tenant->applied[i] != expected) {
            sim_fail(sim, "%s/%s is at %u, and script %u took effect %u times", shard->name,
                     tenant->name, tenant->version, i, tenant->applied[i]);
        }
    }
}

static bool sim_check_is_gone(const struct sim *sim, const struct sim_commit *commit)
{
    const struct sim_tenant *tenant = &sim->shards[commit->shard].tenants[commit->tenant];

    return !tenant->exists || tenant->life != commit->life || commit->undone;
}

uint64_t sim_check_commits(const struct sim *sim, const char *rollout, uint64_t *ret_gone)
{
    uint64_t count = 0;

    *ret_gone = 0;
    for (size_t i = 0; i < sim->commit_count; i++) {
        const struct sim_commit *commit = &sim->commits[i];
        if (strcmp(commit->rollout, rollout) == 0) {
            count++;
            *ret_gone += sim_check_is_gone(sim, commit);
        }
    }
    return count;
}

static uint64_t sim_check_undone(const struct sim *sim, const char *rollout)
{
    uint64_t count = 0;

    for (size_t i = 0; i < sim->commit_count; i++) {
        count += strcmp(sim->commits[i].rollout, rollout) == 0 && sim->commits[i].back;
    }
    return count;
}

/* ---- reports ---- */

/* A tenant that the report calls failed has not been migrated by it. */
static void sim_check_errors(struct sim *sim, const struct rollout_view *view)
{
    for (size_t i = 0; i < sim->commit_count; i++) {
        const struct sim_commit *commit = &sim->commits[i];
        const struct sim_shard *shard = &sim->shards[commit->shard];
        char path[2 * SIM_TEXT_BYTES];
        if (strcmp(commit->rollout, view->spec->id) != 0 || sim_check_is_gone(sim, commit)) {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", shard->name, shard->tenants[commit->tenant].name);
        for (size_t j = 0; j < view->error_count; j++) {
            if (strcmp(view->errors[j]->tenant, path) == 0 &&
                view->errors[j]->code != TASK_CODE_OUTCOME_UNKNOWN &&
                !task_mode_is_rollback(view->errors[j]->mode)) {
                sim_fail(sim, "%s reports that %s failed (%s), and has migrated it", view->spec->id,
                         path, task_code_name(view->errors[j]->code));
            }
        }
    }
}

/* Tenants that the report does not call migrated, nor anything that would be untrue if they are. */
static uint64_t sim_check_unknown(const struct sim *sim, const struct rollout_view *view)
{
    uint64_t count = view->state.counts.unknown;

    /* Those whose shard was forgotten count as failed; those of an abort as unknown already. */
    for (size_t i = 0; i < view->error_count; i++) {
        count += (sim->forgot || view->state.phase != ROLLOUT_ABORTED) &&
                 view->errors[i]->code == TASK_CODE_OUTCOME_UNKNOWN &&
                 strncmp(view->errors[i]->tenant, "hooks/", strlen("hooks/")) != 0;
    }
    return count;
}

static void sim_check_ended(struct sim *sim, const struct rollout_view *view, uint64_t committed,
                            uint64_t gone)
{
    const struct rollout_counts *c = &view->state.counts;
    const char *id = view->spec->id;
    const char *phase = rollout_phase_name(view->state.phase);

    if (c->running > 0 || (c->queued > 0 && view->state.phase != ROLLOUT_DRY_RUN_FAILED &&
                           !view->spec->dry_run_only)) {
        sim_fail(sim, "%s is %s with tasks under way", id, phase);
    }
    if (view->state.phase == ROLLOUT_DRY_RUN_FAILED) {
        return;
    }
    /* What a rollback left as it was: it could not, or something else has moved the tenant since,
     * or it was aborted before it had asked.
     */
    uint64_t explained = 0;
    for (size_t i = 0; i < TASK_CODE_COUNT; i++) {
        explained += view->state.skips[i];
    }
    /* Of tenants that were skipped the first time, and were not looked at again, the reasons are
     * not kept. */
    uint64_t unexplained = c->skipped > explained ? c->skipped - explained : 0;
    uint64_t left = view->state.rollback == ROLLBACK_NONE
                        ? 0
                        : c->failed + view->state.skips[TASK_CODE_VERSION_MOVED] +
                              view->state.skips[TASK_CODE_CANCELLED] +
                              view->state.skips[TASK_CODE_TENANT_LOCKED] + unexplained;

    if (committed > c->migrated + gone + sim_check_unknown(sim, view) + left) {
        for (size_t i = 0; i < view->shard_count; i++) {
            const struct rollout_counts *of = &view->shards[i].counts;
            sim_note(sim, "%s: %llu migrated, %llu skipped, %llu failed, %llu unknown",
                     view->shards[i].shard, (unsigned long long)of->migrated,
                     (unsigned long long)of->skipped, (unsigned long long)of->failed,
                     (unsigned long long)of->unknown);
        }
        sim_fail(sim, "%s is %s and counts %llu migrated tenants, the databases %llu (%llu gone)",
                 id, phase, (unsigned long long)c->migrated, (unsigned long long)committed,
                 (unsigned long long)gone);
    }
    sim_check_errors(sim, view);
    if (sim->set_kind.hooks && view->state.phase == ROLLOUT_SUCCEEDED &&
        view->spec->kind == ROLLOUT_MIGRATE && committed > 0 &&
        !(sim_hook_is_done(sim, id, false) && sim_hook_is_done(sim, id, true))) {
        sim_fail(sim, "%s has succeeded without its hooks", id);
    }
}

/* The histograms count each tenant once, and the worst come first, each once. */
static void sim_check_measures(struct sim *sim, const struct rollout_view *view)
{
    const struct rollout_measures *measures = view->measures;
    uint64_t took = 0;

    for (size_t i = 0; measures != NULL && i < MEASURE_BUCKETS; i++) {
        took += measures->took[i];
    }
    if (measures != NULL && took != measures->tenants) {
        sim_fail(sim, "%s has measured %llu tenants and counts %llu", view->spec->id,
                 (unsigned long long)measures->tenants, (unsigned long long)took);
    }
    for (size_t i = 1; measures != NULL && i < measures->worst_count; i++) {
        if (measure_compare(measures->worst[i - 1], measures->worst[i]) >= 0) {
            sim_fail(sim, "%s: the worst tenants are not in their order", view->spec->id);
        }
    }
}

static void sim_check_rollout(struct sim *sim, const struct rollout_view *view)
{
    const struct rollout_counts *c = &view->state.counts;
    const char *id = view->spec->id;
    uint64_t gone;
    uint64_t committed = sim_check_commits(sim, id, &gone);

    if (c->total != c->queued + c->running + c->migrated + c->skipped + c->failed + c->unknown +
                        c->rolled_back) {
        sim_fail(sim, "the counts of %s do not add up to its total", id);
    }
    sim_check_measures(sim, view);
    if (c->migrated > committed) {
        sim_fail(sim, "%s says that %llu tenants are migrated, the databases say %llu", id,
                 (unsigned long long)c->migrated, (unsigned long long)committed);
    }
    if (c->rolled_back > sim_check_undone(sim, id)) {
        sim_fail(sim, "%s says that %llu tenants are rolled back, the databases say %llu", id,
                 (unsigned long long)c->rolled_back, (unsigned long long)sim_check_undone(sim, id));
    }
    if ((view->state.phase == ROLLOUT_PENDING || view->state.phase == ROLLOUT_DRY_RUN ||
         view->state.phase == ROLLOUT_DRY_RUN_FAILED || view->spec->dry_run_only) &&
        committed > 0) {
        sim_fail(sim, "%s is %s and has changed %llu tenants", id,
                 rollout_phase_name(view->state.phase), (unsigned long long)committed);
    }
    /* One that is opened again is shown as it was until that is durable. */
    bool shown_as_it_is = strcmp(view->waiting_for, "store") != 0;
    if (rollout_phase_is_final(view->state.phase) && shown_as_it_is) {
        sim_check_ended(sim, view, committed, gone);
    }
}

static void sim_check_reports(struct sim *sim, const struct sim_coordinator *leader)
{
    for (size_t i = 0; i < fleet_rollout_count(leader->fleet); i++) {
        struct rollout_view view;
        fleet_rollout_at(leader->fleet, i, leader->now_ms, &view);
        sim_check_rollout(sim, &view);
    }
    /* What was answered is never forgotten. */
    for (unsigned i = 0; i < sim->rollout_known; i++) {
        struct rollout_view view;
        struct error err = { 0 };
        if (!fleet_rollout_find(leader->fleet, sim->rollouts[i].id, leader->now_ms, &view, &err)) {
            sim_fail(sim, "%s", err.message);
        }
        const char *ended = sim->rollouts[i].ended;
        const char *phase = rollout_phase_name(view.state.phase);
        /* What has failed may be given up. */
        bool given_up = sim->rollouts[i].given_up && view.state.phase == ROLLOUT_ABORTED &&
                        ended != NULL && strcmp(ended, rollout_phase_name(ROLLOUT_FAILED)) == 0;
        if (ended != NULL && !sim->rollouts[i].reopened && !given_up && strcmp(ended, phase) != 0) {
            sim_fail(sim, "%s was shown as %s, and is %s", sim->rollouts[i].id, ended, phase);
        }
        if (sim->rollouts[i].aborted && view.state.phase != ROLLOUT_ABORTED &&
            view.state.resume_phase != ROLLOUT_ABORTED) {
            sim_fail(sim, "%s was said to be aborted, and is %s", sim->rollouts[i].id,
                     rollout_phase_name(view.state.phase));
        }
    }
}

void sim_check_shown(struct sim *sim, const struct sim_coordinator *coordinator)
{
    for (unsigned i = 0; fleet_is_leading(coordinator->fleet) && i < sim->rollout_known; i++) {
        struct sim_rollout *rollout = &sim->rollouts[i];
        struct rollout_view view;
        struct error err = { 0 };

        if (rollout->ended == NULL && !rollout->reopened &&
            fleet_rollout_find(coordinator->fleet, rollout->id, coordinator->now_ms, &view, &err) &&
            rollout_phase_is_final(view.state.phase)) {
            rollout->ended = rollout_phase_name(view.state.phase);
        }
    }
}

/* ---- locks and sessions ---- */

/* A task that an agent has not finished, under a lease that lives, is locked for its rollout. */
static void sim_check_lock(struct sim *sim, const struct sim_agent *agent,
                           const struct sim_task *task)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *key =
        arena_printf(&arena, SIM_PREFIX "/locks/%s/%s", agent->shard->name, task->tenant);
    const struct sim_kv *kv = sim_etcd_find(&sim->etcd, key);
    struct lock_record lock = { .rollout = "" };
    struct error err = { 0 };

    if (task->lease != agent->uplink.lease_id || !sim_database_lease_lives(sim, task->lease) ||
        sim->now_ms >= agent->uplink.lease_until_ms) {
        return; /* what the lease guarded is over */
    }
    if (kv == NULL) {
        sim_fail(sim, "%s works on %s for %s, and nothing locks it", agent->id, task->tenant,
                 task->rollout);
        return;
    }
    if (!wire_decode_lock_record((struct bytes){ .data = kv->value, .size = kv->size }, &arena,
                                 &lock, &err)) {
        sim_fail(sim, "a lock cannot be read: %s", err.message);
    }
    if (strcmp(lock.rollout, task->rollout) != 0 || kv->lease_id != task->lease) {
        sim_fail(sim, "%s works on %s for %s, and '%s' has its lock", agent->id, task->tenant,
                 task->rollout, lock.rollout);
    }
}

static unsigned sim_check_unfinished(const struct sim_agent *agent, const char *rollout)
{
    unsigned count = 0;

    for (const struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
        count += task->state != SIM_TASK_DONE && task->lease == agent->uplink.lease_id &&
                 (rollout == NULL || strcmp(task->rollout, rollout) == 0);
    }
    return count;
}

static void sim_check_shard(struct sim *sim, const struct sim_shard *shard)
{
    unsigned working = 0;

    for (unsigned i = 0; i < shard->agent_count; i++) {
        const struct sim_agent *agent = &shard->agents[i];
        if (!agent->alive) {
            continue;
        }
        for (const struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
            if (task->state != SIM_TASK_DONE) {
                sim_check_lock(sim, agent, task);
            }
        }
        bool awake = !agent->paused && sim->now_ms > agent->resume_ms + CHECK_CANCEL_MS;
        bool may = sim->now_ms < uplink_works_until_ms(&agent->uplink);
        if (awake && may && sim_check_unfinished(agent, NULL) > 0) {
            working++;
        }
    }
    if (working > 1) {
        sim_fail(sim, "two agents of %s work at the same time", shard->name);
    }
}

void sim_check_safety(struct sim *sim)
{
    const struct sim_coordinator *leader = sim_coordinator_leader(sim);

    for (unsigned i = 0; i < sim->shard_count; i++) {
        for (unsigned j = 0; j < SIM_TENANTS_MAX; j++) {
            sim_check_tenant(sim, &sim->shards[i], &sim->shards[i].tenants[j]);
        }
        sim_check_shard(sim, &sim->shards[i]);
    }
    if (leader != NULL && !leader->paused) {
        sim_check_reports(sim, leader);
    }
    if (sim_etcd_find(&sim->etcd, SIM_PREFIX "/tokens") != NULL) {
        sim_fail(sim, "the base of tokens has moved, and the store is the same");
    }
}

static void sim_check_turn(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    sim_etcd_expire(&sim->etcd, sim->now_ms);
    sim_check_safety(sim);
    sim_after(sim, CHECK_EVERY_MS, sim_check_turn, NULL, 0, 0);
}

void sim_check_begin(struct sim *sim)
{
    sim_after(sim, CHECK_EVERY_MS, sim_check_turn, NULL, 0, 0);
}

/* ---- handing out ---- */

/* What has a dry run goes up only if its schema is the one that was tried. */
static void sim_check_stamps(struct sim *sim, const struct task_assignment *assign)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *key = arena_printf(&arena, SIM_PREFIX "/rollouts/%s/spec", assign->rollout);
    const struct sim_kv *kv = sim_etcd_find(&sim->etcd, key);
    struct rollout_spec spec = { 0 };
    struct error err = { 0 };

    if (assign->mode != TASK_RUN || kv == NULL ||
        !wire_decode_rollout_spec((struct bytes){ .data = kv->value, .size = kv->size }, &arena,
                                  &spec, &err) ||
        spec.dry_run == DRY_RUN_OFF) {
        return;
    }
    for (size_t i = 0; i < assign->task_count; i++) {
        if (assign->tasks[i].stamp == 0) {
            sim_fail(sim, "%s of %s runs, and nobody has seen its schema", assign->tasks[i].tenant,
                     assign->rollout);
        }
    }
}

void sim_check_assignment(struct sim *sim, const struct sim_coordinator *coordinator,
                          const struct task_assignment *assign)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct sim_rollout *rollout = sim_operator_find(sim, assign->rollout);
    const char *key = arena_printf(&arena, SIM_PREFIX "/rollouts/%s/state", assign->rollout);
    const struct sim_kv *kv = sim_etcd_find(&sim->etcd, key);
    struct rollout_state state = { 0 };
    struct error err = { 0 };

    if (assign->task_count > TASK_WINDOW) {
        sim_fail(sim, "a window of %zu tasks", assign->task_count);
    }
    if (sim_coordinator_leader(sim) != coordinator || assign->mode == TASK_SETTLE) {
        return; /* it was stopped in the middle of this, and nobody hears it; or ends what was */
    }
    sim_check_stamps(sim, assign);
    if (rollout != NULL && rollout->stopped) {
        sim_fail(sim, "%s was said to be stopped, and its tasks are handed out", rollout->id);
    }
    if (kv == NULL ||
        !wire_decode_rollout_state((struct bytes){ .data = kv->value, .size = kv->size }, &arena,
                                   &state, &err)) {
        sim_fail(sim, "%s is handed out and not in the store", assign->rollout);
    } else if (task_mode_is_rollback(assign->mode)) {
        bool may = state.rollback == ROLLBACK_UNDOING ||
                   (state.rollback == ROLLBACK_LOOKING && task_mode_is_dry(assign->mode));
        if (!may || state.phase != ROLLOUT_ROLLING_BACK) {
            sim_fail(sim, "%s is handed out to %s in stage %d, and is %s", assign->rollout,
                     task_mode_name(assign->mode), (int)state.rollback,
                     rollout_phase_name(state.phase));
        }
    } else if (state.phase == ROLLOUT_ROLLING_BACK &&
               (state.rollback != ROLLBACK_STOPPING || (rollout != NULL && rollout->goes_back))) {
        /* What was decided before it was to stop may be sent after that is in the store, when the
         * store was slow: it is told to stop next, and waited for. Not once that was answered. */
        sim_fail(sim, "%s is being rolled back, and goes up", assign->rollout);
    } else if (assign->mode != TASK_DRY_RUN &&
               (state.phase == ROLLOUT_PENDING || state.phase == ROLLOUT_DRY_RUN ||
                state.phase == ROLLOUT_DRY_RUN_FAILED)) {
        sim_fail(sim, "%s runs, and is %s", assign->rollout, rollout_phase_name(state.phase));
    }
}

void sim_check_accepted(struct sim *sim, const struct sim_agent *agent, const struct sim_task *task)
{
    const struct sim_rollout *rollout = sim_operator_find(sim, task->rollout);

    sim_etcd_expire(&sim->etcd, sim->now_ms);
    sim_check_lock(sim, agent, task);
    if (rollout != NULL && rollout->per_shard > 0 &&
        sim_check_unfinished(agent, task->rollout) > rollout->per_shard) {
        sim_fail(sim, "%s has more than %u tasks of %s at once", agent->id, rollout->per_shard,
                 rollout->id);
    }
    if (sim_check_unfinished(agent, NULL) > TASKS_IN_FLIGHT_PER_AGENT_MAX) {
        sim_fail(sim, "%s has too many tasks at once", agent->id);
    }
}

void sim_check_message(struct sim *sim, struct sim_agent *agent,
                       const struct coordinator_message *message)
{
    int64_t lease = agent->uplink.lease_id;

    sim_etcd_expire(&sim->etcd, sim->now_ms);
    if (lease != 0 && message->term < agent->newest_term) {
        sim_fail(sim, "%s obeys term %llu after term %llu", agent->id,
                 (unsigned long long)message->term, (unsigned long long)agent->newest_term);
    }
    agent->newest_term = message->term;
    if (message->kind == COORDINATOR_MESSAGE_WELCOME && lease != 0 &&
        lease != message->welcome.lease_id && sim_database_lease_lives(sim, lease) &&
        sim->now_ms < agent->uplink.lease_until_ms && sim_check_unfinished(agent, NULL) > 0) {
        sim_fail(sim, "%s works in a living session and is given another one", agent->id);
    }
}

/* ---- commits ---- */

static void sim_check_hold(struct sim *sim, const struct sim_shard *shard,
                           const struct sim_tenant *tenant)
{
    char path[2 * SIM_TEXT_BYTES];

    snprintf(path, sizeof(path), "%s/%s", shard->name, tenant->name);
    for (size_t i = 0; i < sim->hold_count; i++) {
        if (strcmp(sim->holds[i].tenant, path) == 0 &&
            sim->now_ms + CHECK_CLOCKS_MS < sim->holds[i].until_ms) {
            sim_fail(sim, "%s is changed while an operator holds it", path);
        }
    }
}

void sim_check_fence(struct sim *sim, const struct sim_shard *shard, struct sim_tenant *tenant,
                     const struct sim_task *task)
{
    if (task->token < tenant->newest_token) {
        sim_fail(sim, "%s/%s is changed with token %llu after token %llu", shard->name,
                 tenant->name, (unsigned long long)task->token,
                 (unsigned long long)tenant->newest_token);
    }
    tenant->newest_token = task->token;
}

void sim_check_commit(struct sim *sim, const struct sim_shard *shard, struct sim_tenant *tenant,
                      const struct sim_task *task, bool late)
{
    const struct sim_agent *agent = task->agent;
    bool awake = agent != NULL && sim->now_ms > agent->resume_ms + CHECK_CANCEL_MS;

    sim_check_fence(sim, shard, tenant, task);
    if (sim->set_kind.hooks && task->mode == TASK_RUN &&
        !sim_hook_is_done(sim, task->rollout, false)) {
        sim_fail(sim, "%s changes %s before before_rollout is done", task->rollout, tenant->name);
    }
    if (late && awake) {
        sim_fail(sim, "%s changes %s after its session has ended, and was not stopped", agent->id,
                 tenant->name);
    }
    if (!late && !sim->clocks_jump) {
        sim_check_hold(sim, shard, tenant);
    }
}
