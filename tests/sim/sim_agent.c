/* An agent, as agent/agent_brain.c holds it together: the real uplink, a line to a coordinator,
 * tasks, results until they are acknowledged, reports. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum {
    AGENT_TICK_MS = 500, /* at least so often */
    AGENT_REPORT_MS = 3000,
    AGENT_CONNECT_MS = 5000, /* until an address that does not answer is given up */
    AGENT_READ_MS_MAX = 300,
    AGENT_DRAIN_MS = 10000,
    AGENT_GOODBYE_MS = 500,
    AGENT_RESULTS_MAX = 8,
};

struct event *sim_agent_event(enum agent_message_kind kind)
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
                              .lease_id = agent->uplink.lease_id,
                              .running = running,
                              .running_count = count };
    sim_net_to_leader(sim, agent->stream, event);
}

/* ---- the line ---- */

void sim_agent_closed(struct sim *sim, struct sim_agent *agent, uint64_t stream, int leader)
{
    if (agent->stream != stream || !uplink_step(&agent->uplink, UPLINK_EVENT_CLOSED, sim->now_ms)) {
        return;
    }
    agent->stream = 0;
    agent->told = false;
    bool follow = leader >= 0 && (unsigned)leader != agent->address &&
                  uplink_follows(&agent->uplink, sim->now_ms);
    agent->address = follow ? (unsigned)leader : (agent->address + 1) % SIM_COORDINATORS;
}

/* Nobody has taken the call, or somebody who does not lead. */
static void sim_agent_refused(struct sim *sim, void *object, uint64_t life, uint64_t address)
{
    struct sim_agent *agent = object;
    const struct sim_coordinator *c = &sim->coordinators[address];

    if (agent->alive && agent->life == life) {
        bool tells = c->alive && !c->paused && !sim_net_is_cut(sim, agent, (unsigned)address);
        sim_agent_closed(sim, agent, 0, tells && !c->serving ? c->follows : -1);
    }
}

static void sim_agent_connect(struct sim *sim, struct sim_agent *agent)
{
    const struct sim_coordinator *c = &sim->coordinators[agent->address];
    bool silent = c->paused || sim_net_is_cut(sim, agent, agent->address);

    uplink_step(&agent->uplink, UPLINK_EVENT_OPENED, sim->now_ms);
    if (c->alive && c->serving && !c->stopping && !sim_net_is_cut(sim, agent, agent->address)) {
        agent->stream = sim_net_open(sim, agent, agent->address);
        sim_agent_hello(sim, agent);
        return;
    }
    agent->stream = 0;
    sim_after(sim, c->alive && silent ? AGENT_CONNECT_MS : sim_between(sim, 1, 50),
              sim_agent_refused, agent, agent->life, agent->address);
}

/* ---- results ---- */

static uint64_t sim_agent_repeatables(const struct sim_task *task)
{
    return task->repeatables != 0 && task->mode != TASK_BASELINE ? task->repeatables
                                                                 : task->had_repeatables;
}

static const char *sim_agent_version(const struct sim_task *task, char text[SIM_TEXT_BYTES])
{
    if (task->outcome != TASK_SUCCEEDED || task_mode_is_dry(task->mode)) {
        return "";
    }
    return task->mode == TASK_ROLLBACK ? sim_database_version(task->back_to, text) : task->target;
}

/* A dry run measures the same each time: longer for tenants with longer names. */
static const struct task_measure *sim_agent_measure(const struct sim_task *task,
                                                    struct arena *arena)
{
    if (task->mode != TASK_DRY_RUN || task->outcome != TASK_SUCCEEDED) {
        return NULL;
    }
    struct task_measure *measure = arena_alloc(arena, sizeof(*measure));
    *measure = (struct task_measure){ .tenant = "",
                                      .took_us = 1000 * (uint64_t)strlen(task->tenant),
                                      .blocked_us = 100 * (uint64_t)strlen(task->tenant),
                                      .blocked_relation = "orders" };
    return measure;
}

