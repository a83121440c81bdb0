/* The coordinator's shell: effects become writes, then sends, in the order that effects.h promises.
 * It may die between any two of them. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum {
    LEADER_TICK_MS = 100,
    LEADER_STORE_MS_MAX = 25,
    LEADER_STORE_TIMEOUT_MS = 3000,
    LEADER_REVOKE_RETRY_MS = 500,
};

static void sim_leader_pump(struct sim *sim);

bool sim_store_is_up(const struct sim *sim)
{
    return sim->now_ms >= sim->store_down_until_ms;
}

static bool sim_lease_is_dead(void *user, int64_t lease_id)
{
    const struct sim *sim = user;

    return !sim->leases[lease_id].alive;
}

static void sim_lease_expire(struct sim *sim)
{
    for (int64_t id = 1; id <= sim->lease_count; id++) {
        struct sim_lease *lease = &sim->leases[id];
        if (lease->alive && sim->now_ms >= lease->until_ms) {
            lease->alive = false;
            sim_store_drop_lease(&sim->store, id);
        }
    }
}

static void sim_leader_step(struct sim *sim, struct event *event)
{
    struct sim_batch *batch = memory_alloc(sizeof(*batch));

    event->now_ms = sim->now_ms;
    event->wall_ms = (int64_t)sim->now_ms + 1700000000000;
    fleet_step(sim->fleet, event, &batch->effects);
    if (sim->last == NULL) {
        sim->first = batch;
    } else {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the last one goes with the first */
        sim->last->next = batch;
    }
    sim->last = batch;
}

/* ---- leases: not behind writes, answered late or never ---- */

static void sim_leader_lease_answer(struct sim *sim, enum event_type type, uint64_t request,
                                    int64_t lease, bool failed)
{
    struct event *event = event_new(type);

    event->lease.request = request;
    event->lease.lease_id = lease;
    event->lease.ttl_ms = SESSION_STORED_TTL_MS;
    event->lease.failed = failed;
    sim_leader_event(sim, event);
}

static void sim_leader_granted(struct sim *sim, void *object, uint64_t request, uint64_t leader)
{
    (void)object;
    if (!sim->leading || sim->leader != leader) {
        return;
    }
    if (!sim_store_is_up(sim)) {
        sim_leader_lease_answer(sim, EVENT_LEASE_GRANTED, request, 0, true);
        return;
    }
    if (sim->lease_count + 1 == SIM_LEASES_MAX) {
        sim_fail(sim, "too many leases: somebody asks for them in a loop");
        return;
    }
    int64_t lease = ++sim->lease_count;
    sim->leases[lease] =
        (struct sim_lease){ .alive = true, .until_ms = sim->now_ms + SESSION_STORED_TTL_MS };
    sim_leader_lease_answer(sim, EVENT_LEASE_GRANTED, request, lease, false);
}

static void sim_leader_kept(struct sim *sim, void *object, uint64_t lease, uint64_t leader)
{
    (void)object;
    if (!sim_store_is_up(sim)) {
        return; /* a keep-alive that is lost is no event */
    }
    sim_lease_expire(sim);
    bool alive = sim->leases[lease].alive;
    if (alive) {
        sim->leases[lease].until_ms = sim->now_ms + SESSION_STORED_TTL_MS;
    }
    if (sim->leading && sim->leader == leader) {
        sim_leader_lease_answer(sim, alive ? EVENT_LEASE_KEPT : EVENT_LEASE_ENDED, 0,
                                (int64_t)lease, false);
    }
}

static void sim_leader_revoked(struct sim *sim, void *object, uint64_t lease, uint64_t leader)
{
    (void)object;
    if (!sim->leading || sim->leader != leader) {
        return;
    }
    if (!sim_store_is_up(sim)) {
        sim_after(sim, LEADER_REVOKE_RETRY_MS, sim_leader_revoked, NULL, lease, leader);
        return;
    }
    sim->leases[lease].alive = false;
    sim_store_drop_lease(&sim->store, (int64_t)lease);
    sim_leader_lease_answer(sim, EVENT_LEASE_ENDED, 0, (int64_t)lease, false);
}

static uint64_t sim_leader_store_delay(struct sim *sim)
{
    uint64_t delay = sim_between(sim, 1, LEADER_STORE_MS_MAX);

    return !sim->healed && sim_chance(sim, 10) ? delay + sim_below(sim, 2000) : delay;
}

static void sim_leader_do_leases(struct sim *sim, const struct effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        uint64_t delay = sim_leader_store_delay(sim);
        if (effect->kind == EFFECT_LEASE_GRANT) {
            sim_after(sim, delay, sim_leader_granted, NULL, effect->grant.request, sim->leader);
        } else if (effect->kind == EFFECT_LEASE_KEEP_ALIVE) {
            sim_after(sim, delay, sim_leader_kept, NULL, (uint64_t)effect->lease_id, sim->leader);
        } else if (effect->kind == EFFECT_LEASE_REVOKE) {
            sim_after(sim, delay, sim_leader_revoked, NULL, (uint64_t)effect->lease_id,
                      sim->leader);
        }
    }
}

