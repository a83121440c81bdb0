/* LIBS: coordinator_serve */
/* AgentService, health and reflection over a real connection; the test's own thread is the brain.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/rpc/rpc_client.h"
#include "common/wire/wire.h"
#include "common/wire/wire_codec.h"
#include "coordinator/decide/event.h"
#include "coordinator/serve/agent_service.h"
#include "coordinator/serve/health.h"
#include "coordinator/serve/operator_service.h"
#include "coordinator/serve/reflection.h"
#include "coordinator/serve/serve_check.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "tests/unit/fake_fleet.h"

enum {
    WAIT_MS = 20000,
    INBOX_EVENTS = 64,
    METHODS_MAX = 64,
    ARCHIVE_BYTES = 9 * SET_CHUNK_BYTES + 17
};

struct fixture {
    struct mailbox *inbox;
    struct leader_view *leader;
    struct sql_parser *parser;
    struct agent_service *agents;
    struct operator_service *operators;
    struct health *health;
    struct reflection *reflection;
    struct rpc_method methods[METHODS_MAX];
    size_t method_count;
    struct rpc_server *server;
    struct rpc_client *client;
    uint8_t *archive;
    atomic_uint reads; /* of the store */
    atomic_bool hold;  /* the store does not answer yet */
    struct {
        set_fetched *done;
        void *user;
    } held;
};

static void discard(void *message)
{
    struct event *event = message;

    event_free(&event);
}

/* ---- the store ---- */

static void answer_fetch(struct fixture *fixture, const char *digest, set_fetched *done, void *user)
{
    struct error err = { 0 };

    if (strcmp(digest, "sha256:none") == 0) {
        error_set(&err, ERR_NOT_FOUND, "set 'billing' has no such digest");
        done(user, (struct bytes){ 0 }, &err);
    } else {
        done(user, (struct bytes){ fixture->archive, ARCHIVE_BYTES }, NULL);
    }
}

static void fetch(void *context, const char *set, const char *digest, set_fetched *done, void *user)
{
    struct fixture *fixture = context;

    assert_string_equal(set, "billing");
    if (atomic_load(&fixture->hold)) {
        fixture->held.done = done;
        fixture->held.user = user;
        atomic_fetch_add(&fixture->reads, 1); /* last: the test looks for it */
    } else {
        atomic_fetch_add(&fixture->reads, 1);
        answer_fetch(fixture, digest, done, user);
    }
}

/* ---- one agent's stream ---- */

struct agent {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct arena arena;
    struct coordinator_message last;
    size_t count;
    bool closed;
    struct rpc_end end;
    struct rpc_stream *stream;
};

static void agent_on_message(void *user, struct rpc_stream *stream, struct bytes message)
{
    struct agent *agent = user;
    struct error err = { 0 };

    (void)stream;
    pthread_mutex_lock(&agent->mutex);
    assert_true(wire_decode_coordinator_message(message, &agent->arena, &agent->last, &err));
    agent->count++;
    pthread_cond_broadcast(&agent->changed);
    pthread_mutex_unlock(&agent->mutex);
}

static void agent_on_closed(void *user, struct rpc_stream *stream, const struct rpc_end *end)
{
    struct agent *agent = user;

    (void)stream;
    pthread_mutex_lock(&agent->mutex);
    agent->closed = true;
    agent->end = *end;
    pthread_cond_broadcast(&agent->changed);
    pthread_mutex_unlock(&agent->mutex);
}

static void agent_open(struct agent *agent, struct fixture *fixture)
{
    static const struct rpc_stream_handler handler = {
        .on_message = agent_on_message,
        .on_closed = agent_on_closed,
    };
    struct error err = { 0 };

    memset(agent, 0, sizeof(*agent));
    pthread_mutex_init(&agent->mutex, NULL);
    clock_cond_init(&agent->changed);
    assert_true(rpc_stream_open(fixture->client, "/skein.v1.AgentService/Connect", UINT64_MAX,
                                &handler, agent, &agent->stream, &err));
}

