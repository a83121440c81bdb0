#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "coordinator/decide/event.h"
#include "tests/bench/scale_world.h"

/* What a batch of tasks becomes: one message of results. */
struct scale_results {
    char rollout[SCALE_NAME_BYTES];
    enum task_mode mode;
    uint64_t token;
    size_t count;
    uint32_t tenants[]; /* indexes into world->tenants */
};

static const char *scale_agents_tenant_name(struct arena *arena, size_t index)
{
    return arena_printf(arena, "tenant_%07zu", index);
}

static size_t scale_agents_tenant_index(const char *name)
{
    return strtoul(name + strlen("tenant_"), NULL, 10);
}

static struct event *scale_agents_event(const struct scale_agent *agent,
                                        enum agent_message_kind kind)
{
    struct event *event = event_new(EVENT_AGENT_MESSAGE);

    event->agent.stream = agent->stream;
    event->agent.peer = "ipv4:10.0.0.1:40000";
    event->agent.message.kind = kind;
    return event;
}

/* ---- reports ---- */

static struct tenant_info scale_agents_tenant(const struct scale_world *world, size_t index,
                                              struct arena *arena)
{
    static const struct label labels[] = { { "plan", "standard" }, { "region", "eu-central" } };
    struct set_version *version = arena_alloc(arena, sizeof(*version));
    bool migrated = world->tenants[index].migrated;

    *version = (struct set_version){ .set = "billing",
                                     .version = migrated ? "0.3.0" : "0.2.0",
                                     .rollout = migrated ? "nwbjxz42" : "k3hd72ma",
                                     .fence = migrated ? 2000 : 900,
                                     .undone = "" };
    return (struct tenant_info){ .name = scale_agents_tenant_name(arena, index),
                                 .labels = { .items = labels, .count = COUNT_OF(labels) },
                                 .versions = version,
                                 .version_count = 1,
                                 .has_objects = true };
}

/* All tenants when full, else those that were migrated: what a real agent finds changed. */
static void scale_agents_report(struct scale_world *world, struct scale_agent *agent, bool full,
                                uint64_t refresh)
{
    size_t end = agent->first + agent->tenant_count;
    size_t at = agent->first;
    bool begins = true;

    do {
        struct event *event = scale_agents_event(agent, AGENT_MESSAGE_TENANTS);
        struct tenant_info *tenants =
            arena_alloc_array(&event->arena, TENANTS_PER_MESSAGE_MAX, sizeof(*tenants));
        size_t count = 0;
        for (; at < end && count < TENANTS_PER_MESSAGE_MAX; at++) {
            if (full || world->tenants[at].migrated) {
                tenants[count++] = scale_agents_tenant(world, at, &event->arena);
            }
        }
        event->agent.message.tenants = (struct tenant_report){ .full = full && begins,
                                                               .last = at == end,
                                                               .refresh = at == end ? refresh : 0,
                                                               .tenants = tenants,
                                                               .tenant_count = count };
        begins = false;
        scale_world_event(world, event);
    } while (at < end);
}

static void scale_agents_on_refresh(struct scale_world *world, struct scale_agent *agent,
                                    void *payload)
{
    uint64_t *refresh = payload;

    scale_agents_report(world, agent, false, *refresh);
    free(refresh);
}

/* ---- sessions ---- */

static void scale_agents_heartbeat(struct scale_world *world, struct scale_agent *agent,
                                   void *payload)
{
    struct event *event = scale_agents_event(agent, AGENT_MESSAGE_HEARTBEAT);

    (void)payload;
    event->agent.message.heartbeat =
        (struct agent_heartbeat){ .sequence = ++agent->heartbeat, .trouble = "" };
    scale_world_event(world, event);
    scale_world_later(world, HEARTBEAT_INTERVAL_MS, scale_agents_heartbeat, agent, NULL);
}

static void scale_agents_welcome(struct scale_world *world, struct scale_agent *agent,
                                 void *payload)
{
    (void)payload;
    assert(!agent->working);
    agent->working = true;
    scale_agents_report(world, agent, true, 0);
    scale_agents_heartbeat(world, agent, NULL);
}

static void scale_agents_hello(struct scale_world *world, struct scale_agent *agent, void *payload)
{
    struct event *event = scale_agents_event(agent, AGENT_MESSAGE_HELLO);

    (void)payload;
    event->agent.message.hello =
        (struct agent_hello){ .protocol = 1,
                              .shard = agent->shard,
                              .agent = arena_printf(&event->arena, "%s-agent-7d9f", agent->shard),
                              .version = "0.1.0",
                              .workers = SCALE_WORKERS };
    scale_world_event(world, event);
}

