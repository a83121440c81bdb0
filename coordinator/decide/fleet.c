#include "coordinator/decide/fleet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/decide/control_relay.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/fleet_load.h"
#include "coordinator/decide/history.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/lock_wait.h"
#include "coordinator/decide/operator_lock.h"
#include "coordinator/decide/operator_step.h"
#include "coordinator/decide/outcome.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/session.h"
#include "coordinator/decide/token.h"
#include "coordinator/decide/wave.h"

enum { FLEET_IDLE_TICK_MS = 1000 };

struct fleet *fleet_new(void)
{
    return memory_alloc(sizeof(struct fleet));
}

/* ---- what was asked for ---- */

struct waiting *fleet_wait(struct step *step, enum waiting_kind kind, struct shard *shard)
{
    struct waiting *waiting = memory_alloc(sizeof(*waiting));

    waiting->id = ++step->fleet->next_id;
    waiting->kind = kind;
    waiting->shard = shard;
    HASH_ADD(hh, step->fleet->waiting, id, sizeof(waiting->id), waiting);
    return waiting;
}

struct waiting *fleet_take_waiting(struct fleet *fleet, uint64_t id, enum waiting_kind kind)
{
    struct waiting *waiting;

    HASH_FIND(hh, fleet->waiting, &id, sizeof(id), waiting);
    if (waiting == NULL || waiting->kind != kind) {
        return NULL;
    }
    HASH_DEL(fleet->waiting, waiting);
    return waiting;
}

static void fleet_release_waiting(struct fleet *fleet)
{
    struct waiting *waiting;
    struct waiting *next;

    HASH_ITER(hh, fleet->waiting, waiting, next)
    {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not followed through the table */
        HASH_DEL(fleet->waiting, waiting);
        if (waiting->kind == WAITING_WINDOW) {
            wave_free_window(waiting->window);
        }
        free(waiting);
    }
}

/* Forgets everything: the store and the databases have it. */
static void fleet_reset(struct fleet *fleet)
{
    fleet_release_waiting(fleet);
    history_release(fleet);
    lock_wait_release(fleet);
    session_release(fleet);
    for (size_t i = 0; i < fleet->shard_count; i++) {
        lock_table_drop_shard(fleet, fleet->shards[i]);
    }
    rollout_release(fleet);
    registry_release(fleet);
    free(fleet->holds);
    set_shelf_release(&fleet->sets);
    audit_release(&fleet->audit);
    *fleet = (struct fleet){ 0 };
}

void fleet_free(struct fleet **fleet)
{
    if (*fleet != NULL) {
        fleet_reset(*fleet);
        free(*fleet);
        *fleet = NULL;
    }
}

bool fleet_is_leading(const struct fleet *fleet)
{
    return fleet->leading;
}

uint64_t fleet_next_tick_ms(const struct fleet *fleet)
{
    return fleet->leading ? fleet->next_tick_ms : UINT64_MAX;
}

/* ---- events ---- */

static void fleet_on_tick(struct step *step)
{
    struct fleet *fleet = step->fleet;
    bool active = fleet->lock_waiters != NULL;

    for (size_t i = 0; i < fleet->shard_count; i++) {
        session_on_tick(step, fleet->shards[i]);
    }
    operator_lock_on_tick(step);
    history_on_tick(step);
    for (size_t i = 0; i < fleet->rollout_count; i++) {
        rollout_on_tick(step, fleet->rollouts[i]);
        active = active || rollout_is_active(fleet->rollouts[i]);
    }
    fleet->next_tick_ms = step->now_ms + (active ? FLUSH_INTERVAL_MS : FLEET_IDLE_TICK_MS);
}

static void fleet_on_stored(struct step *step, uint64_t ticket, uint64_t revision)
{
    struct waiting *waiting = fleet_take_waiting(step->fleet, ticket, WAITING_WINDOW);

    if (waiting != NULL) {
        wave_on_stored(step, waiting->window, ticket, token_of_revision(step->fleet, revision));
    } else {
        waiting = fleet_take_waiting(step->fleet, ticket, WAITING_SESSION);
        if (waiting != NULL) {
            session_on_stored(step, waiting->shard, waiting->lease_id);
        }
    }
    if (waiting == NULL) {
        waiting = fleet_take_waiting(step->fleet, ticket, WAITING_HOLD);
        if (waiting != NULL) {
            operator_lock_on_stored(step, waiting->call);
        }
    }
    if (waiting == NULL) {
        waiting = fleet_take_waiting(step->fleet, ticket, WAITING_PHASE);
        if (waiting != NULL) {
            rollout_on_stored(step, waiting);
        }
    }
    free(waiting);
}