/* Until `count` messages have come, or the stream has ended. */
static void agent_wait(struct agent *agent, size_t count)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    pthread_mutex_lock(&agent->mutex);
    while (agent->count < count && !agent->closed) {
        assert_true(clock_cond_wait_until(&agent->changed, &agent->mutex, deadline));
    }
    pthread_mutex_unlock(&agent->mutex);
}

static void agent_close(struct agent *agent)
{
    rpc_stream_cancel(agent->stream);
    agent_wait(agent, SIZE_MAX);
    rpc_stream_unref(&agent->stream);
    arena_release(&agent->arena);
    pthread_mutex_destroy(&agent->mutex);
    pthread_cond_destroy(&agent->changed);
}

static void agent_say(struct agent *agent, const struct agent_message *message)
{
    struct arena arena = { 0 };

    rpc_stream_send(agent->stream, wire_encode_agent_message(message, &arena));
    arena_release(&arena);
}

static void agent_say_hello(struct agent *agent, const char *shard)
{
    const struct agent_message hello = {
        .kind = AGENT_MESSAGE_HELLO,
        .hello = { .protocol = 1, .shard = shard, .agent = "a1", .version = "0.1.0" },
    };

    agent_say(agent, &hello);
}

/* ---- fixture ---- */

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const struct set_source source = { fetch, fixture };
    struct error err = { 0 };
    char address[64];
    size_t count = AGENT_SERVICE_METHODS;

    fixture->archive = memory_alloc(ARCHIVE_BYTES);
    for (size_t i = 0; i < ARCHIVE_BYTES; i++) {
        fixture->archive[i] = (uint8_t)(i * 7 + i / 1000);
    }
    fixture->inbox = mailbox_new(INBOX_EVENTS, discard);
    fixture->leader = leader_view_new();
    leader_view_set(fixture->leader, true, "here:1");
    fixture->parser = sql_parser_new();
    fixture->agents = agent_service_new(fixture->inbox, fixture->leader, &source);
    fixture->operators = operator_service_new(fixture->inbox, fixture->leader, fixture->parser);
    fixture->health = health_new();
    fixture->reflection = reflection_new();
    agent_service_methods(fixture->agents, fixture->methods);
    count += operator_service_methods(fixture->operators, fixture->methods + count);
    count += health_methods(fixture->health, fixture->methods + count);
    count += reflection_methods(fixture->reflection, fixture->methods + count);
    fixture->method_count = count;
    const struct rpc_server_options options = {
        .listen = "127.0.0.1:0",
        .methods = fixture->methods,
        .method_count = count,
    };
    assert_true(rpc_server_start(&options, &fixture->server, &err));
    snprintf(address, sizeof(address), "127.0.0.1:%d", rpc_server_port(fixture->server));
    assert_true(rpc_client_new(address, NULL, &fixture->client, &err));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    rpc_client_free(&fixture->client);
    mailbox_close(fixture->inbox);
    rpc_server_stop(fixture->server, 0);
    rpc_server_free(&fixture->server);
    agent_service_free(&fixture->agents);
    operator_service_free(&fixture->operators);
    health_free(&fixture->health);
    reflection_free(&fixture->reflection);
    leader_view_free(&fixture->leader);
    sql_parser_free(&fixture->parser);
    mailbox_free(&fixture->inbox);
    free(fixture->archive);
    free(fixture);
    return 0;
}

static struct event *take(struct fixture *fixture, enum event_type type)
{
    void *message = NULL;

    assert_int_equal(mailbox_take(fixture->inbox, &message, 1, clock_monotonic_ms() + WAIT_MS), 1);
    struct event *event = message;
    assert_int_equal(event->type, type);
    return event;
}

/* The brain does so in each round, while it waits for events. */
static struct event *take_resuming(struct fixture *fixture, enum event_type type)
{
    uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;

    while (mailbox_depth(fixture->inbox) == 0 && clock_monotonic_ms() < until_ms) {
        agent_service_resume(fixture->agents);
        sched_yield();
    }
    return take(fixture, type);
}

/* ---- tests: streams ---- */

