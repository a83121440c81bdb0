/* An agent: a line to the coordinator, a lease by its own clock, tasks, results until they are
 * acknowledged, reports. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum {
    AGENT_TICK_MS = 200,
    AGENT_RETRY_MS_MAX = 2000,
    AGENT_READ_MS_MAX = 300,
    AGENT_CHUNK = 3, /* tenants a message: small, so that reports have several */
    AGENT_RESULTS_MAX = 8,
};

static void sim_agent_connect(struct sim *sim, void *object, uint64_t life, uint64_t unused);

static void sim_agent_retry(struct sim *sim, struct sim_agent *agent)
{
    sim_after(sim, sim_between(sim, 50, AGENT_RETRY_MS_MAX), sim_agent_connect, agent, agent->life,
              0);
}

static struct event *sim_agent_event(enum agent_message_kind kind)
{
    struct event *event = event_new(EVENT_AGENT_MESSAGE);

    event->agent.message.kind = kind;
    return event;
}

static void sim_agent_hello(struct sim *sim, struct sim_agent *agent)
{
    struct event *event = sim_agent_event(AGENT_MESSAGE_HELLO);
    struct arena *arena = &event->arena;
    size_t count = 0;

    for (const struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
        count++;
    }
    struct running_task *running = arena_alloc_array(arena, count, sizeof(*running));
    count = 0;
    for (const struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
        running[count++] = (struct running_task){ .rollout = arena_strdup(arena, task->rollout),
                                                  .mode = task->mode,
                                                  .tenant = arena_strdup(arena, task->tenant),
                                                  .token = task->token };
    }
    event->agent.message.hello =
        (struct agent_hello){ .protocol = 1,
                              .shard = arena_strdup(arena, agent->shard->name),
                              .agent = arena_strdup(arena, agent->id),
                              .version = "sim",
                              .workers = SIM_WORKERS,
                              .lease_id = agent->lease,
                              .running = running,
                              .running_count = count };
    agent->hello_ms = sim->now_ms;
    sim_net_to_leader(sim, agent->stream, event);
}

static void sim_agent_connect(struct sim *sim, void *object, uint64_t life, uint64_t unused)
{
    struct sim_agent *agent = object;

    (void)unused;
    if (!agent->alive || agent->life != life || agent->link != SIM_LINK_DOWN) {
        return;
    }
    if (agent->paused || !sim->leading) {
        sim_agent_retry(sim, agent);
        return;
    }
    agent->stream = sim_net_open(sim, agent);
    agent->link = SIM_LINK_GREETING;
    sim_agent_hello(sim, agent);
}

static void sim_agent_down(struct sim *sim, struct sim_agent *agent)
{
    if (agent->link != SIM_LINK_DOWN) {
        agent->link = SIM_LINK_DOWN;
        sim_agent_retry(sim, agent);
    }
}

void sim_agent_closed(struct sim *sim, struct sim_agent *agent, uint64_t stream)
{
    if (agent->stream == stream) {
        sim_agent_down(sim, agent);
    }
}

/* ---- reports ---- */

struct sim_chunk {
    struct event *event;
    struct tenant_info *tenants;
    struct set_version *versions;
    const char **removed;
};

static struct sim_chunk sim_agent_chunk(bool full)
{
    struct sim_chunk chunk = { .event = sim_agent_event(AGENT_MESSAGE_TENANTS) };
    struct arena *arena = &chunk.event->arena;

    chunk.tenants = arena_alloc_array(arena, AGENT_CHUNK, sizeof(*chunk.tenants));
    chunk.versions = arena_alloc_array(arena, AGENT_CHUNK, sizeof(*chunk.versions));
    chunk.removed = arena_alloc_array(arena, SIM_TENANTS_MAX, sizeof(*chunk.removed));
    struct tenant_report *report = &chunk.event->agent.message.tenants;
    report->full = full;
    report->tenants = chunk.tenants;
    report->removed = chunk.removed;
    return chunk;
}