static void fleet_on_granted(struct step *step, const struct event *event)
{
    struct waiting *waiting = fleet_take_waiting(step->fleet, event->lease.request, WAITING_GRANT);

    if (waiting != NULL) {
        session_on_granted(step, waiting->shard, event->lease.lease_id, event->lease.ttl_ms,
                           event->lease.failed);
    } else if (!event->lease.failed) {
        emit_lease_revoke(step, event->lease.lease_id); /* asked for by an earlier leadership */
    }
    free(waiting);
}

static void fleet_on_agent_message(struct step *step, const struct event *event)
{
    const struct agent_message *message = &event->agent.message;
    uint64_t stream = event->agent.stream;
    struct agent_link *link = session_find_link(step->fleet, stream);

    if (message->kind == AGENT_MESSAGE_HELLO) {
        session_on_hello(step, stream, event->agent.peer, &message->hello);
        return;
    }
    if (link == NULL) {
        emit_close(step, stream, ERR_INVALID, "the first message of a stream must be hello");
        return;
    }
    switch (message->kind) {
    case AGENT_MESSAGE_HEARTBEAT:
        session_on_heartbeat(step, link, &message->heartbeat);
        break;
    case AGENT_MESSAGE_TENANTS:
        if (link == link->shard->session.link && link->shard->session.state == SESSION_LIVE) {
            registry_on_report(step, link->shard, &message->tenants);
        }
        break;
    case AGENT_MESSAGE_RESULTS:
        outcome_on_results(step, link, &message->results);
        break;
    case AGENT_MESSAGE_HISTORY:
        history_on_reply(step, stream, &message->history);
        break;
    case AGENT_MESSAGE_SCHEMAS:
        history_on_schemas(step, stream, &message->schemas);
        break;
    case AGENT_MESSAGE_LEAVING:
        session_on_leaving(step, link, message->leaving_done);
        break;
    case AGENT_MESSAGE_CONTROL_CALL:
        control_relay_on_call(step, link, &message->control_call);
        break;
    case AGENT_MESSAGE_CONTROL_DONE:
        control_relay_on_done(step, link, &message->control_done);
        break;
    case AGENT_MESSAGE_HELLO:
    case AGENT_MESSAGE_COUNT:
        break;
    }
}

static void fleet_on_event(struct step *step, struct event *event)
{
    switch (event->type) {
    case EVENT_TICK:
        fleet_on_tick(step);
        break;
    case EVENT_STORED:
        fleet_on_stored(step, event->stored.ticket, event->stored.revision);
        break;
    case EVENT_LEASE_GRANTED:
        fleet_on_granted(step, event);
        break;
    case EVENT_LEASE_KEPT:
        if (!event->lease.failed) {
            session_on_kept(step, event->lease.lease_id, event->lease.ttl_ms);
        }
        break;
    case EVENT_LEASE_ENDED:
        session_on_ended(step, event->lease.lease_id);
        break;
    case EVENT_AGENT_MESSAGE:
        fleet_on_agent_message(step, event);
        break;
    case EVENT_AGENT_CLOSED:
        session_on_closed(step, event->agent.stream);
        break;
    case EVENT_OPERATOR:
        operator_step(step, &event->operator);
        break;
    case EVENT_CALL_CLOSED:
        operator_lock_on_closed(step, event->closed.call);
        break;
    case EVENT_LEADING:
    case EVENT_DEPOSED:
    case EVENT_STORE_ANSWER:
    case EVENT_QUERY:
    case EVENT_TYPE_COUNT:
        break;
    }
}

static void fleet_refuse(struct step *step, const struct event *event)
{
    struct error err;

    error_set(&err, ERR_UNAVAILABLE, "this coordinator does not lead (yet): try again");
    emit_refuse(step, event->operator.call, &err);
}

void fleet_step(struct fleet *fleet, struct event *event, struct effects *effects)
{
    struct step step = {
        .fleet = fleet, .effects = effects, .now_ms = event->now_ms, .wall_ms = event->wall_ms
    };

    assert(event->type < EVENT_TYPE_COUNT);
    if (event->type == EVENT_DEPOSED) {
        fleet_reset(fleet);
    } else if (event->type == EVENT_LEADING) {
        fleet_reset(fleet);
        fleet_load(&step, &event->loaded);
    } else if (fleet->leading) {
        fleet_on_event(&step, event);
        operator_lock_serve(&step);
        if (event->type != EVENT_TICK && fleet->next_tick_ms > step.now_ms + FLUSH_INTERVAL_MS) {
            fleet->next_tick_ms = step.now_ms + FLUSH_INTERVAL_MS;
        }
    } else if (event->type == EVENT_OPERATOR) {
        fleet_refuse(&step, event);
    }
    fleet->wall_ahead_ms = event->wall_ms - (int64_t)event->now_ms;
}
