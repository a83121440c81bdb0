/* A coordinator's process, as coordinator/brain.c holds it together: events in batches, effects
 * through the real flush, leadership and leases. It may die between any two batches, be stopped
 * between them or in the middle of one, and go on. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "coordinator/store/load.h"
#include "coordinator/store/store_keys.h"
#include "tests/sim/sim_world.h"

enum {
    COORDINATOR_IDLE_MS = 200,
    COORDINATOR_LOAD_MS_MAX = 300,
    COORDINATOR_LOAD_RETRY_MS = 1000,
    COORDINATOR_STOP_MS = 2000,
    COORDINATOR_LOOK_MS = 20,
};

static void sim_coordinator_step(struct sim_coordinator *c, struct event *event)
{
    event->now_ms = c->now_ms;
    event->wall_ms = (int64_t)c->now_ms + 1700000000000 + c->wall_offset_ms;
    fleet_step(c->fleet, event, &c->effects);
}

/* ---- hooks of the flush ---- */

static void sim_coordinator_send(struct sim_coordinator *c, const struct effect *effect)
{
    struct sim *sim = c->sim;

    if (effect->send.message.kind == COORDINATOR_MESSAGE_ASSIGN) {
        sim_check_assignment(sim, c, &effect->send.message.assign);
    }
    if (sim->streams[effect->send.stream - 1].leader_end) {
        sim_net_to_agent(sim, effect->send.stream, &effect->send.message);
    }
}

static bool sim_coordinator_is_heartbeat_ack(const struct effect *effect)
{
    return effect->kind == EFFECT_SEND &&
           effect->send.message.kind == COORDINATOR_MESSAGE_HEARTBEAT_ACK;
}

static void sim_coordinator_perform(void *context, const struct effect *effect, uint64_t revision)
{
    struct sim_coordinator *c = context;
    struct sim *sim = c->sim;

    if (effect->kind == EFFECT_AFTER_STORED) {
        struct event event = { .type = EVENT_STORED };
        event.stored.ticket = effect->ticket;
        event.stored.revision = revision;
        sim_coordinator_step(c, &event);
    } else if (effect->kind == EFFECT_SEND) {
        if (!sim_coordinator_is_heartbeat_ack(
                effect)) { /* those were sent when they were decided */
            sim_coordinator_send(c, effect);
        }
    } else if (effect->kind == EFFECT_CLOSE) {
        sim_note(sim, "c%u closes stream %llu: %s", c->index,
                 (unsigned long long)effect->reply.call, effect->reply.message);
        sim_net_break(sim, effect->reply.call);
    } else if (effect->kind == EFFECT_REPLY) {
        sim_operator_on_reply(sim, effect);
    }
}

static void sim_coordinator_lease_gone(void *context, int64_t lease_id)
{
    struct sim_coordinator *c = context;
    struct event event = { .type = EVENT_LEASE_ENDED };

    event.lease.lease_id = lease_id;
    sim_coordinator_step(c, &event);
}

static void sim_coordinator_deposed(void *context)
{
    struct sim_coordinator *c = context;

    leadership_step_down(c->leadership, "the leader key is another's");
}

/* ---- hooks of the leadership ---- */

static void sim_coordinator_load(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    struct sim_coordinator *c = object;
    _Atomic bool stop = false;
    struct error err = { 0 };

    if (!c->alive || c->life != life || c->load != number) {
        return;
    }
    if (c->paused || !sim_store_reaches(sim, c)) {
        sim_after(sim, COORDINATOR_LOAD_RETRY_MS, sim_coordinator_load, c, number, life);
        return;
    }
    struct event *event = event_new(EVENT_LEADING);
    sim_etcd_expire(&sim->etcd, sim->now_ms);
    sim_client_set_synchronous(c->store, true);
    bool loaded = load_all(c->store, SIM_PREFIX, &event->arena, &event->loaded, &stop, &err);
    sim_client_set_synchronous(c->store, false);
    if (!loaded) {
        sim_fail(sim, "c%u cannot load: %s", c->index, err.message);
        load_release_sets(&event->loaded);
        event_free(&event);
        return;
    }
    event->loaded.term = c->term;
    sim_coordinator_post(sim, c, event);
}

static void sim_coordinator_won(void *context, uint64_t term)
{
    struct sim_coordinator *c = context;

    sim_note(c->sim, "c%u has won term %llu", c->index, (unsigned long long)term);
    c->term = term;
    flush_set_term(c->flush, term);
    sim_after(c->sim, sim_below(c->sim, COORDINATOR_LOAD_MS_MAX), sim_coordinator_load, c,
              ++c->load, c->life);
}

