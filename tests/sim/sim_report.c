/* What an agent tells of its tenants: what it saw when it looked last, and what it has done itself.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim_world.h"

enum {
    REPORT_READ_MS_MAX = 300,
    REPORT_CHUNK = 3, /* tenants a message: small, so that reports have several */
};

struct sim_chunk {
    struct event *event;
    struct tenant_info *tenants;
    struct set_version *versions;
    const char **removed;
};

static struct sim_chunk sim_report_chunk(bool full)
{
    struct sim_chunk chunk = { .event = sim_agent_event(AGENT_MESSAGE_TENANTS) };
    struct arena *arena = &chunk.event->arena;

    chunk.tenants = arena_alloc_array(arena, REPORT_CHUNK, sizeof(*chunk.tenants));
    chunk.versions = arena_alloc_array(arena, REPORT_CHUNK, sizeof(*chunk.versions));
    chunk.removed = arena_alloc_array(arena, SIM_TENANTS_MAX, sizeof(*chunk.removed));
    struct tenant_report *report = &chunk.event->agent.message.tenants;
    report->full = full;
    report->tenants = chunk.tenants;
    report->removed = chunk.removed;
    return chunk;
}

static void sim_report_put(struct sim_chunk *chunk, const char *name, const struct sim_seen *seen)
{
    struct arena *arena = &chunk->event->arena;
    struct tenant_report *report = &chunk->event->agent.message.tenants;
    size_t at = report->tenant_count++;
    char text[SIM_TEXT_BYTES];

    sim_database_version(seen->version, text);
    chunk->versions[at] = (struct set_version){ .set = "billing",
                                                .version = arena_strdup(arena, text),
                                                .rollout = arena_strdup(arena, seen->rollout),
                                                .fence = seen->fence,
                                                .repeatables = seen->repeatables,
                                                .undone = arena_strdup(arena, seen->undone) };
    chunk->tenants[at] =
        (struct tenant_info){ .name = arena_strdup(arena, name),
                              .versions = &chunk->versions[at],
                              .version_count = seen->version > 0 || seen->undone[0] != '\0',
                              .has_objects = seen->has_objects };
}

/* Looks at the databases. What is told later is what was seen here. */
void sim_report_read(struct sim_agent *agent)
{
    agent->read = true;
    for (unsigned i = 0; i < SIM_TENANTS_MAX; i++) {
        const struct sim_tenant *tenant = &agent->shard->tenants[i];
        struct sim_seen *seen = &agent->seen[i];
        *seen = (struct sim_seen){ .exists = tenant->exists,
                                   .version = tenant->version,
                                   .has_objects = tenant->version > 0 || tenant->before > 0,
                                   .fence = tenant->fence,
                                   .repeatables = tenant->repeatables };
        memcpy(seen->rollout, tenant->rollout, sizeof(seen->rollout));
        memcpy(seen->undone, tenant->undone, sizeof(seen->undone));
    }
}

/* What this agent has done itself is known at once. */
void sim_report_note(struct sim_agent *agent, const struct sim_task *task)
{
    for (unsigned i = 0; i < SIM_TENANTS_MAX; i++) {
        struct sim_seen *seen = &agent->seen[i];
        if (strcmp(agent->shard->tenants[i].name, task->tenant) == 0 && seen->exists) {
            bool back = task->mode == TASK_ROLLBACK;
            seen->has_objects = true;
            seen->version = back ? task->back_to : sim_database_parse(task->target);
            seen->fence = task->token;
            seen->repeatables = agent->shard->tenants[i].repeatables;
            snprintf(seen->rollout, sizeof(seen->rollout), "%s", back ? "" : task->rollout);
            snprintf(seen->undone, sizeof(seen->undone), "%s", back ? task->rollout : "");
        }
    }
}

static void sim_report_tell(struct sim *sim, void *object, uint64_t stream, uint64_t answers)
{
    struct sim_agent *agent = object;
    uint64_t refresh = answers >> 1;

    if (!agent->alive || agent->stream != stream || agent->uplink.state != UPLINK_WORKING ||
        !agent->read) {
        return;
    }
    if (agent->paused) {
        sim_after(sim, agent->resume_ms - sim->now_ms + 1, sim_report_tell, agent, stream, answers);
        return;
    }
    bool full = (answers & 1) != 0 || !agent->told;
    struct sim_chunk chunk = sim_report_chunk(full);
    agent->told = true;
    for (unsigned i = 0; i < SIM_TENANTS_MAX; i++) {
        const char *name = agent->shard->tenants[i].name;
        struct tenant_report *report = &chunk.event->agent.message.tenants;
        if (agent->seen[i].exists) {
            if (report->tenant_count == REPORT_CHUNK) {
                sim_net_to_leader(sim, stream, chunk.event);
                chunk = sim_report_chunk(false);
            }
            sim_report_put(&chunk, name, &agent->seen[i]);
            agent->known[i] = true;
        } else if (agent->known[i] && !full) {
            chunk.removed[report->removed_count++] = arena_strdup(&chunk.event->arena, name);
            agent->known[i] = false;
        }
    }
    chunk.event->agent.message.tenants.last = true;
    chunk.event->agent.message.tenants.refresh = refresh;
    sim_net_to_leader(sim, stream, chunk.event);
}

/* What was read is told a little later. */
void sim_report_send(struct sim *sim, struct sim_agent *agent, bool full, uint64_t refresh)
{
    uint64_t at = sim->now_ms + (full ? 0 : sim_below(sim, REPORT_READ_MS_MAX));

    agent->report_ms = at > agent->report_ms ? at : agent->report_ms; /* in the order of reading */
    sim_after(sim, agent->report_ms - sim->now_ms, sim_report_tell, agent, agent->stream,
              refresh << 1 | full);
}

void sim_report_refresh(struct sim *sim, void *object, uint64_t refresh, uint64_t stream)
{
    struct sim_agent *agent = object;

    if (!agent->alive || agent->uplink.state != UPLINK_WORKING || agent->stream != stream) {
        return;
    }
    if (agent->paused) {
        sim_after(sim, agent->resume_ms - sim->now_ms + 1, sim_report_refresh, agent, refresh,
                  stream);
        return;
    }
    agent->refresh = refresh > agent->refresh ? refresh : agent->refresh;
    sim_report_read(agent);
    sim_report_send(sim, agent, sim_chance(sim, 300), agent->refresh);
}
