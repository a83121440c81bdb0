#include "tests/bench/scale_world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/core/memory.h"
#include "coordinator/decide/event.h"

static uint64_t scale_world_cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- time ---- */

static bool scale_item_is_before(const struct scale_item *a, const struct scale_item *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

void scale_world_later(struct scale_world *world, uint64_t delay_ms,
                       void (*run)(struct scale_world *world, struct scale_agent *agent,
                                   void *payload),
                       struct scale_agent *agent, void *payload)
{
    const struct scale_item item = { .at_ms = world->now_ms + delay_ms,
                                     .order = world->order++,
                                     .run = run,
                                     .agent = agent,
                                     .payload = payload };
    size_t at = world->heap_count;

    world->heap = memory_reserve(world->heap, world->heap_count, &world->heap_capacity,
                                 sizeof(struct scale_item));
    world->heap_count++;
    while (at > 0 && scale_item_is_before(&item, &world->heap[(at - 1) / 2])) {
        world->heap[at] = world->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->heap[at] = item;
}

static struct scale_item scale_world_take(struct scale_world *world)
{
    struct scale_item first = world->heap[0];
    struct scale_item last = world->heap[--world->heap_count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < world->heap_count &&
            scale_item_is_before(&world->heap[child + 1], &world->heap[child])) {
            child++;
        }
        if (child >= world->heap_count || scale_item_is_before(&last, &world->heap[child])) {
            break;
        }
        world->heap[at] = world->heap[child];
        at = child;
    }
    world->heap[at] = last;
    return first;
}

/* ---- the coordinator's shell: as brain.c and flush.c have it ---- */

static void scale_world_step(struct scale_world *world, struct event *event)
{
    uint64_t begin_us = scale_world_cpu_us();

    event->now_ms = world->now_ms;
    event->wall_ms = (int64_t)world->now_ms;
    fleet_step(world->fleet, event, &world->effects);
    uint64_t took_us = scale_world_cpu_us() - begin_us;
    world->counts.events++;
    world->counts.decide_us += took_us;
    if (took_us > world->counts.step_us_max) {
        world->counts.step_us_max = took_us;
    }
}

static void scale_world_perform(struct scale_world *world, const struct effect *effect)
{
    if (effect->kind == EFFECT_AFTER_STORED) {
        struct event stored = { .type = EVENT_STORED };
        stored.stored.ticket = effect->ticket;
        stored.stored.revision = world->revision;
        scale_world_step(world, &stored);
    } else if (effect->kind == EFFECT_SEND) {
        world->counts.sent[effect->send.message.kind]++;
        assert(effect->send.stream >= 1);
        assert(effect->send.stream <= world->agent_count);
        scale_agents_message(world, &world->agents[effect->send.stream - 1], &effect->send.message);
    } else if (effect->kind == EFFECT_REPLY) {
        world->reply = effect->reply.code;
    } else {
        /* Agents neither leave nor fall silent here. */
        assert(effect->kind != EFFECT_CLOSE);
    }
}

/* Performs every effect that no write stands before any more. */
static void scale_world_advance(struct scale_world *world)
{
    while (world->first != NULL) {
        struct write_batch *batch = world->first;
        size_t until = batch->writes_done == batch->write_count
                           ? batch->effects.count
                           : batch->writes[batch->writes_done].effect;
        while (batch->effects_done < until) {
            const struct effect *effect = &batch->effects.items[batch->effects_done++];
            world->backlog--;
            if (effect->kind != EFFECT_PUT && effect->kind != EFFECT_DELETE) {
                scale_world_perform(world, effect);
            }
        }
        if (batch->writes_done < batch->write_count) {
            return;
        }
        world->first = batch->next;
        if (world->first == NULL) {
            world->last = &world->first;
        }
        write_batch_free(&batch);
    }
}

static void scale_world_answered(struct scale_world *world, struct scale_agent *agent,
                                 void *payload)
{
    size_t left = world->txn.write_count;

    (void)agent;
    (void)payload;
    world->txn_in_flight = false;
    world->revision++;
    for (struct write_batch *batch = world->first; left > 0; batch = batch->next) {
        size_t open = batch->write_count - batch->writes_done;
        size_t done = open < left ? open : left;
        batch->writes_done += done;
        left -= done;
    }
    scale_world_advance(world);
}

static void scale_world_transact(struct scale_world *world)
{
    uint64_t begin_us = scale_world_cpu_us();

    if (world->txn_in_flight) {
        return;
    }
    write_txn_fill(&world->txn, world->first, NULL, 0);
    world->counts.write_us += scale_world_cpu_us() - begin_us;
    if (world->txn.write_count > 0) {
        world->txn_in_flight = true;
        world->counts.transactions++;
        world->counts.operations += world->txn.op_count;
        scale_world_later(world, SCALE_STORE_MS, scale_world_answered, NULL, NULL);
    }
}

static void scale_world_lease_answer(struct scale_world *world, struct scale_agent *agent,
                                     void *payload)
{
    struct event *event = payload;

    (void)agent;
    scale_world_event(world, event);
}

static void scale_world_do_leases(struct scale_world *world, const struct effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        struct event *event = NULL;
        if (effect->kind == EFFECT_LEASE_GRANT) {
            event = event_new(EVENT_LEASE_GRANTED);
            event->lease.request = effect->grant.request;
            event->lease.lease_id = ++world->lease;
            event->lease.ttl_ms = effect->grant.ttl_ms;
        } else if (effect->kind == EFFECT_LEASE_KEEP_ALIVE) {
            event = event_new(EVENT_LEASE_KEPT);
            event->lease.lease_id = effect->lease_id;
            event->lease.ttl_ms = SESSION_STORED_TTL_MS;
        } else {
            assert(effect->kind != EFFECT_LEASE_REVOKE);
            continue;
        }
        world->counts.lease_calls++;
        scale_world_later(world, SCALE_STORE_MS, scale_world_lease_answer, NULL, event);
    }
}