void sim_agent_send_results(struct sim *sim, struct sim_agent *agent)
{
    while (agent->uplink.state == UPLINK_WORKING || agent->uplink.state == UPLINK_STANDBY) {
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
            char version[SIM_TEXT_BYTES];
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
                .version = arena_strdup(arena, sim_agent_version(task, version)),
                .repeatables = sim_agent_repeatables(task),
                .stamp = task->mode == TASK_DRY_RUN ? task->stamp : 0,
                .fingerprint = task->mode == TASK_DRY_RUN && task->outcome == TASK_SUCCEEDED &&
                                       task->dry_run_step == DRY_RUN_STEP_LOOK
                                   ? arena_printf(arena, "kind%u", task->kind)
                                   : "",
                .measure = sim_agent_measure(task, arena),
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
    sim_worker_cancel(sim, agent, NULL);
    if (agent->stream != 0) {
        uint64_t stream = agent->stream;
        sim_net_break(sim, stream);
        sim_agent_closed(sim, agent, stream, -1);
    }
}

static void sim_agent_leave(struct sim *sim, struct sim_agent *agent, bool done)
{
    bool heard = agent->uplink.state == UPLINK_WORKING || agent->uplink.state == UPLINK_STANDBY;

    if (agent->draining && heard) {
        struct event *event = sim_agent_event(AGENT_MESSAGE_LEAVING);
        event->agent.message.leaving_done = done;
        sim_net_to_leader(sim, agent->stream, event);
    }
}

static void sim_agent_read_anew(struct sim *sim, void *object, uint64_t life, uint64_t stream)
{
    struct sim_agent *agent = object;

    if (agent->alive && agent->life == life) {
        sim_report_read(agent);
        if (agent->stream == stream && agent->uplink.state == UPLINK_WORKING) {
            sim_report_send(sim, agent, true, agent->refresh);
        }
    }
}

static void sim_agent_on_welcome(struct sim *sim, struct sim_agent *agent,
                                 const struct welcome *welcome)
{
    bool from_standby = agent->uplink.state == UPLINK_STANDBY;

    if (!uplink_step(&agent->uplink, UPLINK_EVENT_WELCOME, sim->now_ms)) {
        return;
    }
    sim_note(sim, "%s is welcome to c%u with lease %lld", agent->id, agent->address,
             (long long)welcome->lease_id);
    if (welcome->lease_id != agent->uplink.lease_id) {
        sim_worker_cancel(sim, agent, NULL);
        if (from_standby || agent->has_worked) {
            /* Another agent may have worked since. */
            agent->read = false;
            sim_after(sim, sim_below(sim, AGENT_READ_MS_MAX), sim_agent_read_anew, agent,
                      agent->life, agent->stream);
        }
    } else if (agent->tasks != NULL) {
        sim->statistics[SIM_COUNT_ADOPTED]++;
    }
    agent->has_worked = true;
    uplink_start_lease(&agent->uplink, welcome, sim->now_ms);
    agent->refresh = 0; /* what is still wanted is asked for again, after the welcome */
    for (struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
        task->sent = 0;
    }
    memset(agent->known, 0, sizeof(agent->known));
    sim_report_send(sim, agent, true, agent->refresh);
    sim_agent_send_results(sim, agent);
    sim_agent_leave(sim, agent, false);
}

static void sim_agent_on_standby(struct sim *sim, struct sim_agent *agent)
{
    if (!uplink_step(&agent->uplink, UPLINK_EVENT_STANDBY, sim->now_ms)) {
        return;
    }
    for (struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
        task->sent = 0;
    }
    sim_agent_leave(sim, agent, false);
    if (agent->uplink.lease_id != 0) {
        agent->uplink.lease_id = 0;
        sim_worker_cancel(sim, agent, NULL);
    }
}

/* False if exactly this task is here already. */
static bool sim_agent_is_new(const struct sim_agent *agent, const struct task_assignment *assign,
                             const char *tenant)
{
    for (const struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
        if (task->token == assign->token && task->mode == assign->mode &&
            strcmp(task->tenant, tenant) == 0 && strcmp(task->rollout, assign->rollout) == 0) {
            return false;
        }
    }
    return true;
}

static void sim_agent_take(struct sim *sim, struct sim_agent *agent,
                           const struct task_assignment *assign, const struct task_item *item)
{
    struct sim_task *task = memory_alloc(sizeof(*task));
    struct sim_task **last = &agent->tasks;

    task->agent = agent;
    snprintf(task->rollout, sizeof(task->rollout), "%s", assign->rollout);
    snprintf(task->tenant, sizeof(task->tenant), "%s", item->tenant);
    snprintf(task->from, sizeof(task->from), "%s", item->from);
    snprintf(task->target, sizeof(task->target), "%s", assign->target);
    if (assign->from_ledger[0] != '\0') {
        task->reads_ledger = true;
        sim_database_read_ledger(task->tenant, sim_database_parse(assign->target), task->target);
    }
    task->mode = assign->mode;
    task->dry_run_step = assign->dry_run_step;
    task->stamp = item->stamp;
    task->had_repeatables = item->repeatables;
    snprintf(task->baseline, sizeof(task->baseline), "%s", item->baseline);
    for (unsigned i = 1; i <= SIM_SET_EDITIONS; i++) {
        if (strcmp(sim->digests[i], assign->digest) == 0 &&
            sim_database_parse(assign->target) == i) {
            task->repeatables = sim->repeatables[i]; /* they are for the latest version only */
        }
    }
    task->token = assign->token;
    task->lease = agent->uplink.lease_id;
    task->number = ++sim->task_number;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = task;
    sim->assigned_ms = sim->now_ms;
    sim_note(sim, "%s takes %s of %s (%s) token %llu", agent->id, task->tenant, task->rollout,
             task_mode_name(task->mode), (unsigned long long)task->token);
    sim_check_accepted(sim, agent, task);
}

static void sim_agent_on_assign(struct sim *sim, struct sim_agent *agent,
                                const struct task_assignment *assign)
{
    /* After a pause the lease may have run out before this message was looked at. */
    if (uplink_lease_ran_out(&agent->uplink, sim->now_ms)) {
        sim_agent_lose_lease(sim, agent);
    }
    if (agent->uplink.lease_id == 0) {
        return; /* without a session nothing may start */
    }
    for (size_t i = 0; i < assign->task_count; i++) {
        if (sim_agent_is_new(agent, assign, assign->tasks[i].tenant)) {
            sim_agent_take(sim, agent, assign, &assign->tasks[i]);
        }
    }
    if (agent->draining) {
        sim_worker_cancel_queued(sim, agent);
    } else {
        sim_worker_fill(sim, agent);
    }
}

static void sim_agent_obey(struct sim *sim, struct sim_agent *agent,
                           const struct coordinator_message *message)
{
    switch (message->kind) {
    case COORDINATOR_MESSAGE_WELCOME:
        sim_agent_on_welcome(sim, agent, &message->welcome);
        break;
    case COORDINATOR_MESSAGE_STANDBY:
        sim_agent_on_standby(sim, agent);
        break;
    case COORDINATOR_MESSAGE_HEARTBEAT_ACK:
        uplink_on_heartbeat_ack(&agent->uplink, message->sequence);
        break;
    case COORDINATOR_MESSAGE_ASSIGN:
        sim_agent_on_assign(sim, agent, &message->assign);
        break;
    case COORDINATOR_MESSAGE_CANCEL:
        sim_worker_cancel(sim, agent, message->cancel.rollout);
        break;
    case COORDINATOR_MESSAGE_REFRESH:
        sim_after(sim, sim_below(sim, AGENT_READ_MS_MAX), sim_report_refresh, agent,
                  message->refresh, agent->stream);
        break;
    case COORDINATOR_MESSAGE_RESULTS_ACK:
        sim_agent_acknowledged(agent, message->sequence);
        break;
    case COORDINATOR_MESSAGE_CONTROL_RUN: /* of tenants it is not drawn: it is only passed on */
        sim_hook_run(sim, agent, &message->control_run);
        break;
    case COORDINATOR_MESSAGE_HISTORY:
    case COORDINATOR_MESSAGE_SCHEMAS:
    case COORDINATOR_MESSAGE_CONTROL_ANSWER:
    case COORDINATOR_MESSAGE_COUNT:
        break;
    }
}

/* What the brain does between two batches. */
static void sim_agent_work(struct sim *sim, struct sim_agent *agent)
{
    uint64_t sequence;

    if (uplink_lease_ran_out(&agent->uplink, sim->now_ms)) {
        sim_agent_lose_lease(sim, agent);
    }
    if (agent->uplink.state == UPLINK_DOWN && sim->now_ms >= agent->uplink.retry_at_ms) {
        sim_agent_connect(sim, agent);
    }
    if (uplink_take_heartbeat(&agent->uplink, sim->now_ms, &sequence)) {
        struct event *event = sim_agent_event(AGENT_MESSAGE_HEARTBEAT);
        event->agent.message.heartbeat.sequence = sequence;
        event->agent.message.heartbeat.trouble = "";
        sim_net_to_leader(sim, agent->stream, event);
    }
    sim_agent_send_results(sim, agent);
}

void sim_agent_message(struct sim *sim, struct sim_agent *agent, uint64_t stream,
                       const struct coordinator_message *message)
{
    if (agent->stream != stream || !uplink_accepts_term(&agent->uplink, message->term)) {
        return;
    }
    sim_check_message(sim, agent, message);
    sim_agent_obey(sim, agent, message);
    /* More may have arrived: then it is looked at before the clock is. */
    if (sim_chance(sim, 800)) {
        sim_agent_work(sim, agent);
    }
}

static void sim_agent_ends(struct sim *sim, void *object, uint64_t life, uint64_t unused)
{
    struct sim_agent *agent = object;

    (void)unused;
    if (agent->alive && agent->life == life) {
        sim_agent_crash(sim, agent);
    }
}

static void sim_agent_tick(struct sim *sim, void *object, uint64_t life, uint64_t reported_ms)
{
    struct sim_agent *agent = object;

    if (!agent->alive || agent->life != life) {
        return;
    }
    if (agent->paused) {
        /* Its workers may be faster than its brain. */
        sim_after(sim, agent->resume_ms - sim->now_ms + sim_below(sim, 500), sim_agent_tick, agent,
                  life, reported_ms);
        return;
    }
    sim_agent_work(sim, agent);
    if (agent->draining && (agent->tasks == NULL || sim->now_ms >= agent->drain_until_ms)) {
        sim_worker_cancel(sim, agent, NULL);
        sim_agent_leave(sim, agent, true);
        sim_after(sim, AGENT_GOODBYE_MS, sim_agent_ends, agent, life, 0);
        return;
    }
    if (sim->now_ms >= reported_ms + AGENT_REPORT_MS) {
        reported_ms = sim->now_ms;
        sim_report_read(agent);
        if (agent->uplink.state == UPLINK_WORKING) {
            sim_report_send(sim, agent, false, agent->refresh); /* what is new */
        }
    }
    uint64_t next = uplink_next_ms(&agent->uplink);
    uint64_t wait = next <= sim->now_ms ? 1 : next - sim->now_ms;
    sim_after(sim, wait < AGENT_TICK_MS ? wait : AGENT_TICK_MS, sim_agent_tick, agent, life,
              reported_ms);
}

/* ---- life ---- */

void sim_agent_start(struct sim *sim, struct sim_agent *agent)
{
    agent->life++;
    agent->alive = true;
    agent->paused = false;
    agent->draining = false;
    agent->stream = 0;
    agent->refresh = 0;
    agent->newest_term = 0;
    agent->read = false;
    agent->told = false;
    agent->has_worked = false;
    agent->stall = SIM_STALL_NONE;
    agent->address = (unsigned)sim_below(sim, SIM_COORDINATORS);
    uplink_init(&agent->uplink, sim->now_ms + sim_below(sim, 500));
    uplink_set_seed(&agent->uplink, sim_below(sim, UINT64_MAX));
    snprintf(agent->id, sizeof(agent->id), "%.20s-a%u-%u", agent->shard->name, agent->index,
             agent->life);
    sim_after(sim, sim_below(sim, AGENT_TICK_MS), sim_agent_tick, agent, agent->life,
              0); /* it looks at its tenants first of all */
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
    if (agent->stream != 0) {
        sim_net_break(sim, agent->stream);
        agent->stream = 0;
    }
}

void sim_agent_drain(struct sim *sim, struct sim_agent *agent)
{
    if (agent->alive && !agent->draining) {
        sim_note(sim, "%s is asked to stop", agent->id);
        agent->draining = true;
        agent->drain_until_ms = sim->now_ms + AGENT_DRAIN_MS;
        sim_agent_leave(sim, agent, false);
        sim_worker_cancel_queued(sim, agent);
    }
}

static void sim_agent_resume(struct sim *sim, void *object, uint64_t life, uint64_t until_ms)
{
    struct sim_agent *agent = object;

    (void)sim;
    if (agent->life == life && agent->resume_ms == until_ms) {
        agent->paused = false;
    }
}

void sim_agent_pause(struct sim *sim, struct sim_agent *agent, uint64_t ms)
{
    if (agent->alive && !agent->paused) {
        sim_note(sim, "%s is stopped for %llu ms", agent->id, (unsigned long long)ms);
        agent->paused = true;
        agent->paused_ms = sim->now_ms;
        agent->resume_ms = sim->now_ms + ms;
        sim_after(sim, ms, sim_agent_resume, agent, agent->life, agent->resume_ms);
        sim_net_silence(sim, agent, NULL, ms);
    }
}