static void what_an_agent_says_reaches_the_brain_and_back(void **state)
{
    struct fixture *fixture = *state;
    struct agent agent;

    agent_open(&agent, fixture);
    agent_say_hello(&agent, "eu-1");
    struct event *event = take(fixture, EVENT_AGENT_MESSAGE);
    uint64_t stream = event->agent.stream;
    assert_string_equal(event->agent.message.hello.shard, "eu-1");
    assert_non_null(strstr(event->agent.peer, "127.0.0.1"));
    event_free(&event);
    const struct coordinator_message welcome = {
        .term = 7,
        .kind = COORDINATOR_MESSAGE_WELCOME,
        .welcome = { .lease_id = 77, .lease_ttl_ms = 15000, .heartbeat_interval_ms = 3000 },
    };
    agent_service_send(fixture->agents, stream, &welcome);
    agent_service_send(fixture->agents, stream + 1, &welcome); /* nobody */
    agent_wait(&agent, 1);
    assert_int_equal(agent.last.welcome.lease_id, 77);
    agent_service_close(fixture->agents, stream, ERR_CONFLICT, "another agent has this shard");
    agent_wait(&agent, SIZE_MAX);
    assert_int_equal(agent.end.status, RPC_ABORTED);
    assert_string_equal(agent.end.message, "another agent has this shard");
    event = take(fixture, EVENT_AGENT_CLOSED);
    assert_int_equal(event->agent.stream, stream);
    event_free(&event);
    agent_close(&agent);
}

static void an_agent_that_breaks_the_protocol_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    const struct agent_message heartbeat = { .kind = AGENT_MESSAGE_HEARTBEAT,
                                             .heartbeat = { .sequence = 1, .trouble = "" } };
    struct agent agent;

    agent_open(&agent, fixture);
    agent_say(&agent, &heartbeat);
    agent_wait(&agent, SIZE_MAX);
    assert_int_equal(agent.end.status, RPC_INVALID_ARGUMENT);
    assert_string_equal(agent.end.message,
                        "the first message of a stream is Hello, and only the first");
    agent_close(&agent);
    agent_open(&agent, fixture);
    agent_say_hello(&agent, "a/b");
    agent_wait(&agent, SIZE_MAX);
    assert_string_equal(agent.end.message, "Hello: shard: 'a/b' holds a '/'");
    agent_close(&agent);
    assert_int_equal(mailbox_depth(fixture->inbox), 0); /* the brain never heard of them */
}

/* Hello and heartbeats number 1 to `count`, until the mailbox is full. */
static void agent_flood(struct agent *agent, struct fixture *fixture, size_t count)
{
    uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;

    agent_say_hello(agent, "eu-1");
    for (size_t i = 1; i <= count; i++) {
        const struct agent_message heartbeat = { .kind = AGENT_MESSAGE_HEARTBEAT,
                                                 .heartbeat = { .sequence = i, .trouble = "" } };
        agent_say(agent, &heartbeat);
    }
    while (mailbox_depth(fixture->inbox) < INBOX_EVENTS && clock_monotonic_ms() < until_ms) {
        sched_yield();
    }
    assert_int_equal(mailbox_depth(fixture->inbox), INBOX_EVENTS);
}

static void a_full_mailbox_makes_the_agent_wait_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct agent agent;

    agent_open(&agent, fixture);
    agent_flood(&agent, fixture, 200);
    struct event *event = take(fixture, EVENT_AGENT_MESSAGE);
    event_free(&event);
    for (uint64_t i = 1; i <= 200; i++) {
        event = take_resuming(fixture, EVENT_AGENT_MESSAGE);
        assert_int_equal(event->agent.message.heartbeat.sequence, i);
        event_free(&event);
    }
    agent_close(&agent);
}

static void an_agent_that_leaves_while_it_waits_is_heard_to_leave(void **state)
{
    struct fixture *fixture = *state;
    struct agent agent;
    size_t messages = 0;

    agent_open(&agent, fixture);
    agent_flood(&agent, fixture, 200);
    agent_close(&agent);
    for (bool closed = false; !closed; messages++) {
        void *message = NULL;
        agent_service_resume(fixture->agents);
        assert_int_equal(mailbox_take(fixture->inbox, &message, 1, clock_monotonic_ms() + WAIT_MS),
                         1);
        struct event *event = message;
        closed = event->type == EVENT_AGENT_CLOSED;
        event_free(&event);
    }
    assert_true(messages > INBOX_EVENTS); /* what fitted, in order, and the end */
}

