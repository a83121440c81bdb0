/* What goes wrong: all drawn from the seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum {
    FAULTS_TENANT_MS_MAX = 9000,
    FAULTS_STORE_MS_MAX = 9000,
    FAULTS_CUT_MS_MAX = 25000,
    FAULTS_PAUSE_MS_MAX = 45000,
    FAULTS_HOUR_MS = 3600000,
    FAULTS_SKEW_MS_MAX = 2000,
};

static struct sim_shard *sim_faults_shard(struct sim *sim)
{
    return &sim->shards[sim_below(sim, sim->shard_count)];
}

/* Rather one that has something to lose. */
static struct sim_agent *sim_faults_agent(struct sim *sim)
{
    struct sim_agent *agent = NULL;

    for (int i = 0; i < 2 && (agent == NULL || agent->tasks == NULL); i++) {
        struct sim_shard *shard = sim_faults_shard(sim);
        agent = &shard->agents[sim_below(sim, shard->agent_count)];
    }
    return agent;
}

/* Mostly the one that leads. */
static struct sim_coordinator *sim_faults_coordinator(struct sim *sim)
{
    struct sim_coordinator *leader = sim_coordinator_leader(sim);

    return leader != NULL && sim_chance(sim, 600)
               ? leader
               : &sim->coordinators[sim_below(sim, SIM_COORDINATORS)];
}

/* ---- coordinators ---- */

static void sim_coordinator_comes_back(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    struct sim_coordinator *c = object;

    (void)a;
    (void)b;
    if (!c->alive) {
        sim_coordinator_start(sim, c);
    }
}

static void sim_faults_kill_coordinator(struct sim *sim)
{
    struct sim_coordinator *c = sim_faults_coordinator(sim);

    sim->statistics[SIM_COUNT_CRASHES]++;
    sim_coordinator_crash(sim, c);
    sim_after(sim, sim_below(sim, 20000), sim_coordinator_comes_back, c, 0, 0);
}

static void sim_faults_stop_coordinator(struct sim *sim)
{
    struct sim_coordinator *c = sim_faults_coordinator(sim);

    sim_coordinator_stop(sim, c);
    sim_after(sim, 3000 + sim_below(sim, 5000), sim_coordinator_comes_back, c, 0, 0);
}

static void sim_faults_pause_coordinator(struct sim *sim)
{
    sim_coordinator_pause(sim, sim_faults_coordinator(sim), sim_below(sim, FAULTS_PAUSE_MS_MAX));
}

static void sim_faults_stall_coordinator(struct sim *sim)
{
    sim_faults_coordinator(sim)->stall_ms = sim_below(sim, FAULTS_PAUSE_MS_MAX);
}

static void sim_faults_cut_from_store(struct sim *sim)
{
    struct sim_coordinator *c = sim_faults_coordinator(sim);

    c->store_cut_until_ms = sim->now_ms + sim_below(sim, FAULTS_CUT_MS_MAX);
    sim_note(sim, "c%u is cut from the store until %.3f", c->index,
             (double)c->store_cut_until_ms / 1000.0);
}

static void sim_faults_cut_from_agents(struct sim *sim)
{
    const struct sim_coordinator *c = sim_faults_coordinator(sim);
    unsigned shard = (unsigned)sim_below(sim, sim->shard_count);
    uint64_t ms = sim_below(sim, FAULTS_CUT_MS_MAX);
    bool all = sim_chance(sim, 300);

    sim_note(sim, "c%u is cut from %s for %llu ms", c->index,
             all ? "all agents" : sim->shards[shard].name, (unsigned long long)ms);
    for (unsigned i = 0; i < sim->shard_count; i++) {
        if (all || i == shard) {
            sim_net_cut(sim, c->index, i, ms);
        }
    }
}

static void sim_faults_jump(struct sim *sim)
{
    struct sim_coordinator *c = &sim->coordinators[sim_below(sim, SIM_COORDINATORS)];

    c->wall_offset_ms = (int64_t)sim_below(sim, FAULTS_SKEW_MS_MAX) - FAULTS_SKEW_MS_MAX / 2;
    if (sim->clocks_jump) {
        c->wall_offset_ms += sim_chance(sim, 500) ? FAULTS_HOUR_MS : -FAULTS_HOUR_MS;
    }
    sim_note(sim, "the clock of c%u is off by %lld ms", c->index, (long long)c->wall_offset_ms);
}