/* ---- what comes after writes ---- */

static void sim_leader_on_reply(struct sim *sim, const struct effect *effect)
{
    uint64_t call = effect->reply.call;
    enum operator_verb verb = sim->verbs[call % COUNT_OF(sim->verbs)];

    sim_note(sim, "operator call %llu: %s %s %s", (unsigned long long)call,
             err_code_name(effect->reply.code), effect->reply.object, effect->reply.message);
    if (verb == OPERATOR_START && effect->reply.code == ERR_NONE) {
        if (sim_store_find(&sim->store, RECORD_ROLLOUT_SPEC, effect->reply.object, "") == NULL) {
            sim_fail(sim, "rollout %s was answered before it was durable", effect->reply.object);
        }
        snprintf(sim->rollouts[sim->rollout_known++], SIM_TEXT_BYTES, "%s", effect->reply.object);
        sim->statistics[SIM_COUNT_ROLLOUTS]++;
    }
}

static void sim_leader_perform(struct sim *sim, const struct effect *effect)
{
    if (effect->kind == EFFECT_SEND) {
        const struct sim_stream *stream = &sim->streams[effect->send.stream - 1];
        if (effect->send.message.kind == COORDINATOR_MESSAGE_ASSIGN) {
            sim_check_assignment(sim, stream->agent, &effect->send.message.assign);
        }
        if (stream->leader_end) {
            sim_net_to_agent(sim, effect->send.stream, &effect->send.message);
        }
    } else if (effect->kind == EFFECT_CLOSE) {
        sim_note(sim, "leader closes stream %llu: %s", (unsigned long long)effect->reply.call,
                 effect->reply.message);
        sim->streams[effect->reply.call - 1].leader_end = false;
        sim_net_break(sim, effect->reply.call);
    } else if (effect->kind == EFFECT_REPLY) {
        sim_leader_on_reply(sim, effect);
    } else if (effect->kind == EFFECT_AFTER_STORED) {
        struct event event = { .type = EVENT_STORED };
        event.stored.ticket = effect->ticket;
        event.stored.revision = sim->store.revision;
        sim_leader_step(sim, &event);
        sim_leader_do_leases(sim, &sim->last->effects);
    }
}

/* ---- writes: one transaction at a time, each a prefix of what is to be written ---- */

static bool sim_is_write(const struct effect *effect)
{
    return effect->kind == EFFECT_PUT || effect->kind == EFFECT_DELETE;
}

static size_t sim_leader_collect(const struct sim *sim, const struct effect **writes, size_t max)
{
    size_t count = 0;

    for (const struct sim_batch *batch = sim->first; batch != NULL; batch = batch->next) {
        for (size_t i = batch->at; i < batch->effects.count && count < max; i++) {
            if (sim_is_write(&batch->effects.items[i])) {
                writes[count++] = &batch->effects.items[i];
            }
        }
    }
    return count;
}

/* Leases that the writes are bound to and that are gone: the decisions are told. */
static void sim_leader_tell_dead(struct sim *sim, const int64_t *dead, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct event event = { .type = EVENT_LEASE_ENDED };
        event.lease.lease_id = dead[i];
        sim_leader_step(sim, &event);
        sim_leader_do_leases(sim, &sim->last->effects);
    }
}

static void sim_leader_apply(struct sim *sim)
{
    const struct effect *writes[STORE_TXN_OPS_MAX];
    int64_t dead[STORE_TXN_OPS_MAX];
    size_t dead_count = 0;
    size_t count = sim_leader_collect(sim, writes, sim->txn_writes);

    assert(count == sim->txn_writes);
    sim_lease_expire(sim);
    for (size_t i = 0; i < count; i++) {
        int64_t lease = writes[i]->lease_id;
        bool told = false;
        for (size_t j = 0; j < dead_count; j++) {
            told = told || dead[j] == lease;
        }
        if (lease != 0 && !sim->leases[lease].alive && !told) {
            dead[dead_count++] = lease;
        }
    }
    sim_store_apply(&sim->store, writes, count, sim_lease_is_dead, sim);
    sim_leader_tell_dead(sim, dead, dead_count);
}

/* Everything up to the first write that is not durable. `durable` writes are. */
static void sim_leader_advance(struct sim *sim, size_t durable)
{
    while (sim->first != NULL && !sim->failed) {
        struct sim_batch *batch = sim->first;
        if (batch->at == batch->effects.count) {
            sim->first = batch->next;
            if (sim->first == NULL) {
                sim->last = NULL;
            }
            effects_release(&batch->effects);
            free(batch);
            continue;
        }
        const struct effect *effect = &batch->effects.items[batch->at];
        if (sim_is_write(effect)) {
            if (durable == 0) {
                return;
            }
            durable--;
            batch->at++;
        } else {
            batch->at++;
            sim_leader_perform(sim, effect);
        }
    }
}

