/* fake_agents: many agents in one process, which say yes to everything.
 *
 *   fake_agents HOST:PORT FIRST COUNT TENANTS
 *
 * Agents number FIRST to FIRST + COUNT - 1, each with a connection of its own, a shard of its own
 * and TENANTS tenants that exist nowhere. They speak the real protocol through the real common/rpc
 * and common/wire, and answer each task at once with success. "ready" is printed when all have a
 * session; SIGTERM ends it, with "lost N": sessions or streams that ended before. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/rpc/rpc_client.h"
#include "common/wire/wire.h"

enum { FAKE_NAME_BYTES = 64, FAKE_AGENTS_MAX = 10000, FAKE_LOOK_MS = 50 };

struct fake_agent {
    struct rpc_client *client;
    struct rpc_stream *stream;
    char shard[FAKE_NAME_BYTES];
    size_t tenant_count;
    uint64_t results;              /* sequence; its loop's */
    uint64_t heartbeat;            /* sequence; main's */
    atomic_ullong heard;           /* newest acknowledged heartbeat */
    atomic_bool working;           /* has a session */
    atomic_bool lost;              /* its stream has ended */
    char rollout[FAKE_NAME_BYTES]; /* that moved all tenants; its loop's, as the next one */
    char version[FAKE_NAME_BYTES];
};

static void fake_send(struct fake_agent *agent, const struct agent_message *message)
{
    CLEANUP(arena_release) struct arena arena = { 0 };

    rpc_stream_send(agent->stream, wire_encode_agent_message(message, &arena));
}

/* ---- on the client's loop ---- */

static void fake_report(struct fake_agent *agent, bool full, uint64_t refresh)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_version version = { .set = "billing",
                                   .version = agent->version,
                                   .rollout = agent->rollout,
                                   .fence = 1,
                                   .undone = "" };
    size_t at = 0;

    do {
        struct tenant_info *tenants =
            arena_alloc_array(&arena, TENANTS_PER_MESSAGE_MAX, sizeof(*tenants));
        struct agent_message message = { .kind = AGENT_MESSAGE_TENANTS };
        size_t count = 0;
        message.tenants.full = full && at == 0;
        for (; at < agent->tenant_count && count < TENANTS_PER_MESSAGE_MAX; at++) {
            tenants[count++] =
                (struct tenant_info){ .name = arena_printf(&arena, "t_%06zu", at),
                                      .versions = &version,
                                      .version_count = agent->version[0] == '\0' ? 0 : 1 };
        }
        message.tenants.tenants = tenants;
        message.tenants.tenant_count = count;
        message.tenants.last = at == agent->tenant_count;
        message.tenants.refresh = message.tenants.last ? refresh : 0;
        fake_send(agent, &message);
    } while (at < agent->tenant_count);
}

static void fake_answer(struct fake_agent *agent, const struct task_assignment *assign)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct task_result *items = arena_alloc_array(&arena, assign->task_count, sizeof(*items));
    struct agent_message message = { .kind = AGENT_MESSAGE_RESULTS };

    for (size_t i = 0; i < assign->task_count; i++) {
        items[i] = (struct task_result){
            .rollout = assign->rollout,
            .mode = assign->mode,
            .tenant = assign->tasks[i].tenant,
            .token = assign->token,
            .outcome = TASK_SUCCEEDED,
            .error = { .tenant = "",
                       .sqlstate = "",
                       .message = "",
                       .detail = "",
                       .hint = "",
                       .file = "" },
            .version = assign->mode == TASK_RUN ? assign->target : "",
        };
    }
    if (assign->mode == TASK_RUN) {
        snprintf(agent->rollout, sizeof(agent->rollout), "%s", assign->rollout);
        snprintf(agent->version, sizeof(agent->version), "%s", assign->target);
    }
    message.results = (struct task_results){ .sequence = ++agent->results,
                                             .items = items,
                                             .count = assign->task_count };
    fake_send(agent, &message);
}

static void fake_on_message(void *user, struct rpc_stream *stream, struct bytes bytes)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct fake_agent *agent = user;
    struct coordinator_message message;
    struct error err = { 0 };

    if (!wire_decode_coordinator_message(bytes, &arena, &message, &err)) {
        fprintf(stderr, "fake_agents: %s: %s\n", agent->shard, err.message);
        rpc_stream_cancel(stream);
        return;
    }
    switch (message.kind) {
    case COORDINATOR_MESSAGE_WELCOME:
        fake_report(agent, true, 0);
        atomic_store(&agent->working, true);
        break;
    case COORDINATOR_MESSAGE_HEARTBEAT_ACK:
        atomic_store(&agent->heard, message.sequence);
        break;
    case COORDINATOR_MESSAGE_ASSIGN:
        fake_answer(agent, &message.assign);
        break;
    case COORDINATOR_MESSAGE_REFRESH:
        fake_report(agent, false, message.refresh);
        break;
    case COORDINATOR_MESSAGE_STANDBY:
    case COORDINATOR_MESSAGE_CANCEL:
    case COORDINATOR_MESSAGE_RESULTS_ACK:
    case COORDINATOR_MESSAGE_HISTORY:
    case COORDINATOR_MESSAGE_SCHEMAS:
    case COORDINATOR_MESSAGE_CONTROL_RUN:
    case COORDINATOR_MESSAGE_CONTROL_ANSWER:
    case COORDINATOR_MESSAGE_COUNT:
        break;
    }
}