static void sim_agent_put(struct sim_chunk *chunk, const struct sim_tenant *tenant)
{
    struct arena *arena = &chunk->event->arena;
    struct tenant_report *report = &chunk->event->agent.message.tenants;
    size_t at = report->tenant_count++;
    char text[SIM_TEXT_BYTES];

    sim_database_version(tenant->version, text);
    chunk->versions[at] = (struct set_version){ .set = "billing",
                                                .version = arena_strdup(arena, text),
                                                .rollout = arena_strdup(arena, tenant->rollout),
                                                .fence = tenant->fence };
    chunk->tenants[at] = (struct tenant_info){ .name = arena_strdup(arena, tenant->name),
                                               .versions = &chunk->versions[at],
                                               .version_count = tenant->version > 0 ? 1 : 0,
                                               .has_objects = tenant->version > 0 };
}

/* A report that was read some time ago arrives at the stream now. */
static void sim_agent_send_late(struct sim *sim, void *object, uint64_t stream, uint64_t marks)
{
    struct event *event = object;
    const struct sim_stream *end = &sim->streams[stream - 1];

    (void)marks;
    if (end->agent_end && end->agent->alive && end->agent->life == end->life) {
        sim_net_to_leader(sim, stream, event);
    } else {
        event_free(&event);
    }
}

static void sim_agent_report(struct sim *sim, struct sim_agent *agent, bool full, uint64_t refresh)
{
    struct sim_chunk chunk = sim_agent_chunk(full);
    /* What was read is told a little later, perhaps after the result of a newer task. */
    uint64_t at = sim->now_ms + (full ? 0 : sim_below(sim, AGENT_READ_MS_MAX));

    agent->report_ms = at > agent->report_ms ? at : agent->report_ms; /* in the order of reading */
    uint64_t delay = agent->report_ms - sim->now_ms;
    for (unsigned i = 0; i < SIM_TENANTS_MAX; i++) {
        const struct sim_tenant *tenant = &agent->shard->tenants[i];
        struct tenant_report *report = &chunk.event->agent.message.tenants;
        if (tenant->exists) {
            if (report->tenant_count == AGENT_CHUNK) {
                sim_after(sim, delay, sim_agent_send_late, chunk.event, agent->stream, UINT64_MAX);
                chunk = sim_agent_chunk(false);
            }
            sim_agent_put(&chunk, tenant);
            agent->known[i] = true;
        } else if (agent->known[i] && !full) {
            chunk.removed[report->removed_count++] =
                arena_strdup(&chunk.event->arena, tenant->name);
            agent->known[i] = false;
        }
    }
    chunk.event->agent.message.tenants.last = true;
    chunk.event->agent.message.tenants.refresh = refresh;
    sim_after(sim, delay, sim_agent_send_late, chunk.event, agent->stream, UINT64_MAX);
}

static void sim_agent_refresh(struct sim *sim, void *object, uint64_t refresh, uint64_t stream)
{
    struct sim_agent *agent = object;

    if (!agent->alive || agent->link != SIM_LINK_WORKING || agent->stream != stream) {
        return;
    }
    if (agent->paused) {
        sim_after(sim, agent->resume_ms - sim->now_ms + 1, sim_agent_refresh, agent, refresh,
                  stream);
        return;
    }
    agent->refresh = refresh > agent->refresh ? refresh : agent->refresh;
    sim_agent_report(sim, agent, sim_chance(sim, 300), agent->refresh);
}

/* ---- results ---- */

static const char *sim_agent_version(const struct sim_task *task)
{
    return task->outcome == TASK_SUCCEEDED && task->mode != TASK_DRY_RUN ? task->target : "";
}

void sim_agent_send_results(struct sim *sim, struct sim_agent *agent)
{
    while (agent->link == SIM_LINK_WORKING) {
        struct event *event = sim_agent_event(AGENT_MESSAGE_RESULTS);
        struct arena *arena = &event->arena;
        struct task_result *items = arena_alloc_array(arena, AGENT_RESULTS_MAX, sizeof(*items));
        size_t count = 0;
        uint64_t sequence = agent->results + 1;
        for (struct sim_task *task = agent->tasks; task != NULL && count < AGENT_RESULTS_MAX;
             task = task->next) {
            if (task->state != SIM_TASK_DONE || task->sent != 0) {
                continue;
            }
            task->sent = sequence;
            items[count++] = (struct task_result){
                .rollout = arena_strdup(arena, task->rollout),
                .mode = task->mode,
                .tenant = arena_strdup(arena, task->tenant),
                .token = task->token,
                .outcome = task->outcome,
                .error = { .tenant = "",
                           .mode = task->mode,
                           .code = task->code,
                           .sqlstate = "",
                           .message = task_code_name(task->code),
                           .detail = "",
                           .hint = "",
                           .file = "" },
                .version = arena_strdup(arena, sim_agent_version(task)),
            };
        }
        if (count == 0) {
            event_free(&event);
            return;
        }
        agent->results = sequence;
        event->agent.message.results =
            (struct task_results){ .sequence = sequence, .items = items, .count = count };
        sim_net_to_leader(sim, agent->stream, event);
    }
}