static void sim_leader_txn(struct sim *sim, void *object, uint64_t leader, uint64_t unused)
{
    (void)object;
    (void)unused;
    if (sim->leader != leader || !sim->leader_alive) {
        return; /* its leader key is gone: the compare fails */
    }
    if (!sim_store_is_up(sim)) {
        sim_after(sim, LEADER_STORE_TIMEOUT_MS, sim_leader_txn, NULL, leader, 0);
        return;
    }
    size_t writes = sim->txn_writes;
    sim_leader_apply(sim);
    sim->txn_in_flight = false;
    sim->txn_writes = 0;
    sim_leader_advance(sim, writes);
    sim_leader_pump(sim);
}

static void sim_leader_pump(struct sim *sim)
{
    const struct effect *writes[STORE_TXN_OPS_MAX];

    if (sim->txn_in_flight || sim->failed) {
        return;
    }
    sim_leader_advance(sim, 0);
    size_t count = sim_leader_collect(sim, writes, STORE_TXN_OPS_MAX);
    if (count > 0) {
        sim->txn_in_flight = true;
        sim->txn_writes = count;
        sim_after(sim, sim_leader_store_delay(sim), sim_leader_txn, NULL, sim->leader, 0);
    }
}

void sim_leader_event(struct sim *sim, struct event *event)
{
    sim_leader_step(sim, event);
    event_free(&event);
    sim_leader_do_leases(sim, &sim->last->effects);
    sim_leader_pump(sim);
}

/* ---- life ---- */

static void sim_leader_tick(struct sim *sim, void *object, uint64_t leader, uint64_t unused)
{
    (void)object;
    (void)unused;
    if (!sim->leader_alive || sim->leader != leader) {
        return;
    }
    sim_leader_event(sim, event_new(EVENT_TICK));
    sim_check_safety(sim);
    sim_after(sim, LEADER_TICK_MS, sim_leader_tick, NULL, leader, 0);
}

static void sim_leader_load(struct sim *sim, void *object, uint64_t leader, uint64_t unused)
{
    (void)object;
    (void)unused;
    if (!sim->leader_alive || sim->leader != leader) {
        return;
    }
    if (!sim_store_is_up(sim)) {
        sim_after(sim, 1000, sim_leader_load, NULL, leader, 0);
        return;
    }
    sim_lease_expire(sim);
    sim->store.revision++; /* the leader key */
    sim->leading = true;
    sim_note(sim, "leader %llu leads with term %llu", (unsigned long long)leader,
             (unsigned long long)sim->store.revision);
    sim_leader_event(sim, sim_store_load(&sim->store, sim->store.revision));
    sim_leader_tick(sim, NULL, leader, 0);
}

void sim_leader_start(struct sim *sim)
{
    sim->leader++;
    sim->leader_alive = true;
    sim_after(sim, sim_between(sim, 10, 3000), sim_leader_load, NULL, sim->leader, 0);
}

void sim_leader_crash(struct sim *sim)
{
    if (!sim->leader_alive) {
        return;
    }
    sim_note(sim, "leader %llu dies", (unsigned long long)sim->leader);
    sim->statistics[SIM_COUNT_CRASHES]++;
    sim->leader_alive = false;
    sim->leading = false;
    /* The transaction under way may have arrived or not. */
    if (sim->txn_in_flight && sim_store_is_up(sim) && sim_chance(sim, 500)) {
        const struct effect *writes[STORE_TXN_OPS_MAX];
        size_t count = sim_leader_collect(sim, writes, sim->txn_writes);
        sim_lease_expire(sim);
        sim_store_apply(&sim->store, writes, count, sim_lease_is_dead, sim);
    }
    sim->txn_in_flight = false;
    sim->txn_writes = 0;
    while (sim->first != NULL) {
        struct sim_batch *batch = sim->first;
        sim->first = batch->next;
        effects_release(&batch->effects);
        free(batch);
    }
    sim->last = NULL;
    if (sim_chance(sim, 500)) {
        /* Not the process, only its leadership: the same object goes on. */
        struct effects none = { 0 };
        struct event event = { .type = EVENT_DEPOSED };
        fleet_step(sim->fleet, &event, &none);
        effects_release(&none);
    } else {
        fleet_free(&sim->fleet);
        sim->fleet = fleet_new();
    }
    for (size_t i = 1; i <= sim->stream_count; i++) {
        if (sim->streams[i - 1].leader == sim->leader && sim->streams[i - 1].leader_end) {
            sim->streams[i - 1].leader_end = false;
            sim_net_break(sim, i);
        }
    }
}