static void sim_coordinator_lost(void *context, const char *why)
{
    struct sim_coordinator *c = context;
    struct event event = { .type = EVENT_DEPOSED };

    sim_note(c->sim, "c%u does not lead any more: %s", c->index, why);
    c->load++;
    flush_set_term(c->flush, 0);
    leases_forget(c->leases);
    effects_release(&c->effects);
    sim_coordinator_step(c, &event);
    effects_release(&c->effects); /* a deposed coordinator does nothing */
    c->serving = false;
    c->follows = -1;
    sim_net_close_all(c->sim, c);
    sim_operator_close_all(c->sim, c);
}

static void sim_coordinator_leader_known(void *context, const char *address)
{
    struct sim_coordinator *c = context;

    c->follows = address[0] == '\0' ? -1 : address[1] - '0';
}

/* ---- events ---- */

static void sim_coordinator_on_loaded(struct sim_coordinator *c, struct event *event)
{
    if (leadership_state(c->leadership) != LEADER_LOADING || event->loaded.term != c->term) {
        return; /* loaded for a leadership that is over */
    }
    flush_set_last_write(c->flush, event->loaded.last_write);
    sim_coordinator_step(c, event);
    leadership_on_loaded(c->leadership);
    c->serving = true;
    c->sim->statistics[SIM_COUNT_LEADERS]++;
    sim_note(c->sim, "c%u leads with term %llu", c->index, (unsigned long long)c->term);
}

static void sim_coordinator_on_operator(struct sim_coordinator *c, struct event *event)
{
    struct effect refusal = { .kind = EFFECT_REPLY };

    if (!flush_is_stuck(c->flush, c->now_ms)) {
        sim_coordinator_step(c, event);
        return;
    }
    refusal.reply.call = event->operator.call;
    refusal.reply.code = ERR_UNAVAILABLE;
    refusal.reply.object = "";
    refusal.reply.message = "the store takes no writes";
    sim_operator_on_reply(c->sim, &refusal);
}

static void sim_coordinator_flush(struct sim_coordinator *c)
{
    while (c->effects.count > 0) {
        struct effects effects = TAKE(c->effects);
        for (size_t i = 0; i < effects.count; i++) {
            const struct effect *effect = &effects.items[i];
            if (effect->kind == EFFECT_LEASE_GRANT) {
                leases_grant(c->leases, effect->grant.request, effect->grant.ttl_ms);
            } else if (effect->kind == EFFECT_LEASE_KEEP_ALIVE) {
                leases_keep_alive(c->leases, effect->lease_id);
            } else if (effect->kind == EFFECT_LEASE_REVOKE) {
                leases_revoke(c->leases, effect->lease_id);
            } else if (sim_coordinator_is_heartbeat_ack(effect)) {
                sim_coordinator_send(c, effect);
            }
        }
        flush_add(c->flush, &effects, c->now_ms);
    }
}

static void sim_coordinator_on_answer(struct sim_coordinator *c, struct event *event)
{
    if (event->answer.kind == STORE_ANSWER_FLUSH || event->answer.kind == STORE_ANSWER_LAST_WRITE ||
        event->answer.kind == STORE_ANSWER_PROBE) {
        flush_on_answer(c->flush, event, c->now_ms);
    } else {
        leadership_on_answer(c->leadership, event, c->now_ms);
    }
}

static void sim_coordinator_apply(struct sim_coordinator *c, struct event *event)
{
    switch (event->type) {
    case EVENT_LEADING:
        sim_coordinator_on_loaded(c, event);
        break;
    case EVENT_STORE_ANSWER:
        sim_coordinator_on_answer(c, event);
        break;
    case EVENT_LEASE_GRANTED:
    case EVENT_LEASE_KEPT:
    case EVENT_LEASE_ENDED:
        if (leases_take_answer(c->leases, event)) {
            sim_coordinator_step(c, event);
        }
        break;
    case EVENT_AGENT_CLOSED:
        sim_coordinator_flush(c); /* what its last messages led to comes first */
        sim_coordinator_step(c, event);
        break;
    case EVENT_OPERATOR:
        sim_coordinator_on_operator(c, event);
        break;
    case EVENT_TICK:
    case EVENT_DEPOSED:
    case EVENT_STORED:
    case EVENT_AGENT_MESSAGE:
    case EVENT_CALL_CLOSED:
    case EVENT_QUERY:
    case EVENT_TYPE_COUNT:
        sim_coordinator_step(c, event);
        break;
    }
}