static void sim_agent_acknowledged(struct sim_agent *agent, uint64_t sequence)
{
    struct sim_task **place = &agent->tasks;

    while (*place != NULL) {
        struct sim_task *task = *place;
        if (task->state == SIM_TASK_DONE && task->sent == sequence) {
            *place = task->next;
            free(task);
        } else {
            place = &task->next;
        }
    }
}

/* ---- the session ---- */

static void sim_agent_lose_lease(struct sim *sim, struct sim_agent *agent)
{
    sim_note(sim, "%s: its lease has run out by its own clock", agent->id);
    agent->lease = 0;
    sim_worker_cancel(sim, agent, NULL);
    if (agent->link != SIM_LINK_DOWN) {
        sim_net_break(sim, agent->stream);
        sim_agent_down(sim, agent);
    }
}

static void sim_agent_on_welcome(struct sim *sim, struct sim_agent *agent,
                                 const struct welcome *welcome)
{
    agent->link = SIM_LINK_WORKING;
    if (agent->lease != welcome->lease_id) {
        if (agent->lease != 0) {
            sim_worker_cancel(sim, agent, NULL);
        }
        agent->lease = welcome->lease_id;
        agent->lease_until_ms = agent->hello_ms + welcome->lease_ttl_ms;
    }
    for (struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
        task->sent = 0;
    }
    memset(agent->known, 0, sizeof(agent->known));
    sim_agent_report(sim, agent, true, agent->refresh);
    sim_agent_send_results(sim, agent);
}

static void sim_agent_on_assign(struct sim *sim, struct sim_agent *agent,
                                const struct task_assignment *assign)
{
    for (size_t i = 0; i < assign->task_count; i++) {
        struct sim_task *task = memory_alloc(sizeof(*task));
        struct sim_task **last = &agent->tasks;
        task->agent = agent;
        snprintf(task->rollout, sizeof(task->rollout), "%s", assign->rollout);
        snprintf(task->tenant, sizeof(task->tenant), "%s", assign->tasks[i].tenant);
        snprintf(task->from, sizeof(task->from), "%s", assign->tasks[i].from);
        snprintf(task->target, sizeof(task->target), "%s", assign->target);
        task->mode = assign->mode;
        task->token = assign->token;
        task->number = ++sim->task_number;
        while (*last != NULL) {
            last = &(*last)->next;
        }
        *last = task;
    }
    sim_worker_fill(sim, agent);
}

static void sim_agent_on_ack(struct sim_agent *agent, uint64_t sequence)
{
    if (sequence <= agent->heartbeat && agent->heartbeat - sequence < 16) {
        uint64_t until = agent->heartbeat_ms[sequence % 16] + SESSION_LEASE_TTL_MS;
        if (agent->lease != 0 && until > agent->lease_until_ms) {
            agent->lease_until_ms = until;
        }
    }
}

