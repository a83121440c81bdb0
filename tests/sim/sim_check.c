/* What must hold at every moment, and what must come true once nothing goes wrong any more. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum {
    CHECK_END_MS = 900000, /* in which every rollout must end or wait for a person */
    CHECK_STEP_MS = 5000,
};

/* ---- safety ---- */

static void sim_check_tenant(struct sim *sim, const struct sim_shard *shard,
                             const struct sim_tenant *tenant)
{
    for (unsigned i = 1; tenant->exists && i <= SIM_SET_EDITIONS; i++) {
        unsigned expected = i <= tenant->version ? 1 : 0;
        if (tenant->applied[i] != expected) {
            sim_fail(sim, "%s/%s is at %u, and script %u took effect %u times", shard->name,
                     tenant->name, tenant->version, i, tenant->applied[i]);
        }
    }
}

/* Tenants that the databases say this rollout has migrated. `ret_gone` of them exist no more. */
static uint64_t sim_check_commits(const struct sim *sim, const char *rollout, uint64_t *ret_gone)
{
    uint64_t count = 0;

    *ret_gone = 0;
    for (size_t i = 0; i < sim->commit_count; i++) {
        const struct sim_commit *commit = &sim->commits[i];
        const struct sim_tenant *tenant = &sim->shards[commit->shard].tenants[commit->tenant];
        if (strcmp(commit->rollout, rollout) == 0) {
            count++;
            *ret_gone += !tenant->exists || tenant->life != commit->life;
        }
    }
    return count;
}

/* Tenants that the report does not call migrated, nor anything that would be untrue if they are. */
static uint64_t sim_check_unknown(const struct rollout_view *view)
{
    uint64_t count = view->state.counts.unknown;

    for (size_t i = 0; i < view->error_count && view->state.phase != ROLLOUT_ABORTED; i++) {
        count += view->errors[i]->code == TASK_CODE_OUTCOME_UNKNOWN; /* its shard was forgotten */
    }
    return count;
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
    if (c->migrated > committed) {
        sim_fail(sim, "%s says that %llu tenants are migrated, the databases say %llu", id,
                 (unsigned long long)c->migrated, (unsigned long long)committed);
    }
    if ((view->state.phase == ROLLOUT_PENDING || view->state.phase == ROLLOUT_DRY_RUN ||
         view->state.phase == ROLLOUT_DRY_RUN_FAILED || view->spec->dry_run_only) &&
        committed > 0) {
        sim_fail(sim, "%s is %s and has changed %llu tenants", id,
                 rollout_phase_name(view->state.phase), (unsigned long long)committed);
    }
    if (rollout_phase_is_final(view->state.phase) &&
        (c->running > 0 || (c->queued > 0 && view->state.phase != ROLLOUT_DRY_RUN_FAILED &&
                            !view->spec->dry_run_only))) {
        sim_fail(sim, "%s is %s with tasks under way", id, rollout_phase_name(view->state.phase));
    }
    /* Once it has ended the report equals the databases, but for tenants that are gone or whose
     * outcome the report itself calls unknown: what it calls failed or skipped never happens. */
    if ((view->state.phase == ROLLOUT_SUCCEEDED || view->state.phase == ROLLOUT_FAILED ||
         view->state.phase == ROLLOUT_ABORTED) &&
        committed > c->migrated + gone + sim_check_unknown(view)) {
        sim_fail(sim, "%s is %s and counts %llu migrated tenants, the databases %llu (%llu gone)",
                 id, rollout_phase_name(view->state.phase), (unsigned long long)c->migrated,
                 (unsigned long long)committed, (unsigned long long)gone);
    }
}

void sim_check_safety(struct sim *sim)
{
    for (unsigned i = 0; i < sim->shard_count; i++) {
        for (unsigned j = 0; j < SIM_TENANTS_MAX; j++) {
            sim_check_tenant(sim, &sim->shards[i], &sim->shards[i].tenants[j]);
        }
    }
    for (size_t i = 0; sim->leading && i < fleet_rollout_count(sim->fleet); i++) {
        struct rollout_view view;
        fleet_rollout_at(sim->fleet, i, sim->now_ms, &view);
        sim_check_rollout(sim, &view);
    }
    /* What was answered is never forgotten. */
    for (unsigned i = 0; sim->leading && i < sim->rollout_known; i++) {
        struct rollout_view view;
        struct error err = { 0 };
        if (!fleet_rollout_find(sim->fleet, sim->rollouts[i], sim->now_ms, &view, &err)) {
            sim_fail(sim, "%s", err.message);
        }
    }
}

/* Nothing is handed out without a durable lock that is this rollout's and not younger. */
void sim_check_assignment(struct sim *sim, const struct sim_agent *agent,
                          const struct task_assignment *assign)
{
    for (size_t i = 0; i < assign->task_count; i++) {
        char tenant[2 * SIM_TEXT_BYTES];
        snprintf(tenant, sizeof(tenant), "%s/%s", agent->shard->name, assign->tasks[i].tenant);
        const struct effect *lock = sim_store_find(&sim->store, RECORD_LOCK, "", tenant);
        if (lock == NULL) {
            /* Its lease may have run out since: then the agent is not to get it, or cannot commit
             * without its own clock running out; the leader may not know yet. */
            continue;
        }
        if (strcmp(lock->lock.rollout, assign->rollout) != 0) {
            sim_fail(sim, "%s is handed out for %s while %s has its lock", tenant, assign->rollout,
                     lock->lock.rollout);
        }
    }
    if (assign->task_count > TASK_WINDOW) {
        sim_fail(sim, "a window of %zu tasks", assign->task_count);
    }
}

