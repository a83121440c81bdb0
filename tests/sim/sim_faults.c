/* What goes wrong, and what operators do meanwhile: all drawn from the seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum {
    FAULTS_OPERATOR_MS_MAX = 4000,
    FAULTS_TENANT_MS_MAX = 9000,
    FAULTS_STORE_MS_MAX = 9000,
    FAULTS_PAUSE_MS_MAX = 45000,
};

static struct sim_shard *sim_any_shard(struct sim *sim)
{
    return &sim->shards[sim_below(sim, sim->shard_count)];
}

static struct sim_agent *sim_any_agent(struct sim *sim)
{
    struct sim_shard *shard = sim_any_shard(sim);

    return &shard->agents[sim_below(sim, shard->agent_count)];
}

static void sim_agent_comes_back(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    struct sim_agent *agent = object;

    (void)a;
    (void)b;
    if (!agent->alive) {
        sim_agent_start(sim, agent);
    }
}

static void sim_leader_comes_back(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    if (!sim->leader_alive) {
        sim_leader_start(sim);
    }
}

static void sim_fault(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    if (sim->healed) {
        return;
    }
    struct sim_agent *agent = sim_any_agent(sim);
    if (agent->tasks == NULL) {
        agent = sim_any_agent(sim); /* rather one that has something to lose */
    }
    switch (sim_below(sim, 8)) {
    case 0:
        sim_leader_crash(sim);
        sim_after(sim, sim_below(sim, 20000), sim_leader_comes_back, NULL, 0, 0);
        break;
    case 1:
    case 2:
        sim_agent_crash(sim, agent);
        sim_after(sim, sim_below(sim, 30000), sim_agent_comes_back, agent, 0, 0);
        break;
    case 3:
        sim_agent_pause(sim, agent, sim_below(sim, FAULTS_PAUSE_MS_MAX));
        break;
    case 7:
        /* Long enough for another one to take over. */
        if (agent->tasks != NULL && agent->shard->agent_count > 1) {
            sim_agent_pause(sim, agent, FAULTS_PAUSE_MS_MAX);
        }
        break;
    case 4:
    case 5:
        if (agent->alive && agent->link != SIM_LINK_DOWN) {
            sim_note(sim, "the stream of %s breaks", agent->id);
            sim_net_break(sim, agent->stream);
        }
        break;
    case 6:
        sim->store_down_until_ms = sim->now_ms + sim_below(sim, FAULTS_STORE_MS_MAX);
        sim_note(sim, "the store is away until %.3f", (double)sim->store_down_until_ms / 1000.0);
        break;
    default:
        break; /* a quiet moment */
    }
    sim_after(sim, sim_below(sim, sim->fault_ms_max), sim_fault, NULL, 0, 0);
}

/* ---- tenants come, go and are repaired ---- */

static void sim_tenant_event(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    if (sim->healed) {
        return;
    }
    struct sim_shard *shard = sim_any_shard(sim);
    unsigned index = (unsigned)sim_below(sim, SIM_TENANTS_MAX);
    struct sim_tenant *tenant = &shard->tenants[index];
    if (!tenant->exists) {
        sim_database_create(sim, shard, index, 0);
    } else if (tenant->broken) {
        tenant->broken = false;
    } else if (tenant->holder == NULL && sim_chance(sim, 300)) {
        tenant->exists = false;
        sim_note(sim, "%s/%s is dropped", shard->name, tenant->name);
    }
    sim_after(sim, sim_below(sim, FAULTS_TENANT_MS_MAX), sim_tenant_event, NULL, 0, 0);
}

/* ---- operators ---- */

void sim_faults_ask(struct sim *sim, struct operator_request request)
{
    struct event *event = event_new(EVENT_OPERATOR);
    struct arena *arena = &event->arena;

    request.call = ++sim->calls;
    request.actor = "ana";
    request.reason = "";
    request.lock_owner = "";
    request.object = request.object == NULL ? "" : arena_strdup(arena, request.object);
    sim->verbs[request.call % COUNT_OF(sim->verbs)] = request.verb;
    event->operator= request;
    if (sim->leading) {
        sim_leader_event(sim, event);
    } else {
        event_free(&event);
    }
}

static void sim_faults_publish(struct sim *sim, unsigned edition)
{
    sim->edition = edition;
    sim_faults_ask(sim, (struct operator_request){ .verb = OPERATOR_PUBLISH,
                                                   .set = sim_set_new(edition),
                                                   .archive = bytes_of_text("archive") });
}

void sim_faults_start(struct sim *sim, const char *id, struct rollout_spec spec)
{
    spec.id = id;
    spec.set = "billing";
    spec.digest = "";
    spec.created_by = "";
    spec.reason = "";
    spec.selector = spec.selector == NULL ? "" : spec.selector;
    spec.target = spec.target == NULL ? "" : spec.target;
    sim_note(sim, "start %s: target '%s' tenants '%s' policy %s", id, spec.target, spec.selector,
             rollout_policy_name(spec.policy));
    sim_faults_ask(sim, (struct operator_request){ .verb = OPERATOR_START, .spec = spec });
}

