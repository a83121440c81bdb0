/* rpc_fixture.h - a server with a method for each habit, and a probe that watches a stream.
 *
 * For the tests of common/rpc. Callbacks come on loop threads, where cmocka must not be used: they
 * count and keep, the test thread waits and compares. */
#ifndef SKEIN_TESTS_UNIT_RPC_FIXTURE_H
#define SKEIN_TESTS_UNIT_RPC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
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
#include "common/rpc/rpc_server.h"

enum { FIXTURE_WAIT_MS = 25000, FIXTURE_ADDRESS_BYTES = 64, FLOOD_MESSAGE_BYTES = 1 << 20 };

struct fixture {
    struct rpc_server *server;
    struct rpc_client *client;
    char address[FIXTURE_ADDRESS_BYTES];

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    size_t opened;
    size_t closed;
    size_t messages;
    size_t half_closed;
    size_t flooded;        /* messages that Flood's outbox took */
    struct rpc_call *held; /* the last call of Hold, referenced */
};

/* One call at the server. */
struct fixture_call {
    struct fixture *fixture;
    size_t sent;
    size_t wanted;
};

static inline void fixture_note(struct fixture *fixture, size_t *counter)
{
    pthread_mutex_lock(&fixture->mutex);
    (*counter)++;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->mutex);
}

static inline void fixture_wait(struct fixture *fixture, const size_t *counter, size_t count)
{
    uint64_t deadline_ms = clock_monotonic_ms() + FIXTURE_WAIT_MS;
    bool patient = true;

    pthread_mutex_lock(&fixture->mutex);
    while (patient && *counter < count) {
        patient = clock_cond_wait_until(&fixture->changed, &fixture->mutex, deadline_ms);
    }
    size_t reached = *counter;
    pthread_mutex_unlock(&fixture->mutex);
    assert_true(reached >= count);
}

static inline size_t fixture_read(struct fixture *fixture, const size_t *counter)
{
    pthread_mutex_lock(&fixture->mutex);
    size_t value = *counter;
    pthread_mutex_unlock(&fixture->mutex);
    return value;
}

static inline void *fixture_on_open(void *context, struct rpc_call *call)
{
    struct fixture_call *mine = memory_alloc(sizeof(*mine));

    (void)call;
    mine->fixture = context;
    fixture_note(mine->fixture, &mine->fixture->opened);
    return mine;
}

static inline void fixture_on_closed(void *user, struct rpc_call *call)
{
    struct fixture_call *mine = user;

    (void)call;
    fixture_note(mine->fixture, &mine->fixture->closed);
    free(mine);
}

static inline void fixture_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    struct fixture_call *mine = user;

    (void)call;
    (void)message;
    fixture_note(mine->fixture, &mine->fixture->messages);
}

static inline void fixture_on_half_close(void *user, struct rpc_call *call)
{
    struct fixture_call *mine = user;

    (void)call;
    fixture_note(mine->fixture, &mine->fixture->half_closed);
}

/* Echo: each message comes back; ends when the client does. */
static inline void echo_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    fixture_on_message(user, call, message);
    rpc_call_send(call, message);
}

static inline void echo_on_half_close(void *user, struct rpc_call *call)
{
    fixture_on_half_close(user, call);
    rpc_call_finish(call, RPC_OK, NULL);
}

/* Count: "N" is answered with N messages "0".."N-1", a portion each time the outbox is empty. */
static inline void count_on_drained(void *user, struct rpc_call *call)
{
    struct fixture_call *mine = user;
    char text[32];

    for (size_t i = 0; i < STREAM_OUTBOX_MESSAGES_MAX / 2 && mine->sent < mine->wanted; i++) {
        snprintf(text, sizeof(text), "%zu", mine->sent++);
        rpc_call_send(call, bytes_of_text(text));
    }
    if (mine->sent == mine->wanted) {
        rpc_call_finish(call, RPC_OK, NULL);
    }
}

static inline size_t fixture_number(struct bytes message)
{
    char text[32];

    snprintf(text, sizeof(text), "%.*s", (int)message.size, (const char *)message.data);
    return (size_t)strtoull(text, NULL, 10);
}

static inline void count_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    struct fixture_call *mine = user;

    mine->wanted = fixture_number(message);
    count_on_drained(user, call);
}