/* ---- liveness ---- */

static bool sim_is_at_rest(const struct sim *sim, bool paused_counts)
{
    if (!sim->leading) {
        return false;
    }
    for (size_t i = 0; i < fleet_rollout_count(sim->fleet); i++) {
        struct rollout_view view;
        fleet_rollout_at(sim->fleet, i, sim->now_ms, &view);
        bool paused = view.state.phase == ROLLOUT_PAUSED && view.state.counts.running == 0 &&
                      view.state.resume_phase != ROLLOUT_ABORTED;
        if (!rollout_phase_is_final(view.state.phase) && !(paused && paused_counts)) {
            return false;
        }
    }
    return true;
}

static void sim_check_rest(struct sim *sim, bool paused_counts)
{
    uint64_t until = sim->now_ms + CHECK_END_MS;

    while (!sim_is_at_rest(sim, paused_counts)) {
        if (sim->now_ms >= until) {
            for (size_t i = 0; sim->leading && i < fleet_rollout_count(sim->fleet); i++) {
                struct rollout_view view;
                fleet_rollout_at(sim->fleet, i, sim->now_ms, &view);
                sim_note(sim, "%s %s waits for '%s': %llu queued %llu running %llu unknown",
                         view.spec->id, rollout_phase_name(view.state.phase), view.waiting_for,
                         (unsigned long long)view.state.counts.queued,
                         (unsigned long long)view.state.counts.running,
                         (unsigned long long)view.state.counts.unknown);
            }
            sim_fail(sim, "a rollout does not come to its end");
            return;
        }
        if (!sim_run_until(sim, sim->now_ms + CHECK_STEP_MS)) {
            return;
        }
    }
}

static void sim_check_everybody(struct sim *sim, const char *id)
{
    struct rollout_view view;
    struct error err = { 0 };
    uint64_t gone;

    if (!fleet_rollout_find(sim->fleet, id, sim->now_ms, &view, &err)) {
        sim_fail(sim, "the last rollout: %s", err.message);
        return;
    }
    if (view.state.phase != ROLLOUT_SUCCEEDED) {
        for (size_t i = 0; i < view.error_count; i++) {
            sim_note(sim, "%s: %s", view.errors[i]->tenant, view.errors[i]->message);
        }
        sim_fail(sim, "the last rollout is %s: %s", rollout_phase_name(view.state.phase),
                 view.state.phase_reason);
        return;
    }
    if (view.state.counts.migrated != sim_check_commits(sim, id, &gone)) {
        sim_fail(sim, "the last rollout's report differs from the databases");
    }
    for (unsigned i = 0; i < sim->shard_count; i++) {
        for (unsigned j = 0; j < SIM_TENANTS_MAX; j++) {
            const struct sim_tenant *tenant = &sim->shards[i].tenants[j];
            if (tenant->exists && tenant->version != sim->edition) {
                sim_fail(sim, "%s/%s was left at %u", sim->shards[i].name, tenant->name,
                         tenant->version);
            }
        }
    }
    if (sim_store_count(&sim->store, RECORD_LOCK) > 0) {
        sim_fail(sim, "locks are left behind");
    }
}

void sim_check_liveness(struct sim *sim)
{
    /* Everything ends, or is paused and waits for a person. */
    sim_check_rest(sim, true);
    for (unsigned i = 0; i < sim->shard_count; i++) {
        for (unsigned j = 0; j < SIM_TENANTS_MAX; j++) {
            sim->shards[i].tenants[j].broken = false;
        }
    }
    /* The person comes. */
    for (size_t i = 0; !sim->failed && i < fleet_rollout_count(sim->fleet); i++) {
        struct rollout_view view;
        fleet_rollout_at(sim->fleet, i, sim->now_ms, &view);
        if (view.state.phase == ROLLOUT_PAUSED) {
            char id[SIM_TEXT_BYTES];
            snprintf(id, sizeof(id), "%s", view.spec->id);
            enum operator_verb verb = sim_chance(sim, 300) ? OPERATOR_ABORT : OPERATOR_RETRY;
            sim_faults_ask(sim, (struct operator_request){ .verb = verb, .object = id });
        }
    }
    if (sim->failed || !sim_run_until(sim, sim->now_ms + CHECK_STEP_MS)) {
        return;
    }
    sim_check_rest(sim, true);
    if (sim->failed) {
        return;
    }
    /* Whatever happened before: everybody can be migrated, each script once. */
    struct operator_request publish = { .verb = OPERATOR_PUBLISH,
                                        .set = sim_set_new(SIM_SET_EDITIONS),
                                        .archive = bytes_of_text("archive") };
    sim->edition = SIM_SET_EDITIONS;
    sim_faults_ask(sim, publish);
    for (size_t i = 0; i < fleet_rollout_count(sim->fleet); i++) {
        struct rollout_view view;
        fleet_rollout_at(sim->fleet, i, sim->now_ms, &view);
        if (view.state.phase == ROLLOUT_PAUSED) {
            sim_faults_ask(
                sim, (struct operator_request){ .verb = OPERATOR_ABORT, .object = view.spec->id });
        }
    }
    sim_run_until(sim, sim->now_ms + 60000); /* aborts drain, holds run out */
    sim_faults_start(sim, "zz-last", (struct rollout_spec){ .policy = POLICY_CONTINUE });
    sim_run_until(sim, sim->now_ms + CHECK_STEP_MS);
    sim_check_rest(sim, false);
    if (!sim->failed && sim_run_until(sim, sim->now_ms + CHECK_STEP_MS)) { /* the last write */
        sim_check_safety(sim);
        sim_check_everybody(sim, "zz-last");
    }
}