static void sim_coordinator_tick(struct sim_coordinator *c)
{
    struct event tick = { .type = EVENT_TICK };

    leadership_on_tick(c->leadership, c->now_ms);
    if (flush_backlog(c->flush) > FLUSH_BACKLOG_MAX) {
        leadership_step_down(c->leadership, "the store has not taken writes for too long");
    }
    flush_on_tick(c->flush, c->now_ms);
    leases_on_tick(c->leases, c->now_ms);
    if (fleet_is_leading(c->fleet) && c->now_ms >= fleet_next_tick_ms(c->fleet)) {
        sim_coordinator_step(c, &tick);
    }
    sim_coordinator_flush(c);
}

/* ---- batches ---- */

/* The second half of a batch. */
static void sim_coordinator_work(struct sim *sim, struct sim_coordinator *c)
{
    for (size_t i = 0; i < c->batch_count; i++) {
        struct event *event = c->batch[i];
        sim_coordinator_apply(c, event);
        event_free(&event);
    }
    c->batch_count = 0;
    sim_coordinator_flush(c);
    sim_coordinator_tick(c);
    uint64_t next = c->now_ms + COORDINATOR_IDLE_MS;
    uint64_t leadership = leadership_next_ms(c->leadership);
    next = leadership < next ? leadership : next;
    if (fleet_is_leading(c->fleet) && fleet_next_tick_ms(c->fleet) < next) {
        next = fleet_next_tick_ms(c->fleet);
    }
    if (mailbox_depth(c->inbox) > 0) {
        next = sim->now_ms;
    }
    sim_coordinator_wake(sim, c, next > sim->now_ms ? next : sim->now_ms + 1);
}

/* All that a stopping leader still listens to: what is decided is written, then the key is given
 * back. */
static void sim_coordinator_end(struct sim *sim, struct sim_coordinator *c)
{
    for (size_t i = 0; i < c->batch_count; i++) {
        struct event *event = c->batch[i];
        if (event->type == EVENT_STORE_ANSWER) {
            sim_coordinator_on_answer(c, event);
        }
        event_free(&event);
    }
    c->batch_count = 0;
    sim_coordinator_flush(c);
    flush_on_tick(c->flush, c->now_ms);
    bool waits = fleet_is_leading(c->fleet) && !flush_is_idle(c->flush);
    if (!c->resigned && (!waits || c->now_ms >= c->stop_until_ms)) {
        sim_note(sim, "c%u resigns", c->index);
        c->resigned = true;
        c->stop_until_ms = c->now_ms + COORDINATOR_STOP_MS;
        flush_set_term(c->flush, 0);
        leadership_resign(c->leadership, c->now_ms);
    }
    if (c->resigned && (leadership_is_given_back(c->leadership) || c->now_ms >= c->stop_until_ms)) {
        sim_coordinator_crash(sim, c);
        return;
    }
    sim_coordinator_wake(sim, c, sim->now_ms + COORDINATOR_LOOK_MS);
}

static void sim_coordinator_run(struct sim *sim, void *object, uint64_t wake, uint64_t life)
{
    struct sim_coordinator *c = object;

    if (!c->alive || c->life != life || c->wake != wake) {
        return;
    }
    if (c->paused) {
        sim_after(sim, c->resume_ms - sim->now_ms, sim_coordinator_run, c, wake, life);
        return;
    }
    c->wake_ms = UINT64_MAX;
    if (c->batch_count > 0 && !c->stopping) {
        sim_coordinator_work(sim, c); /* it was stopped here; its clock was read before that */
        return;
    }
    c->now_ms = sim->now_ms;
    if (mailbox_depth(c->inbox) > 0 && c->batch_count == 0) {
        c->batch_count = mailbox_take(c->inbox, c->batch, EVENT_BATCH_MAX, 0);
    }
    leadership_on_tick(c->leadership, c->now_ms);
    if (c->stopping) {
        sim_coordinator_end(sim, c);
        return;
    }
    if (c->stall_ms > 0 && c->batch_count > 0) {
        uint64_t stall_ms = c->stall_ms;
        c->stall_ms = 0;
        sim_coordinator_pause(sim, c, stall_ms);
        sim_coordinator_wake(sim, c, c->resume_ms);
        return;
    }
    sim_coordinator_work(sim, c);
    sim_check_shown(sim, c);
}

void sim_coordinator_wake(struct sim *sim, struct sim_coordinator *c, uint64_t at_ms)
{
    if (c->alive && at_ms < c->wake_ms) {
        c->wake_ms = at_ms;
        sim_after(sim, at_ms - sim->now_ms, sim_coordinator_run, c, ++c->wake, c->life);
    }
}

