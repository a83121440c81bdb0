/* Streams between agents and coordinators: in order each, late by chance and independently of each
 * other, and gone at any moment with what is on its way. */
#include <assert.h>
#include <stdlib.h>

#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "tests/sim/sim_world.h"

enum { NET_DELAY_MS_MAX = 40, NET_NOTICE_MS_MAX = 4000, NET_SILENCE_MS = 15000 };

/* A message to an agent, with everything that it points to. */
struct sim_letter {
    struct arena arena;
    struct coordinator_message message;
    bool there; /* it has arrived, and waits for a process that is stopped */
};

static struct sim_stream *sim_net_stream(struct sim *sim, uint64_t stream)
{
    assert(stream >= 1);
    assert(stream <= sim->stream_count);
    return &sim->streams[stream - 1];
}

static uint64_t sim_net_cut_until(const struct sim *sim, const struct sim_agent *agent,
                                  unsigned coordinator)
{
    return sim->cut_until_ms[coordinator][agent->shard - sim->shards];
}

bool sim_net_is_cut(const struct sim *sim, const struct sim_agent *agent, unsigned coordinator)
{
    return sim->now_ms < sim_net_cut_until(sim, agent, coordinator);
}

uint64_t sim_net_open(struct sim *sim, struct sim_agent *agent, unsigned coordinator)
{
    if (sim->stream_count == SIM_STREAMS_MAX) {
        sim_fail(sim, "too many streams: somebody reconnects in a loop");
        return 1;
    }
    sim->streams[sim->stream_count++] =
        (struct sim_stream){ .agent = agent,
                             .life = agent->life,
                             .coordinator = coordinator,
                             .coordinator_life = sim->coordinators[coordinator].life,
                             .agent_end = true,
                             .leader_end = true };
    return sim->stream_count;
}

static uint64_t sim_net_delay(struct sim *sim, const struct sim_stream *stream, uint64_t *last_ms)
{
    uint64_t at = sim->now_ms + sim_between(sim, 1, NET_DELAY_MS_MAX);
    uint64_t cut_ms = sim_net_cut_until(sim, stream->agent, stream->coordinator);

    if (!sim->healed && sim_chance(sim, 5)) {
        at += sim_below(sim, 3000); /* a stall */
    }
    if (cut_ms > sim->now_ms) {
        at += cut_ms - sim->now_ms; /* sent again when the network is back */
    }
    *last_ms = at > *last_ms ? at : *last_ms;
    return *last_ms - sim->now_ms;
}

/* UINT64_MAX in the last argument of a delivery marks what owns memory. */
static void sim_net_reach_leader(struct sim *sim, void *object, uint64_t number, uint64_t marks)
{
    struct event *event = object;
    struct sim_stream *stream = sim_net_stream(sim, number);
    struct sim_coordinator *c = &sim->coordinators[stream->coordinator];

    (void)marks;
    if (stream->leader_end && c->alive && c->life == stream->coordinator_life && !c->stopping) {
        sim_coordinator_post(sim, c, event);
    } else {
        event_free(&event);
    }
}

void sim_net_to_leader(struct sim *sim, uint64_t number, struct event *event)
{
    struct sim_stream *stream = sim_net_stream(sim, number);

    event->agent.stream = number;
    event->agent.peer = "peer";
    sim_after(sim, sim_net_delay(sim, stream, &stream->up_ms), sim_net_reach_leader, event, number,
              UINT64_MAX);
}