void scale_agents_start(struct scale_world *world)
{
    for (size_t i = 0; i < world->agent_count; i++) {
        struct scale_agent *agent = &world->agents[i];
        size_t end = (i + 1) * world->tenant_count / world->agent_count;
        snprintf(agent->shard, sizeof(agent->shard), "shard-%05zu", i);
        agent->stream = i + 1;
        agent->first = i * world->tenant_count / world->agent_count;
        agent->tenant_count = end - agent->first;
        scale_world_later(world, i * SCALE_HELLO_SPREAD_MS / world->agent_count, scale_agents_hello,
                          agent, NULL);
    }
}

/* ---- tasks ---- */

static void scale_agents_done(struct scale_world *world, struct scale_agent *agent, void *payload)
{
    struct scale_results *done = payload;
    struct event *event = scale_agents_event(agent, AGENT_MESSAGE_RESULTS);
    struct task_result *items = arena_alloc_array(&event->arena, done->count, sizeof(*items));

    for (size_t i = 0; i < done->count; i++) {
        struct scale_tenant *tenant = &world->tenants[done->tenants[i]];
        items[i] = (struct task_result){
            .rollout = arena_strdup(&event->arena, done->rollout),
            .mode = done->mode,
            .tenant = scale_agents_tenant_name(&event->arena, done->tenants[i]),
            .token = done->token,
            .outcome = TASK_SUCCEEDED,
            .error = { .tenant = "",
                       .sqlstate = "",
                       .message = "",
                       .detail = "",
                       .hint = "",
                       .file = "" },
            .version = done->mode == TASK_RUN ? "0.3.0" : "",
            .scripts = 1,
        };
        tenant->migrated = tenant->migrated || done->mode == TASK_RUN;
    }
    event->agent.message.results =
        (struct task_results){ .sequence = ++agent->results, .items = items, .count = done->count };
    free(done);
    scale_world_event(world, event);
}

static void scale_agents_assign(struct scale_world *world, struct scale_agent *agent,
                                const struct task_assignment *assign)
{
    struct scale_results *done =
        memory_alloc(sizeof(*done) + assign->task_count * sizeof(done->tenants[0]));

    snprintf(done->rollout, sizeof(done->rollout), "%s", assign->rollout);
    done->mode = assign->mode;
    done->token = assign->token;
    done->count = assign->task_count;
    for (size_t i = 0; i < assign->task_count; i++) {
        size_t index = scale_agents_tenant_index(assign->tasks[i].tenant);
        assert(index >= agent->first);
        assert(index < agent->first + agent->tenant_count);
        struct scale_tenant *tenant = &world->tenants[index];
        done->tenants[i] = (uint32_t)index;
        tenant->dry_runs = (uint8_t)(tenant->dry_runs + (assign->mode == TASK_DRY_RUN));
        tenant->runs = (uint8_t)(tenant->runs + (assign->mode == TASK_RUN));
    }
    world->counts.tasks[assign->mode] += assign->task_count;
    /* The workers take what came before first; an answer waits for others to travel with. */
    uint64_t begin_ms = agent->free_ms > world->now_ms ? agent->free_ms : world->now_ms;
    agent->free_ms = begin_ms + assign->task_count * SCALE_TASK_MS / SCALE_WORKERS;
    scale_world_later(world, agent->free_ms - world->now_ms + SCALE_NET_MS + RESULTS_WAIT_MS,
                      scale_agents_done, agent, done);
}

void scale_agents_message(struct scale_world *world, struct scale_agent *agent,
                          const struct coordinator_message *message)
{
    uint64_t *refresh = NULL;

    switch (message->kind) {
    case COORDINATOR_MESSAGE_WELCOME:
        scale_world_later(world, SCALE_NET_MS, scale_agents_welcome, agent, NULL);
        break;
    case COORDINATOR_MESSAGE_ASSIGN:
        scale_agents_assign(world, agent, &message->assign);
        break;
    case COORDINATOR_MESSAGE_REFRESH:
        refresh = memory_alloc(sizeof(*refresh));
        *refresh = message->refresh;
        scale_world_later(world, SCALE_NET_MS, scale_agents_on_refresh, agent, refresh);
        break;
    case COORDINATOR_MESSAGE_HEARTBEAT_ACK:
    case COORDINATOR_MESSAGE_RESULTS_ACK:
        break;
    case COORDINATOR_MESSAGE_STANDBY:
    case COORDINATOR_MESSAGE_CANCEL:
    case COORDINATOR_MESSAGE_HISTORY:
    case COORDINATOR_MESSAGE_SCHEMAS:
    case COORDINATOR_MESSAGE_CONTROL_RUN:
    case COORDINATOR_MESSAGE_CONTROL_ANSWER:
    case COORDINATOR_MESSAGE_COUNT:
        assert(false && "not in a fleet where nothing goes wrong");
        break;
    }
}