/* ---- agents ---- */

static void sim_agent_comes_back(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    struct sim_agent *agent = object;

    (void)a;
    (void)b;
    if (!agent->alive) {
        sim_agent_start(sim, agent);
    }
}

static void sim_faults_kill_agent(struct sim *sim)
{
    struct sim_agent *agent = sim_faults_agent(sim);

    sim_agent_crash(sim, agent);
    sim_after(sim, sim_below(sim, 30000), sim_agent_comes_back, agent, 0, 0);
}

static void sim_faults_stop_agent(struct sim *sim)
{
    struct sim_agent *agent = sim_faults_agent(sim);

    sim_agent_drain(sim, agent);
    sim_after(sim, 12000 + sim_below(sim, 5000), sim_agent_comes_back, agent, 0, 0);
}

static void sim_faults_pause_agent(struct sim *sim)
{
    struct sim_agent *agent = sim_faults_agent(sim);
    /* Mostly long enough for another one to take over. */
    bool takes_over = agent->shard->agent_count > 1 && sim_chance(sim, 600);

    sim_agent_pause(sim, agent,
                    takes_over ? FAULTS_PAUSE_MS_MAX : sim_below(sim, FAULTS_PAUSE_MS_MAX));
}

/* In the worst moment, and mostly until long after the lease. */
static void sim_faults_stall_agent(struct sim *sim)
{
    struct sim_agent *agent = sim_faults_agent(sim);

    agent->stall = sim_chance(sim, 700) ? SIM_STALL_BEGIN : SIM_STALL_COMMIT;
    agent->stall_ms = sim_between(sim, FAULTS_PAUSE_MS_MAX / 3, FAULTS_PAUSE_MS_MAX);
}

static void sim_faults_break_stream(struct sim *sim)
{
    const struct sim_agent *agent = sim_faults_agent(sim);

    if (agent->alive && agent->stream != 0) {
        sim_note(sim, "the stream of %s breaks", agent->id);
        sim_net_break(sim, agent->stream);
    }
}

/* ---- the store ---- */

static void sim_faults_store_elects(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    sim_etcd_extend(&sim->etcd, sim->now_ms);
}

static void sim_faults_store_away(struct sim *sim)
{
    uint64_t ms = sim_below(sim, sim_chance(sim, 150) ? 40000 : FAULTS_STORE_MS_MAX);

    sim->store_down_until_ms = sim->now_ms + ms;
    sim_note(sim, "the store is away for %llu ms", (unsigned long long)ms);
    if (sim_chance(sim, 500)) {
        sim_after(sim, ms, sim_faults_store_elects, NULL, 0, 0);
    }
}

static void sim_faults_store_ails(struct sim *sim)
{
    bool slow = sim_chance(sim, 600);
    uint64_t until = sim->now_ms + sim_below(sim, FAULTS_STORE_MS_MAX);

    *(slow ? &sim->store_slow_until_ms : &sim->store_full_until_ms) = until;
    sim_note(sim, "the store is %s until %.3f", slow ? "slow" : "full", (double)until / 1000.0);
}

static void sim_faults_break_all(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    for (size_t i = 0; i < sim->stream_count && !sim->healed; i++) {
        if (sim->streams[i].agent_end && sim_chance(sim, 700)) {
            sim_net_break(sim, i + 1);
        }
    }
}

/* Somebody deletes the leader's lease, or a store's clock runs ahead, and the leader does not hear
 * of it: for a while two of them speak, and agents go from one to the other. */
static void sim_faults_depose(struct sim *sim)
{
    struct sim_coordinator *c = sim_coordinator_leader(sim);

    if (c != NULL) {
        sim_note(sim, "the lease of c%u ends early", c->index);
        sim_etcd_revoke(&sim->etcd, leadership_lease(c->leadership));
        if (sim_chance(sim, 700)) {
            c->store_cut_until_ms = sim->now_ms + LEADER_LEASE_TTL_MS;
            sim_after(sim, sim_between(sim, 500, 2000), sim_faults_break_all, NULL, 0, 0);
            sim_after(sim, sim_between(sim, 2000, 5000), sim_faults_break_all, NULL, 0, 0);
        }
    }
}