/* The end of a batch of events: what they led to goes to the store and from there on. */
static void scale_world_flush(struct scale_world *world)
{
    while (world->effects.count > 0) {
        struct effects effects = TAKE(world->effects);
        scale_world_do_leases(world, &effects);
        world->backlog += effects.count;
        if (world->backlog > world->counts.backlog_max) {
            world->counts.backlog_max = world->backlog;
        }
        uint64_t begin_us = scale_world_cpu_us();
        struct write_batch *batch = write_batch_new(&effects, "/skein");
        world->counts.write_us += scale_world_cpu_us() - begin_us;
        *world->last = batch;
        world->last = &batch->next;
        if (!world->txn_in_flight && world->first == batch) {
            scale_world_advance(world);
        }
    }
    world->batch_events = 0;
    scale_world_transact(world);
}

void scale_world_event(struct scale_world *world, struct event *event)
{
    if (event->type == EVENT_AGENT_MESSAGE) {
        world->counts.received[event->agent.message.kind]++;
    }
    scale_world_step(world, event);
    event_free(&event);
    if (++world->batch_events == EVENT_BATCH_MAX) {
        scale_world_flush(world);
    }
}

static void scale_world_tick(struct scale_world *world)
{
    struct event tick = { .type = EVENT_TICK };

    scale_world_step(world, &tick);
    scale_world_flush(world);
}

void scale_world_run(struct scale_world *world, uint64_t until_ms)
{
    while (world->now_ms < until_ms) {
        uint64_t tick_ms = fleet_next_tick_ms(world->fleet);
        uint64_t next_ms = world->heap_count > 0 ? world->heap[0].at_ms : until_ms;
        if (tick_ms < next_ms) {
            next_ms = tick_ms;
        }
        world->now_ms = next_ms < until_ms ? next_ms : until_ms;
        while (world->heap_count > 0 && world->heap[0].at_ms <= world->now_ms) {
            struct scale_item item = scale_world_take(world);
            item.run(world, item.agent, item.payload);
        }
        scale_world_flush(world);
        if (tick_ms <= world->now_ms) {
            scale_world_tick(world);
        }
    }
    world->counts.now_ms = world->now_ms;
}

/* ---- life ---- */

void scale_world_init(struct scale_world *world, size_t agent_count, size_t tenant_count)
{
    struct event *event = event_new(EVENT_LEADING);

    *world = (struct scale_world){ .agent_count = agent_count, .tenant_count = tenant_count };
    world->now_ms = 100000;
    world->last = &world->first;
    world->agents = memory_alloc_array(agent_count, sizeof(struct scale_agent));
    world->tenants = memory_alloc_array(tenant_count, sizeof(struct scale_tenant));
    world->fleet = fleet_new();
    world->revision = 1000;
    event->loaded.term = 1;
    scale_world_event(world, event);
    scale_world_flush(world);
}

void scale_world_release(struct scale_world *world)
{
    while (world->first != NULL) {
        struct write_batch *batch = world->first;
        world->first = batch->next;
        write_batch_free(&batch);
    }
    for (size_t i = 0; i < world->heap_count; i++) {
        if (world->heap[i].run == scale_world_lease_answer) {
            struct event *event = world->heap[i].payload;
            event_free(&event);
        } else {
            free(world->heap[i].payload);
        }
    }
    effects_release(&world->effects);
    fleet_free(&world->fleet);
    free(world->heap);
    free(world->agents);
    free(world->tenants);
}
