/* Streams: in order, late by chance, and gone at any moment with what is on its way. */
#include <assert.h>
#include <stdlib.h>

#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "tests/sim/sim_world.h"

enum { NET_DELAY_MS_MAX = 40, NET_NOTICE_MS_MAX = 4000 };

/* A message to an agent, with everything that it points to. */
struct sim_letter {
    struct arena arena;
    struct coordinator_message message;
};

static struct sim_stream *sim_net_stream(struct sim *sim, uint64_t stream)
{
    assert(stream >= 1);
    assert(stream <= sim->stream_count);
    return &sim->streams[stream - 1];
}

uint64_t sim_net_open(struct sim *sim, struct sim_agent *agent)
{
    if (sim->stream_count == SIM_STREAMS_MAX) {
        sim_fail(sim, "too many streams: somebody reconnects in a loop");
        return 1;
    }
    sim->streams[sim->stream_count++] = (struct sim_stream){ .agent = agent,
                                                             .life = agent->life,
                                                             .leader = sim->leader,
                                                             .agent_end = true,
                                                             .leader_end = true };
    return sim->stream_count;
}

static uint64_t sim_net_delay(struct sim *sim, uint64_t *last_ms)
{
    uint64_t at = sim->now_ms + sim_between(sim, 1, NET_DELAY_MS_MAX);

    if (!sim->healed && sim_chance(sim, 5)) {
        at += sim_below(sim, 3000); /* a stall */
    }
    *last_ms = at > *last_ms ? at : *last_ms;
    return *last_ms - sim->now_ms;
}

/* UINT64_MAX in the last argument of a delivery marks what owns memory. */
static void sim_net_reach_leader(struct sim *sim, void *object, uint64_t number, uint64_t marks)
{
    struct event *event = object;
    struct sim_stream *stream = sim_net_stream(sim, number);

    (void)marks;
    if (stream->leader_end && stream->agent_end && sim->leading && stream->leader == sim->leader) {
        sim_leader_event(sim, event);
    } else {
        event_free(&event);
    }
}

void sim_net_to_leader(struct sim *sim, uint64_t number, struct event *event)
{
    struct sim_stream *stream = sim_net_stream(sim, number);

    event->agent.stream = number;
    event->agent.peer = "peer";
    sim_after(sim, sim_net_delay(sim, &stream->up_ms), sim_net_reach_leader, event, number,
              UINT64_MAX);
}

static void sim_net_reach_agent(struct sim *sim, void *object, uint64_t number, uint64_t marks)
{
    struct sim_letter *letter = object;
    struct sim_stream *stream = sim_net_stream(sim, number);

    (void)marks;
    if (stream->agent_end && stream->agent->alive && stream->agent->life == stream->life) {
        if (stream->agent->paused) {
            /* It waits in the socket's buffer. */
            sim_after(sim, stream->agent->resume_ms - sim->now_ms + 1, sim_net_reach_agent, letter,
                      number, UINT64_MAX);
            return;
        }
        sim_agent_message(sim, stream->agent, number, &letter->message);
    }
    arena_release(&letter->arena);
    free(letter);
}

static void sim_net_copy_assign(struct sim_letter *letter, const struct task_assignment *from)
{
    struct task_assignment *assign = &letter->message.assign;
    struct task_item *items = arena_alloc_array(&letter->arena, from->task_count, sizeof(*items));

    assign->rollout = copy_text(&letter->arena, from->rollout);
    assign->set = copy_text(&letter->arena, from->set);
    assign->digest = copy_text(&letter->arena, from->digest);
    assign->target = copy_text(&letter->arena, from->target);
    for (size_t i = 0; i < from->task_count; i++) {
        items[i].tenant = copy_text(&letter->arena, from->tasks[i].tenant);
        items[i].from = copy_text(&letter->arena, from->tasks[i].from);
    }
    assign->tasks = items;
}

void sim_net_to_agent(struct sim *sim, uint64_t number, const struct coordinator_message *message)
{
    struct sim_stream *stream = sim_net_stream(sim, number);
    struct sim_letter *letter = memory_alloc(sizeof(*letter));

    letter->message = *message;
    if (message->kind == COORDINATOR_MESSAGE_ASSIGN) {
        sim_net_copy_assign(letter, &message->assign);
    } else if (message->kind == COORDINATOR_MESSAGE_CANCEL) {
        letter->message.cancel.rollout = copy_text(&letter->arena, message->cancel.rollout);
    } else if (message->kind == COORDINATOR_MESSAGE_STANDBY) {
        letter->message.standby_for = copy_text(&letter->arena, message->standby_for);
    }
    sim_after(sim, sim_net_delay(sim, &stream->down_ms), sim_net_reach_agent, letter, number,
              UINT64_MAX);
}

static void sim_net_agent_notices(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    struct sim_agent *agent = object;

    if (agent->alive && agent->life == life) {
        if (agent->paused) {
            sim_after(sim, agent->resume_ms - sim->now_ms + 1, sim_net_agent_notices, agent, number,
                      life);
            return;
        }
        sim_agent_closed(sim, agent, number);
    }
}

static void sim_net_leader_notices(struct sim *sim, void *object, uint64_t number, uint64_t leader)
{
    (void)object;
    if (sim->leading && sim->leader == leader) {
        struct event *event = event_new(EVENT_AGENT_CLOSED);
        event->agent.stream = number;
        sim_leader_event(sim, event);
    }
}

void sim_net_break(struct sim *sim, uint64_t number)
{
    struct sim_stream *stream = sim_net_stream(sim, number);

    if (stream->agent_end) {
        stream->agent_end = false;
        sim_after(sim, sim_below(sim, NET_NOTICE_MS_MAX), sim_net_agent_notices, stream->agent,
                  number, stream->life);
    }
    if (stream->leader_end) {
        stream->leader_end = false;
        sim_after(sim, sim_below(sim, NET_NOTICE_MS_MAX), sim_net_leader_notices, NULL, number,
                  stream->leader);
    }
}