static void fake_on_closed(void *user, struct rpc_stream *stream, const struct rpc_end *end)
{
    struct fake_agent *agent = user;

    (void)stream;
    atomic_store(&agent->lost, true);
    if (end->status != RPC_CANCELLED) {
        fprintf(stderr, "fake_agents: %s: %s\n", agent->shard, end->message);
    }
}

/* ---- main ---- */

static bool fake_start(struct fake_agent *agent, const char *address, struct error *err)
{
    static const struct rpc_stream_handler handler = { .on_message = fake_on_message,
                                                       .on_closed = fake_on_closed };
    const struct agent_message hello = { .kind = AGENT_MESSAGE_HELLO,
                                         .hello = { .protocol = 1,
                                                    .shard = agent->shard,
                                                    .agent = agent->shard,
                                                    .version = "0.1.0",
                                                    .workers = 4 } };

    if (!rpc_client_new(address, NULL, &agent->client, err) ||
        !rpc_stream_open(agent->client, "/skein.v1.AgentService/Connect", UINT64_MAX, &handler,
                         agent, &agent->stream, err)) {
        return false;
    }
    fake_send(agent, &hello);
    return true;
}

static void fake_beat(struct fake_agent *agents, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (atomic_load(&agents[i].working)) {
            const struct agent_message beat = { .kind = AGENT_MESSAGE_HEARTBEAT,
                                                .heartbeat = { .sequence = ++agents[i].heartbeat,
                                                               .trouble = "" } };
            fake_send(&agents[i], &beat);
        }
    }
}

static size_t fake_count_working(struct fake_agent *agents, size_t count)
{
    size_t working = 0;

    for (size_t i = 0; i < count; i++) {
        working += atomic_load(&agents[i].working);
    }
    return working;
}

/* Heartbeats until a signal says that it is enough. */
static void fake_run(struct fake_agent *agents, size_t count, const sigset_t *signals)
{
    const struct timespec look = { .tv_nsec = FAKE_LOOK_MS * 1000000L };
    bool ready = false;

    for (uint64_t elapsed_ms = 0;; elapsed_ms += FAKE_LOOK_MS) {
        if (sigtimedwait(signals, NULL, &look) > 0) {
            return;
        }
        if (elapsed_ms % HEARTBEAT_INTERVAL_MS < FAKE_LOOK_MS) {
            fake_beat(agents, count);
        }
        if (!ready && fake_count_working(agents, count) == count) {
            ready = true;
            puts("ready");
            fflush(stdout);
        }
    }
}

/* A session is lost when its stream is, or when its heartbeats are not answered any more. */
static size_t fake_count_lost(struct fake_agent *agents, size_t count)
{
    size_t lost = 0;

    for (size_t i = 0; i < count; i++) {
        struct fake_agent *agent = &agents[i];
        bool silent = agent->heartbeat > atomic_load(&agent->heard) + 2;
        lost += atomic_load(&agent->lost) || !atomic_load(&agent->working) || silent;
    }
    return lost;
}

int main(int argc, char **argv)
{
    size_t first = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
    size_t count = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    size_t tenant_count = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    struct error err = { 0 };
    sigset_t signals;

    if (count == 0 || count > FAKE_AGENTS_MAX || tenant_count == 0 ||
        tenant_count > TENANTS_PER_SHARD_MAX) {
        fprintf(stderr, "usage: fake_agents HOST:PORT FIRST COUNT TENANTS\n");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    struct fake_agent *agents = memory_alloc_array(count, sizeof(*agents));
    for (size_t i = 0; i < count; i++) {
        agents[i].tenant_count = tenant_count;
        snprintf(agents[i].shard, sizeof(agents[i].shard), "shard-%05zu", first + i);
        if (!fake_start(&agents[i], argv[1], &err)) {
            fprintf(stderr, "fake_agents: %s: %s\n", agents[i].shard, err.message);
            return 1;
        }
    }
    fake_run(agents, count, &signals);
    printf("lost %zu\n", fake_count_lost(agents, count));
    fflush(stdout);
    for (size_t i = 0; i < count; i++) {
        rpc_stream_cancel(agents[i].stream);
        rpc_stream_unref(&agents[i].stream);
        rpc_client_free(&agents[i].client);
    }
    free(agents);
    return 0;
}