void sim_coordinator_post(struct sim *sim, struct sim_coordinator *c, struct event *event)
{
    if (!c->alive) {
        event_free(&event);
        return;
    }
    mailbox_post_reserved(c->inbox, event);
    sim_coordinator_wake(sim, c, sim->now_ms);
}

struct sim_coordinator *sim_coordinator_leader(struct sim *sim)
{
    const struct sim_kv *key = sim_etcd_find(&sim->etcd, SIM_PREFIX "/leader");

    for (unsigned i = 0; key != NULL && i < SIM_COORDINATORS; i++) {
        struct sim_coordinator *c = &sim->coordinators[i];
        if (c->alive && leadership_state(c->leadership) == LEADER_LEADING &&
            c->term == (uint64_t)key->create_revision && fleet_is_leading(c->fleet)) {
            return c;
        }
    }
    return NULL;
}

/* ---- life ---- */

static void sim_coordinator_discard(void *message)
{
    struct event *event = message;

    event_free(&event);
}

void sim_coordinator_start(struct sim *sim, struct sim_coordinator *c)
{
    const struct flush_hooks flush_hooks = { .perform = sim_coordinator_perform,
                                             .lease_gone = sim_coordinator_lease_gone,
                                             .deposed = sim_coordinator_deposed,
                                             .context = c };
    const struct leadership_hooks leadership_hooks = { .won = sim_coordinator_won,
                                                       .lost = sim_coordinator_lost,
                                                       .leader_known = sim_coordinator_leader_known,
                                                       .context = c };
    char address[] = { 'c', (char)('0' + c->index), '\0' };

    assert(!c->alive);
    c->sim = sim;
    c->life++;
    c->alive = true;
    c->paused = false;
    c->stopping = false;
    c->resigned = false;
    c->serving = false;
    c->follows = -1;
    c->term = 0;
    c->stall_ms = 0;
    c->batch_count = 0;
    c->now_ms = sim->now_ms;
    c->store = sim_client_new(sim, c);
    c->inbox = mailbox_new(MAILBOX_EVENTS_MAX, sim_coordinator_discard);
    c->metrics = metrics_new();
    c->fleet = fleet_new();
    c->leases = leases_new(c->store, c->inbox);
    c->flush = flush_new(c->store, c->inbox, SIM_PREFIX, c->metrics, &flush_hooks);
    c->leadership = leadership_new(c->store, c->inbox, SIM_PREFIX, address, &leadership_hooks);
    c->wake_ms = UINT64_MAX;
    sim_note(sim, "c%u starts", c->index);
    sim_coordinator_wake(sim, c, sim->now_ms + sim_below(sim, 100));
}

void sim_coordinator_crash(struct sim *sim, struct sim_coordinator *c)
{
    if (!c->alive) {
        return;
    }
    sim_note(sim, "c%u dies", c->index);
    c->alive = false;
    c->serving = false;
    leadership_free(&c->leadership); /* its watch too */
    sim_client_free(&c->store);
    flush_free(&c->flush);
    leases_free(&c->leases);
    effects_release(&c->effects);
    fleet_free(&c->fleet);
    for (size_t i = 0; i < c->batch_count; i++) {
        sim_coordinator_discard(c->batch[i]);
    }
    c->batch_count = 0;
    mailbox_free(&c->inbox);
    metrics_free(&c->metrics);
    sim_net_close_all(sim, c);
    sim_operator_close_all(sim, c);
}

void sim_coordinator_stop(struct sim *sim, struct sim_coordinator *c)
{
    if (c->alive && !c->stopping) {
        sim_note(sim, "c%u is asked to stop", c->index);
        c->stopping = true;
        c->stop_until_ms = sim->now_ms + COORDINATOR_STOP_MS;
        sim_coordinator_wake(sim, c, sim->now_ms);
    }
}

static void sim_coordinator_resume(struct sim *sim, void *object, uint64_t life, uint64_t until_ms)
{
    struct sim_coordinator *c = object;

    if (c->alive && c->life == life && c->resume_ms == until_ms) {
        sim_note(sim, "c%u goes on", c->index);
        c->paused = false;
    }
}

void sim_coordinator_pause(struct sim *sim, struct sim_coordinator *c, uint64_t ms)
{
    if (c->alive && !c->paused) {
        sim_note(sim, "c%u is stopped for %llu ms%s", c->index, (unsigned long long)ms,
                 c->batch_count > 0 ? ", in the middle of a batch" : "");
        c->paused = true;
        c->resume_ms = sim->now_ms + ms;
        sim_after(sim, ms, sim_coordinator_resume, c, c->life, c->resume_ms);
        sim_net_silence(sim, NULL, c, ms);
    }
}