static void sim_faults_quiet(struct sim *sim)
{
    (void)sim;
}

static void sim_fault(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    static void (*const faults[])(struct sim *) = {
        sim_faults_kill_coordinator,
        sim_faults_kill_coordinator,
        sim_faults_stop_coordinator,
        sim_faults_pause_coordinator,
        sim_faults_stall_coordinator,
        sim_faults_cut_from_store,
        sim_faults_cut_from_agents,
        sim_faults_jump,
        sim_faults_kill_agent,
        sim_faults_kill_agent,
        sim_faults_kill_agent,
        sim_faults_stop_agent,
        sim_faults_pause_agent,
        sim_faults_stall_agent,
        sim_faults_stall_agent,
        sim_faults_break_stream,
        sim_faults_break_stream,
        sim_faults_break_stream,
        sim_faults_store_away,
        sim_faults_store_ails,
        sim_faults_depose,
        sim_faults_quiet,
        sim_faults_quiet,
    };

    (void)object;
    (void)a;
    (void)b;
    if (!sim->healed) {
        faults[sim_below(sim, COUNT_OF(faults))](sim);
        sim_after(sim, sim_below(sim, sim->fault_ms_max), sim_fault, NULL, 0, 0);
    }
}

/* ---- tenants come, go and are repaired ---- */

static void sim_faults_tenant(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    if (sim->healed) {
        return;
    }
    struct sim_shard *shard = sim_faults_shard(sim);
    unsigned index = (unsigned)sim_below(sim, SIM_TENANTS_MAX);
    struct sim_tenant *tenant = &shard->tenants[index];
    if (!tenant->exists) {
        sim_database_create(sim, shard, index, 0);
    } else if (tenant->broken) {
        tenant->broken = false;
    } else if (sim_chance(sim, 400)) {
        tenant->alterations++; /* somebody adds a column by hand */
    } else if (tenant->holder == NULL && sim_chance(sim, 300)) {
        tenant->exists = false;
        sim_note(sim, "%s/%s is dropped", shard->name, tenant->name);
    }
    sim_after(sim, sim_below(sim, FAULTS_TENANT_MS_MAX), sim_faults_tenant, NULL, 0, 0);
}

void sim_faults_begin(struct sim *sim)
{
    sim_after(sim, 5000, sim_faults_tenant, NULL, 0, 0);
    sim_after(sim, 6000, sim_fault, NULL, 0, 0);
}

/* Without it rollouts are refused. */
static void sim_faults_bring_reference(struct sim *sim)
{
    if (sim->set_kind.reference && !sim->shards[0].tenants[0].exists) {
        sim_database_create(sim, &sim->shards[0], 0, 0);
    }
}

void sim_faults_heal(struct sim *sim)
{
    sim_faults_bring_reference(sim);
    sim_note(sim, "from now on nothing goes wrong");
    sim->healed = true;
    sim->store_down_until_ms = 0;
    sim->store_slow_until_ms = 0;
    sim->store_full_until_ms = 0;
    memset(sim->cut_until_ms, 0, sizeof(sim->cut_until_ms));
    for (unsigned i = 0; i < SIM_COORDINATORS; i++) {
        struct sim_coordinator *c = &sim->coordinators[i];
        c->store_cut_until_ms = 0;
        c->stall_ms = 0;
        if (!c->alive) {
            sim_coordinator_start(sim, c);
        }
        sim_after(sim, 20000, sim_coordinator_comes_back, c, 0, 0); /* if it was about to stop */
    }
    for (unsigned i = 0; i < sim->shard_count; i++) {
        struct sim_shard *shard = &sim->shards[i];
        for (unsigned j = 0; j < shard->agent_count; j++) {
            shard->agents[j].stall = SIM_STALL_NONE;
            if (!shard->agents[j].alive) {
                sim_agent_start(sim, &shard->agents[j]);
            }
            sim_after(sim, 60000, sim_agent_comes_back, &shard->agents[j], 0, 0);
        }
    }
}