/* Fail: ends with a refusal that names the leader. */
static inline void fail_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    char text[RPC_STATUS_MESSAGE_BYTES];

    (void)user;
    snprintf(text, sizeof(text), "%.*s", (int)message.size, (const char *)message.data);
    rpc_call_add_trailer(call, "skein-leader", "10.0.0.1:7443");
    rpc_call_add_trailer(call, "skein-refused", "not-leading");
    rpc_call_finish(call, RPC_UNAVAILABLE, text);
}

/* Peer: says who asks. */
static inline void peer_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    (void)user;
    (void)message;
    rpc_call_send(call, bytes_of_text(rpc_call_peer(call)));
    rpc_call_finish(call, RPC_OK, NULL);
}

/* Agent: says what the user-agent header was. */
static inline void agent_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    char value[256];

    (void)user;
    (void)message;
    rpc_call_metadata(call, "no-such-header", value, sizeof(value));
    if (value[0] == '\0') {
        rpc_call_metadata(call, "user-agent", value, sizeof(value));
    }
    rpc_call_send(call, bytes_of_text(value));
    rpc_call_finish(call, RPC_OK, NULL);
}

/* Flood: sends without looking at the outbox, until it is full. */
static inline void flood_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    struct fixture_call *mine = user;
    uint8_t *block = memory_alloc(FLOOD_MESSAGE_BYTES);
    struct bytes flood = { .data = block, .size = FLOOD_MESSAGE_BYTES };

    (void)message;
    for (size_t i = 0; i < (size_t)2 * STREAM_OUTBOX_MESSAGES_MAX && rpc_call_send(call, flood);
         i++) {
        fixture_note(mine->fixture, &mine->fixture->flooded);
    }
    free(block);
}

/* Large: "N" is answered with one message of N bytes. */
static inline void large_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    size_t size = fixture_number(message);
    uint8_t *block = memory_alloc(size);

    (void)user;
    rpc_call_send(call, (struct bytes){ .data = block, .size = size });
    rpc_call_finish(call, RPC_OK, NULL);
    free(block);
}

/* Hold: never answers; keeps a reference for the test thread. */
static inline void *hold_on_open(void *context, struct rpc_call *call)
{
    struct fixture *fixture = context;

    rpc_call_ref(call);
    pthread_mutex_lock(&fixture->mutex);
    struct rpc_call *before = fixture->held;
    fixture->held = call;
    pthread_mutex_unlock(&fixture->mutex);
    rpc_call_unref(&before);
    return fixture_on_open(context, call);
}

static const struct rpc_handler echo_handler = {
    .on_open = fixture_on_open,
    .on_message = echo_on_message,
    .on_half_close = echo_on_half_close,
    .on_closed = fixture_on_closed,
};
static const struct rpc_handler count_handler = {
    .on_open = fixture_on_open,
    .on_message = count_on_message,
    .on_closed = fixture_on_closed,
    .on_drained = count_on_drained,
};
static const struct rpc_handler fail_handler = {
    .on_open = fixture_on_open,
    .on_message = fail_on_message,
    .on_closed = fixture_on_closed,
};
static const struct rpc_handler peer_handler = {
    .on_open = fixture_on_open,
    .on_message = peer_on_message,
    .on_closed = fixture_on_closed,
};
static const struct rpc_handler agent_handler = {
    .on_open = fixture_on_open,
    .on_message = agent_on_message,
    .on_closed = fixture_on_closed,
};
static const struct rpc_handler flood_handler = {
    .on_open = fixture_on_open,
    .on_message = flood_on_message,
    .on_closed = fixture_on_closed,
};
static const struct rpc_handler large_handler = {
    .on_open = fixture_on_open,
    .on_message = large_on_message,
    .on_closed = fixture_on_closed,
};
static const struct rpc_handler hold_handler = {
    .on_open = hold_on_open,
    .on_message = fixture_on_message,
    .on_half_close = fixture_on_half_close,
    .on_closed = fixture_on_closed,
};