static void an_agent_is_sent_to_the_leader(void **state)
{
    struct fixture *fixture = *state;
    struct agent agent;

    agent_open(&agent, fixture);
    agent_say_hello(&agent, "eu-1");
    struct event *event = take(fixture, EVENT_AGENT_MESSAGE);
    event_free(&event);
    leader_view_set(fixture->leader, false, "there:7443");
    agent_service_close_all(fixture->agents, "this coordinator does not lead any more");
    agent_wait(&agent, SIZE_MAX);
    assert_int_equal(agent.end.status, RPC_UNAVAILABLE);
    assert_string_equal(agent.end.leader, "there:7443");
    agent_close(&agent);
    agent_open(&agent, fixture);
    agent_wait(&agent, SIZE_MAX);
    assert_int_equal(agent.end.status, RPC_UNAVAILABLE);
    assert_string_equal(agent.end.leader, "there:7443");
    agent_close(&agent);
}

/* ---- tests: fetching ---- */

struct fetched {
    struct fixture *fixture;
    const char *digest;
    struct buf archive;
    struct rpc_end end;
    bool ok;
};

static bool on_chunk(void *user, struct bytes message)
{
    struct fetched *fetched = user;
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct bytes chunk;

    assert_true(wire_decode_fetch_set_response(message, &arena, &chunk, &err));
    assert_true(chunk.size <= SET_CHUNK_BYTES);
    assert_true(buf_append(&fetched->archive, chunk.data, chunk.size));
    arena_release(&arena);
    return true;
}

static void *run_fetch(void *arg)
{
    struct fetched *fetched = arg;
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct bytes request = wire_encode_fetch_set_request("billing", fetched->digest, &arena);

    fetched->archive.size_max = SET_ARCHIVE_BYTES_MAX;
    fetched->ok = rpc_client_stream(fetched->fixture->client, "/skein.v1.AgentService/FetchSet",
                                    &request, 1, WAIT_MS, on_chunk, fetched, &fetched->end, &err);
    arena_release(&arena);
    return NULL;
}

static void agents_that_fetch_at_once_share_one_read(void **state)
{
    enum { AGENTS = 8 };
    struct fixture *fixture = *state;
    struct fetched fetched[AGENTS] = { 0 };
    pthread_t threads[AGENTS];
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    atomic_store(&fixture->hold, true);
    for (size_t i = 0; i < AGENTS; i++) {
        fetched[i].fixture = fixture;
        fetched[i].digest = "sha256:ab";
        pthread_create(&threads[i], NULL, run_fetch, &fetched[i]);
    }
    while (rpc_server_call_count(fixture->server) < AGENTS || atomic_load(&fixture->reads) == 0) {
        assert_true(clock_monotonic_ms() < deadline);
    }
    atomic_store(&fixture->hold, false);
    answer_fetch(fixture, "sha256:ab", fixture->held.done, fixture->held.user);
    for (size_t i = 0; i < AGENTS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(fetched[i].ok);
        assert_int_equal(fetched[i].archive.size, ARCHIVE_BYTES);
        assert_memory_equal(fetched[i].archive.data, fixture->archive, ARCHIVE_BYTES);
        buf_release(&fetched[i].archive);
    }
    /* One that asked after the answer may have had to read again. */
    assert_true(atomic_load(&fixture->reads) <= 2);
}

static void a_set_that_is_not_there_is_said_so(void **state)
{
    struct fixture *fixture = *state;
    struct fetched fetched = { .fixture = fixture, .digest = "sha256:none" };

    run_fetch(&fetched);
    assert_false(fetched.ok);
    assert_int_equal(fetched.end.status, RPC_NOT_FOUND);
    assert_string_equal(fetched.end.message, "set 'billing' has no such digest");
    fetched.digest = "../x";
    run_fetch(&fetched);
    assert_int_equal(fetched.end.status, RPC_INVALID_ARGUMENT);
    buf_release(&fetched.archive);
}

