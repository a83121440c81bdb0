/* What must come true once nothing goes wrong any more. */
#include <stdio.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum {
    LIVE_END_MS = 900000, /* in which every rollout must end or wait for a person */
    LIVE_STEP_MS = 5000,
    LIVE_SETTLE_MS = 30000, /* what was sent into the outage is given up, somebody leads */
};

static bool sim_live_is_paused(const struct rollout_view *view)
{
    return view->state.phase == ROLLOUT_PAUSED && view->state.counts.running == 0 &&
           view->state.resume_phase != ROLLOUT_ABORTED;
}

static bool sim_live_is_at_rest(struct sim *sim, bool paused_counts)
{
    const struct sim_coordinator *leader = sim_coordinator_leader(sim);

    if (leader == NULL || leader->paused) {
        return false;
    }
    for (size_t i = 0; i < fleet_rollout_count(leader->fleet); i++) {
        struct rollout_view view;
        fleet_rollout_at(leader->fleet, i, leader->now_ms, &view);
        if (!rollout_phase_is_final(view.state.phase) &&
            !(sim_live_is_paused(&view) && paused_counts)) {
            return false;
        }
    }
    return true;
}

static void sim_live_explain(struct sim *sim)
{
    const struct sim_coordinator *leader = sim_coordinator_leader(sim);

    for (size_t i = 0; leader != NULL && i < fleet_rollout_count(leader->fleet); i++) {
        struct rollout_view view;
        fleet_rollout_at(leader->fleet, i, leader->now_ms, &view);
        sim_note(sim, "%s %s waits for '%s': %llu queued %llu running %llu unknown", view.spec->id,
                 rollout_phase_name(view.state.phase), view.waiting_for,
                 (unsigned long long)view.state.counts.queued,
                 (unsigned long long)view.state.counts.running,
                 (unsigned long long)view.state.counts.unknown);
    }
    sim_fail(sim, leader == NULL ? "nobody leads" : "a rollout does not come to its end");
}

static void sim_live_rest(struct sim *sim, bool paused_counts)
{
    uint64_t until = sim->now_ms + LIVE_END_MS;

    while (!sim->failed && !sim_live_is_at_rest(sim, paused_counts)) {
        if (sim->now_ms >= until) {
            sim_live_explain(sim);
            return;
        }
        sim_run_until(sim, sim->now_ms + LIVE_STEP_MS);
    }
}

/* For each rollout that is paused: what a person does about it. */
static void sim_live_decide(struct sim *sim, unsigned abort_permille)
{
    struct sim_coordinator *leader = sim_coordinator_leader(sim);

    for (size_t i = 0; leader != NULL && i < fleet_rollout_count(leader->fleet); i++) {
        struct rollout_view view;
        fleet_rollout_at(leader->fleet, i, leader->now_ms, &view);
        if (view.state.phase == ROLLOUT_PAUSED) {
            enum operator_verb verb =
                sim_chance(sim, abort_permille) ? OPERATOR_ABORT : OPERATOR_RETRY;
            sim_operator_ask(sim,
                             (struct operator_request){ .verb = verb, .object = view.spec->id });
        }
        /* A rollback that failed is tried again, given up, or left as it is. */
        if (view.state.phase == ROLLOUT_FAILED && view.state.rollback != ROLLBACK_NONE &&
            sim_chance(sim, 500)) {
            enum operator_verb verb = sim_chance(sim, 500) ? OPERATOR_ABORT : OPERATOR_ROLLBACK;
            sim_operator_ask(sim,
                             (struct operator_request){ .verb = verb, .object = view.spec->id });
        }
    }
}

#define LIVE_LOCKS SIM_PREFIX "/locks/"

static size_t sim_live_first_lock(const struct sim *sim)
{
    return sim_etcd_place(&sim->etcd, LIVE_LOCKS);
}

static bool sim_live_is_lock(const struct sim *sim, size_t place)
{
    return place < sim->etcd.count &&
           strncmp(sim->etcd.kvs[place]->key, LIVE_LOCKS, strlen(LIVE_LOCKS)) == 0;
}

/* A hold that was taken by a clock that ran an hour ahead lasts an hour longer. */
static void sim_live_unlock(struct sim *sim)
{
    for (size_t i = sim_live_first_lock(sim); sim_live_is_lock(sim, i); i++) {
        const struct sim_kv *kv = sim->etcd.kvs[i];
        if (kv->lease_id == 0) {
            sim_operator_ask(sim,
                             (struct operator_request){ .verb = OPERATOR_UNLOCK,
                                                        .object = kv->key + strlen(LIVE_LOCKS) });
        }
    }
}

static void sim_live_check_tenants(struct sim *sim)
{
    for (unsigned i = 0; i < sim->shard_count; i++) {
        for (unsigned j = 0; j < SIM_TENANTS_MAX; j++) {
            const struct sim_tenant *tenant = &sim->shards[i].tenants[j];
            if (tenant->exists && tenant->version != sim->edition) {
                sim_fail(sim, "%s/%s was left at %u", sim->shards[i].name, tenant->name,
                         tenant->version);
            }
            if (tenant->exists && tenant->repeatables != sim->repeatables[sim->edition]) {
                sim_fail(sim, "%s/%s was left with another edition's repeatable script",
                         sim->shards[i].name, tenant->name);
            }
        }
    }
    size_t place = sim_live_first_lock(sim);
    if (sim_live_is_lock(sim, place)) {
        sim_fail(sim, "%s is left behind", sim->etcd.kvs[place]->key);
    }
}

static void sim_live_check_last(struct sim *sim, const char *id)
{
    const struct sim_coordinator *leader = sim_coordinator_leader(sim);
    struct rollout_view view;
    struct error err = { 0 };
    uint64_t gone;

    if (leader == NULL || !fleet_rollout_find(leader->fleet, id, leader->now_ms, &view, &err)) {
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
    sim_live_check_tenants(sim);
}

void sim_check_liveness(struct sim *sim)
{
    sim_run_until(sim, sim->now_ms + LIVE_SETTLE_MS);
    sim_live_unlock(sim);
    /* Everything ends, or is paused and waits for a person. */
    sim_live_rest(sim, true);
    for (unsigned i = 0; i < sim->shard_count; i++) {
        for (unsigned j = 0; j < SIM_TENANTS_MAX; j++) {
            sim->shards[i].tenants[j].broken = false;
        }
    }
    /* The person comes. */
    sim_live_decide(sim, 300);
    if (sim->failed || !sim_run_until(sim, sim->now_ms + LIVE_STEP_MS)) {
        return;
    }
    sim_live_rest(sim, true);
    /* Whatever happened before: everybody can be migrated, each script once. */
    if (sim->failed || !sim_operator_publish(sim, SIM_SET_EDITIONS)) {
        return;
    }
    sim_live_decide(sim, 1000);
    sim_live_unlock(sim);
    sim_run_until(sim, sim->now_ms + 60000); /* aborts drain, holds run out */
    if (sim->failed) {
        return;
    }
    if (!sim_operator_start(sim, "zz-last",
                            (struct rollout_spec){ .policy = POLICY_CONTINUE,
                                                   .baseline_unmanaged = SIM_UNMANAGED_VERSION })) {
        sim_fail(sim, "nobody leads when nothing goes wrong");
    }
    sim_run_until(sim, sim->now_ms + LIVE_STEP_MS);
    sim_live_rest(sim, false);
    if (!sim->failed && sim_run_until(sim, sim->now_ms + LIVE_STEP_MS)) { /* the last write */
        sim_check_safety(sim);
        sim_live_check_last(sim, "zz-last");
    }
}