void sim_agent_message(struct sim *sim, struct sim_agent *agent, uint64_t stream,
                       const struct coordinator_message *message)
{
    if (agent->stream != stream || agent->link == SIM_LINK_DOWN || message->term < agent->term) {
        return;
    }
    agent->term = message->term;
    /* A process that was stopped looks at its clock before it reads on, mostly. */
    if (agent->lease != 0 && sim->now_ms >= agent->lease_until_ms && sim_chance(sim, 200)) {
        sim_agent_lose_lease(sim, agent);
        return;
    }
    switch (message->kind) {
    case COORDINATOR_MESSAGE_WELCOME:
        sim_agent_on_welcome(sim, agent, &message->welcome);
        break;
    case COORDINATOR_MESSAGE_STANDBY:
        agent->link = SIM_LINK_STANDBY;
        if (agent->lease != 0) {
            agent->lease = 0;
            sim_worker_cancel(sim, agent, NULL);
        }
        break;
    case COORDINATOR_MESSAGE_HEARTBEAT_ACK:
        sim_agent_on_ack(agent, message->sequence);
        break;
    case COORDINATOR_MESSAGE_ASSIGN:
        sim_agent_on_assign(sim, agent, &message->assign);
        break;
    case COORDINATOR_MESSAGE_CANCEL:
        sim_worker_cancel(sim, agent, message->cancel.rollout);
        break;
    case COORDINATOR_MESSAGE_REFRESH:
        sim_after(sim, sim_below(sim, AGENT_READ_MS_MAX), sim_agent_refresh, agent,
                  message->refresh, stream);
        break;
    case COORDINATOR_MESSAGE_RESULTS_ACK:
        sim_agent_acknowledged(agent, message->sequence);
        break;
    case COORDINATOR_MESSAGE_HISTORY:
    case COORDINATOR_MESSAGE_COUNT:
        break;
    }
}

static void sim_agent_tick(struct sim *sim, void *object, uint64_t life, uint64_t count)
{
    struct sim_agent *agent = object;

    if (!agent->alive || agent->life != life) {
        return;
    }
    if (agent->paused) {
        /* Its workers may be faster than its brain. */
        sim_after(sim, agent->resume_ms - sim->now_ms + sim_below(sim, 500), sim_agent_tick, agent,
                  life, count);
        return;
    }
    if (agent->lease != 0 && sim->now_ms >= agent->lease_until_ms) {
        sim_agent_lose_lease(sim, agent);
    }
    if (agent->link == SIM_LINK_WORKING && count % (HEARTBEAT_INTERVAL_MS / AGENT_TICK_MS) == 0) {
        struct event *event = sim_agent_event(AGENT_MESSAGE_HEARTBEAT);
        agent->heartbeat++;
        agent->heartbeat_ms[agent->heartbeat % 16] = sim->now_ms;
        event->agent.message.heartbeat.sequence = agent->heartbeat;
        event->agent.message.heartbeat.trouble = "";
        sim_net_to_leader(sim, agent->stream, event);
    }
    if (agent->link == SIM_LINK_WORKING && count % 40 == 39) {
        sim_agent_report(sim, agent, false, agent->refresh); /* what is new */
    }
    sim_after(sim, AGENT_TICK_MS, sim_agent_tick, agent, life, count + 1);
}

void sim_agent_start(struct sim *sim, struct sim_agent *agent)
{
    agent->life++;
    agent->alive = true;
    agent->paused = false;
    agent->link = SIM_LINK_DOWN;
    agent->lease = 0;
    agent->refresh = 0;
    snprintf(agent->id, sizeof(agent->id), "%.20s-a%u-%u", agent->shard->name, agent->index,
             agent->life);
    sim_agent_retry(sim, agent);
    sim_after(sim, sim_below(sim, AGENT_TICK_MS), sim_agent_tick, agent, agent->life, 0);
}

void sim_agent_crash(struct sim *sim, struct sim_agent *agent)
{
    if (!agent->alive) {
        return;
    }
    sim_note(sim, "%s dies", agent->id);
    sim->statistics[SIM_COUNT_CRASHES]++;
    sim_worker_drop_all(sim, agent);
    agent->alive = false;
    if (agent->link != SIM_LINK_DOWN) {
        sim_net_break(sim, agent->stream);
        agent->link = SIM_LINK_DOWN;
    }
}

static void sim_agent_resume(struct sim *sim, void *object, uint64_t life, uint64_t unused)
{
    struct sim_agent *agent = object;

    (void)sim;
    (void)unused;
    if (agent->life == life) {
        agent->paused = false;
    }
}

void sim_agent_pause(struct sim *sim, struct sim_agent *agent, uint64_t ms)
{
    if (agent->alive && !agent->paused) {
        sim_note(sim, "%s is stopped for %llu ms", agent->id, (unsigned long long)ms);
        agent->paused = true;
        agent->resume_ms = sim->now_ms + ms;
        sim_after(sim, ms, sim_agent_resume, agent, agent->life, 0);
    }
}