/* ---- tests: health, reflection, the table ---- */

struct checks {
    struct fixture *fixture;
    int statuses[4];
    size_t count;
};

static bool on_health(void *user, struct bytes message)
{
    struct checks *checks = user;
    struct arena arena = { 0 };
    struct error err = { 0 };
    const Grpc__Health__V1__HealthCheckResponse *response = wire_codec_unpack(
        &grpc__health__v1__health_check_response__descriptor, message, &arena, &err);

    assert_non_null(response);
    checks->statuses[checks->count++] = (int)response->status;
    arena_release(&arena);
    health_set_serving(checks->fixture->health, checks->count == 1);
    return checks->count < 3;
}

static void health_follows_leadership(void **state)
{
    struct fixture *fixture = *state;
    struct checks checks = { .fixture = fixture };
    struct bytes everything = { NULL, 0 };
    struct bytes unknown = { (const uint8_t *)"\x0a\x01x", 3 };
    struct rpc_end end;
    struct error err = { 0 };

    assert_true(rpc_client_stream(fixture->client, "/grpc.health.v1.Health/Watch", &everything, 1,
                                  WAIT_MS, on_health, &checks, &end, &err));
    assert_int_equal(checks.count, 3);
    assert_int_equal(checks.statuses[0], 2); /* NOT_SERVING */
    assert_int_equal(checks.statuses[1], 1); /* SERVING */
    assert_int_equal(checks.statuses[2], 2);
    checks.count = 0;
    assert_true(rpc_client_stream(fixture->client, "/grpc.health.v1.Health/Check", &everything, 1,
                                  WAIT_MS, on_health, &checks, &end, &err));
    assert_int_equal(checks.count, 1);
    assert_false(rpc_client_stream(fixture->client, "/grpc.health.v1.Health/Check", &unknown, 1,
                                   WAIT_MS, on_health, &checks, &end, &err));
    assert_int_equal(end.status, RPC_NOT_FOUND);
}

static bool on_reflection(void *user, struct bytes message)
{
    size_t *count = user;

    assert_true(message.size > 0);
    *count += 1;
    return true;
}

static void reflection_answers_both_versions(void **state)
{
    static const char *const paths[] = {
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    };
    struct fixture *fixture = *state;
    const struct bytes list = { (const uint8_t *)"\x3a\x01*", 3 };
    const struct bytes requests[] = { list, list };
    struct rpc_end end;
    struct error err = { 0 };

    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        size_t count = 0;
        assert_true(rpc_client_stream(fixture->client, paths[i], requests, 2, WAIT_MS,
                                      on_reflection, &count, &end, &err));
        assert_int_equal(count, 2);
        assert_int_equal(end.status, RPC_OK);
    }
}

static void every_method_of_the_protos_has_one_handler(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };

    if (!serve_check(fixture->methods, fixture->method_count, &err)) {
        fail_msg("%s", err.message);
    }
    assert_false(serve_check(fixture->methods + 1, fixture->method_count - 1, &err));
    assert_string_equal(err.message,
                        "method /skein.v1.AgentService/Connect has 0 handlers, not one");
    fixture->methods[fixture->method_count] = fixture->methods[0];
    assert_false(serve_check(fixture->methods, fixture->method_count + 1, &err));
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(what_an_agent_says_reaches_the_brain_and_back),
        WITH_SERVER(an_agent_that_breaks_the_protocol_is_cut_off),
        WITH_SERVER(a_full_mailbox_makes_the_agent_wait_and_loses_nothing),
        WITH_SERVER(an_agent_that_leaves_while_it_waits_is_heard_to_leave),
        WITH_SERVER(an_agent_is_sent_to_the_leader),
        WITH_SERVER(agents_that_fetch_at_once_share_one_read),
        WITH_SERVER(a_set_that_is_not_there_is_said_so),
        WITH_SERVER(health_follows_leadership),
        WITH_SERVER(reflection_answers_both_versions),
        WITH_SERVER(every_method_of_the_protos_has_one_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