static void sim_faults_start_any(struct sim *sim)
{
    static const char *const selectors[] = { "",          "",           "shard=s0",
                                             "shard!=s0", "tenant=t0*", "tenant in (t1*,t2*)" };
    char id[SIM_TEXT_BYTES];
    char target[SIM_TEXT_BYTES] = "";

    if (sim->rollout_count + 8 >= SIM_ROLLOUTS_MAX) {
        return;
    }
    snprintf(id, sizeof(id), "r%02u", ++sim->rollout_count);
    if (sim_chance(sim, 400)) {
        sim_database_version((unsigned)sim_between(sim, 1, sim->edition), target);
    }
    sim_faults_start(
        sim, id,
        (struct rollout_spec){
            .selector = selectors[sim_below(sim, COUNT_OF(selectors))],
            .target = target,
            .policy = (enum rollout_policy)sim_below(sim, POLICY_COUNT),
            .max_failures = sim_chance(sim, 500) ? (uint32_t)sim_below(sim, 4) : 0,
            .concurrency = sim_chance(sim, 300) ? (uint32_t)sim_between(sim, 1, 9) : 0,
            .concurrency_per_shard = sim_chance(sim, 300) ? (uint32_t)sim_between(sim, 1, 5) : 0,
            .dry_run_only = sim_chance(sim, 80),
        });
}

static void sim_faults_lock_any(struct sim *sim)
{
    char tenant[SIM_TEXT_BYTES];
    const struct sim_shard *shard = sim_any_shard(sim);

    snprintf(tenant, sizeof(tenant), "%.20s/t%02u", shard->name,
             (unsigned)sim_below(sim, SIM_TENANTS_MAX));
    sim_faults_ask(sim, (struct operator_request){ .verb = OPERATOR_LOCK,
                                                   .object = tenant,
                                                   .lock_ttl_ms = sim_between(sim, 1, 30000) });
    if (sim_chance(sim, 300)) {
        sim_faults_ask(sim, (struct operator_request){ .verb = OPERATOR_UNLOCK, .object = tenant });
    }
}

static void sim_faults_button(struct sim *sim)
{
    static const enum operator_verb buttons[] = { OPERATOR_PAUSE, OPERATOR_RESUME, OPERATOR_RESUME,
                                                  OPERATOR_RETRY, OPERATOR_RETRY,  OPERATOR_ABORT };

    if (sim->rollout_known > 0) {
        /* Mostly the newest ones: they are the ones that move. */
        uint64_t back = sim_below(sim, sim->rollout_known < 3 ? sim->rollout_known : 3);
        const char *id = sim->rollouts[sim->rollout_known - 1 - back];
        enum operator_verb verb = buttons[sim_below(sim, COUNT_OF(buttons))];
        sim_note(sim, "button %d on %s", (int)verb, id);
        sim_faults_ask(sim, (struct operator_request){ .verb = verb, .object = id });
    }
}

static void sim_operator(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    if (sim->healed) {
        return;
    }
    if (sim->leading && sim->edition == 0) {
        sim_faults_publish(sim, 2);
    }
    switch (sim->leading ? sim_below(sim, 10) : 10) {
    case 0:
    case 1:
    case 2:
    case 3:
        sim_faults_start_any(sim);
        break;
    case 4:
    case 5:
    case 6:
        sim_faults_button(sim);
        break;
    case 7:
        sim_faults_lock_any(sim);
        break;
    case 8:
        if (sim->edition < SIM_SET_EDITIONS) {
            sim_faults_publish(sim, sim->edition + 1);
        }
        break;
    case 9:
        if (sim_chance(sim, 100)) {
            const struct sim_shard *shard = sim_any_shard(sim);
            sim_note(sim, "forget %s", shard->name);
            sim_faults_ask(sim, (struct operator_request){ .verb = OPERATOR_FORGET_SHARD,
                                                           .object = shard->name });
        }
        break;
    default:
        break;
    }
    sim_after(sim, sim_below(sim, FAULTS_OPERATOR_MS_MAX), sim_operator, NULL, 0, 0);
}

void sim_faults_begin(struct sim *sim)
{
    sim_after(sim, 3000, sim_operator, NULL, 0, 0);
    sim_after(sim, 5000, sim_tenant_event, NULL, 0, 0);
    sim_after(sim, 6000, sim_fault, NULL, 0, 0);
}

void sim_faults_heal(struct sim *sim)
{
    sim_note(sim, "from now on nothing goes wrong");
    sim->healed = true;
    sim->store_down_until_ms = 0;
    if (!sim->leader_alive) {
        sim_leader_start(sim);
    }
    for (unsigned i = 0; i < sim->shard_count; i++) {
        struct sim_shard *shard = &sim->shards[i];
        for (unsigned j = 0; j < shard->agent_count; j++) {
            if (!shard->agents[j].alive) {
                sim_agent_start(sim, &shard->agents[j]);
            }
        }
    }
}