static void sim_net_reach_agent(struct sim *sim, void *object, uint64_t number, uint64_t marks)
{
    struct sim_letter *letter = object;
    struct sim_stream *stream = sim_net_stream(sim, number);
    struct sim_agent *agent = stream->agent;

    (void)marks;
    if ((stream->agent_end || letter->there) && agent->alive && agent->life == stream->life) {
        if (agent->paused) {
            letter->there = true; /* in the socket's buffer */
            sim_after(sim, agent->resume_ms - sim->now_ms + 1, sim_net_reach_agent, letter, number,
                      UINT64_MAX);
            return;
        }
        sim_agent_message(sim, agent, number, &letter->message);
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
    assign->from_ledger = copy_text(&letter->arena, from->from_ledger);
    assign->labels = copy_labels(&letter->arena, &from->labels);
    for (size_t i = 0; i < from->task_count; i++) {
        items[i].tenant = copy_text(&letter->arena, from->tasks[i].tenant);
        items[i].from = copy_text(&letter->arena, from->tasks[i].from);
        items[i].repeatables = from->tasks[i].repeatables;
        items[i].stamp = from->tasks[i].stamp;
        items[i].baseline = copy_text(&letter->arena, from->tasks[i].baseline);
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
    } else if (message->kind == COORDINATOR_MESSAGE_CONTROL_RUN) {
        /* What the model looks at. */
        letter->message.control_run.hook = copy_text(&letter->arena, message->control_run.hook);
        letter->message.control_run.call.rollout =
            copy_text(&letter->arena, message->control_run.call.rollout);
    }
    sim_after(sim, sim_net_delay(sim, stream, &stream->down_ms), sim_net_reach_agent, letter,
              number, UINT64_MAX);
}

/* ---- ends ---- */

static void sim_net_agent_notices(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    struct sim_agent *agent = object;

    if (agent->alive && agent->life == life) {
        if (agent->paused) {
            sim_after(sim, agent->resume_ms - sim->now_ms + 2, sim_net_agent_notices, agent, number,
                      life);
            return;
        }
        const struct sim_coordinator *c =
            &sim->coordinators[sim_net_stream(sim, number)->coordinator];
        bool tells = c->alive && !c->paused && !c->serving; /* who leads, in the trailers */
        sim_agent_closed(sim, agent, number, tells ? c->follows : -1);
    }
}

static void sim_net_leader_notices(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    struct sim_coordinator *c = object;

    if (c->alive && c->life == life) {
        struct event *event = event_new(EVENT_AGENT_CLOSED);
        event->agent.stream = number;
        sim_coordinator_post(sim, c, event);
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
        sim_after(sim, sim_below(sim, NET_NOTICE_MS_MAX), sim_net_leader_notices,
                  &sim->coordinators[stream->coordinator], number, stream->coordinator_life);
    }
}

static bool sim_net_is_of(const struct sim_stream *stream, const struct sim_coordinator *c)
{
    return stream->coordinator == c->index && stream->coordinator_life == c->life &&
           (stream->agent_end || stream->leader_end);
}

void sim_net_close_all(struct sim *sim, const struct sim_coordinator *coordinator)
{
    for (size_t i = 0; i < sim->stream_count; i++) {
        if (sim_net_is_of(&sim->streams[i], coordinator)) {
            sim->streams[i].leader_end = false;
            sim_net_break(sim, i + 1);
        }
    }
}

/* The pings of this stream have not been answered for too long. */
static void sim_net_gives_up(struct sim *sim, void *object, uint64_t number, uint64_t since_ms)
{
    struct sim_stream *stream = sim_net_stream(sim, number);
    const struct sim_coordinator *c = &sim->coordinators[stream->coordinator];
    const struct sim_agent *agent = stream->agent;
    bool silent = sim_net_is_cut(sim, agent, stream->coordinator) ||
                  (c->paused && c->resume_ms > since_ms + NET_SILENCE_MS) ||
                  (agent->paused && agent->resume_ms > since_ms + NET_SILENCE_MS);

    (void)object;
    if (silent && (stream->agent_end || stream->leader_end)) {
        sim_net_break(sim, number);
    }
}

static void sim_net_watch(struct sim *sim, uint64_t number, uint64_t ms)
{
    if (ms > NET_SILENCE_MS) {
        sim_after(sim, NET_SILENCE_MS, sim_net_gives_up, NULL, number, sim->now_ms);
    }
}

void sim_net_cut(struct sim *sim, unsigned coordinator, unsigned shard, uint64_t ms)
{
    sim->cut_until_ms[coordinator][shard] = sim->now_ms + ms;
    for (size_t i = 0; i < sim->stream_count; i++) {
        const struct sim_stream *stream = &sim->streams[i];
        if (sim_net_is_of(stream, &sim->coordinators[coordinator]) &&
            stream->agent->shard == &sim->shards[shard]) {
            sim_net_watch(sim, i + 1, ms);
        }
    }
}

void sim_net_silence(struct sim *sim, const struct sim_agent *agent,
                     const struct sim_coordinator *coordinator, uint64_t ms)
{
    for (size_t i = 0; i < sim->stream_count; i++) {
        const struct sim_stream *stream = &sim->streams[i];
        bool of = agent != NULL ? stream->agent == agent && stream->agent_end
                                : sim_net_is_of(stream, coordinator);
        if (of) {
            sim_net_watch(sim, i + 1, ms);
        }
    }
}