static inline void fixture_start_server(struct fixture *fixture, const struct rpc_tls *tls,
                                        uint32_t calls_max)
{
    const struct rpc_method methods[] = {
        { "/t.Test/Echo", &echo_handler, fixture },   { "/t.Test/Count", &count_handler, fixture },
        { "/t.Test/Fail", &fail_handler, fixture },   { "/t.Test/Peer", &peer_handler, fixture },
        { "/t.Test/Agent", &agent_handler, fixture }, { "/t.Test/Flood", &flood_handler, fixture },
        { "/t.Test/Large", &large_handler, fixture }, { "/t.Test/Hold", &hold_handler, fixture },
    };
    struct rpc_server_options options = { .listen = "localhost:0",
                                          .tls = tls,
                                          .methods = methods,
                                          .method_count = COUNT_OF(methods),
                                          .calls_max = calls_max };
    struct error err = { 0 };

    pthread_mutex_init(&fixture->mutex, NULL);
    clock_cond_init(&fixture->changed);
    if (!rpc_server_start(&options, &fixture->server, &err)) {
        fail_msg("%s", err.message);
    }
    snprintf(fixture->address, sizeof(fixture->address), "localhost:%d",
             rpc_server_port(fixture->server));
}

static inline struct rpc_client *fixture_connect(const char *address, const struct rpc_tls *tls)
{
    struct rpc_client *client = NULL;
    struct error err = { 0 };

    if (!rpc_client_new(address, tls, &client, &err)) {
        fail_msg("%s", err.message);
    }
    return client;
}

static inline void fixture_start(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture_start_server(fixture, NULL, 0);
    fixture->client = fixture_connect(fixture->address, NULL);
}

static inline void fixture_stop(struct fixture *fixture)
{
    rpc_client_free(&fixture->client);
    rpc_server_free(&fixture->server);
    rpc_call_unref(&fixture->held);
    assert_int_equal(fixture->opened, fixture->closed);
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->mutex);
}

/* A unary call whose answer is text. */
static inline bool fixture_ask(struct rpc_client *client, const char *path, const char *request,
                               struct buf *answer, struct rpc_end *end, struct error *err)
{
    answer->size_max = MESSAGE_BYTES_MAX;
    return rpc_client_unary(client, path, bytes_of_text(request), FIXTURE_WAIT_MS, answer, end,
                            err);
}

/* ---- what a client's stream has seen ---- */

struct probe {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    size_t messages;
    size_t bytes;
    size_t closed;
    bool out_of_order; /* a message was not the decimal number of those before it */
    struct rpc_end end;
};

static inline void probe_on_message(void *user, struct rpc_stream *stream, struct bytes message)
{
    struct probe *probe = user;
    char text[32];

    (void)stream;
    pthread_mutex_lock(&probe->mutex);
    int size = snprintf(text, sizeof(text), "%zu", probe->messages);
    if ((size_t)size != message.size || memcmp(text, message.data, message.size) != 0) {
        probe->out_of_order = true;
    }
    probe->messages++;
    probe->bytes += message.size;
    pthread_cond_broadcast(&probe->changed);
    pthread_mutex_unlock(&probe->mutex);
}

static inline void probe_on_closed(void *user, struct rpc_stream *stream, const struct rpc_end *end)
{
    struct probe *probe = user;

    (void)stream;
    pthread_mutex_lock(&probe->mutex);
    probe->end = *end;
    probe->closed++;
    pthread_cond_broadcast(&probe->changed);
    pthread_mutex_unlock(&probe->mutex);
}

static const struct rpc_stream_handler probe_handler = { .on_message = probe_on_message,
                                                         .on_closed = probe_on_closed };

static inline void probe_init(struct probe *probe)
{
    memset(probe, 0, sizeof(*probe));
    pthread_mutex_init(&probe->mutex, NULL);
    clock_cond_init(&probe->changed);
}

static inline void probe_release(struct probe *probe)
{
    pthread_cond_destroy(&probe->changed);
    pthread_mutex_destroy(&probe->mutex);
}

static inline void probe_wait(struct probe *probe, const size_t *counter, size_t count)
{
    uint64_t deadline_ms = clock_monotonic_ms() + FIXTURE_WAIT_MS;
    bool patient = true;

    pthread_mutex_lock(&probe->mutex);
    while (patient && *counter < count) {
        patient = clock_cond_wait_until(&probe->changed, &probe->mutex, deadline_ms);
    }
    size_t reached = *counter;
    pthread_mutex_unlock(&probe->mutex);
    assert_true(reached >= count);
}

static inline struct rpc_stream *probe_open(struct probe *probe, struct rpc_client *client,
                                            const char *path, uint64_t deadline_ms)
{
    struct rpc_stream *stream = NULL;
    struct error err = { 0 };

    if (!rpc_stream_open(client, path, deadline_ms, &probe_handler, probe, &stream, &err)) {
        fail_msg("%s", err.message);
    }
    return stream;
}

#endif
