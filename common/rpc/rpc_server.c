#include "common/rpc/rpc_server.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/rpc/rpc_address.h"
#include "common/rpc/rpc_args.h"
#include "common/rpc/rpc_call.h"
#include "common/rpc/rpc_creds.h"
#include "common/rpc/rpc_loop.h"
#include "common/rpc/rpc_message.h"

enum { REFUSAL_BYTES = 256, PATH_SHOWN_BYTES = 160 };

/* A call that gRPC may fill in when one comes. */
struct rpc_accept {
    struct rpc_op op;
    struct rpc_server *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

struct rpc_server {
    struct rpc_loop loop;
    grpc_server *server;
    struct rpc_creds *creds;
    struct rpc_method *methods;
    size_t method_count;
    uint32_t calls_max;
    int port;
    _Atomic uint32_t call_count; /* accepted and open */
    struct rpc_op shutdown_op;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct rpc_accept accepts[RPC_ACCEPTS];
    size_t accepts_due;
    size_t calls_alive; /* refused ones too */
    bool started;
    bool stopping;
    bool shut_down; /* gRPC has closed the port and every connection */
};

/* ---- under the mutex ---- */

static void rpc_server_request(struct rpc_server *server, struct rpc_accept *accept)
{
    accept->call = NULL;
    grpc_call_details_init(&accept->details);
    grpc_metadata_array_init(&accept->metadata);
    rpc_loop_hand_over(&accept->op);
    grpc_call_error rc =
        grpc_server_request_call(server->server, &accept->call, &accept->details, &accept->metadata,
                                 server->loop.queue, server->loop.queue, &accept->op);
    assert(rc == GRPC_CALL_OK);
    (void)rc;
}

static bool rpc_server_is_idle(const struct rpc_server *server)
{
    return server->calls_alive == 0 && server->accepts_due == 0 && server->shut_down;
}

/* ---- loop thread ---- */

static void rpc_server_on_call_ended(void *owner, bool accepted)
{
    struct rpc_server *server = owner;

    if (accepted) {
        atomic_fetch_sub(&server->call_count, 1);
    }
    pthread_mutex_lock(&server->mutex);
    server->calls_alive--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

static const struct rpc_method *rpc_server_find_method(const struct rpc_server *server,
                                                       grpc_slice path)
{
    for (size_t i = 0; i < server->method_count; i++) {
        if (grpc_slice_str_cmp(path, server->methods[i].path) == 0) {
            return &server->methods[i];
        }
    }
    return NULL;
}

static void rpc_server_dispatch(struct rpc_server *server, const struct rpc_incoming *incoming,
                                grpc_slice path, bool stopping)
{
    const struct rpc_method *method = rpc_server_find_method(server, path);
    char refusal[REFUSAL_BYTES];
    char shown[PATH_SHOWN_BYTES];

    if (stopping) {
        rpc_call_refuse(incoming, RPC_UNAVAILABLE, "the server is stopping");
    } else if (method == NULL) {
        rpc_message_copy_text(path, shown, sizeof(shown));
        snprintf(refusal, sizeof(refusal), "there is no method '%s' here", shown);
        rpc_call_refuse(incoming, RPC_UNIMPLEMENTED, refusal);
    } else if (atomic_load(&server->call_count) >= server->calls_max) {
        snprintf(refusal, sizeof(refusal), "the server has %u open calls, as many as it may",
                 (unsigned)server->calls_max);
        rpc_call_refuse(incoming, RPC_RESOURCE_EXHAUSTED, refusal);
    } else {
        atomic_fetch_add(&server->call_count, 1);
        rpc_call_accept(incoming, method);
    }
}

static void rpc_server_on_accepted(struct rpc_op *op, bool ok)
{
    struct rpc_accept *accept = CONTAINER_OF(op, struct rpc_accept, op);
    struct rpc_server *server = accept->server;

    pthread_mutex_lock(&server->mutex);
    bool stopping = server->stopping;
    server->calls_alive += ok ? 1 : 0;
    pthread_mutex_unlock(&server->mutex);

    if (ok) {
        struct rpc_incoming incoming = { .call = accept->call,
                                         .metadata = accept->metadata,
                                         .ended = rpc_server_on_call_ended,
                                         .owner = server };
        rpc_server_dispatch(server, &incoming, accept->details.method, stopping);
    } else {
        grpc_metadata_array_destroy(&accept->metadata);
    }
    grpc_call_details_destroy(&accept->details);

    pthread_mutex_lock(&server->mutex);
    if (ok && !server->stopping) {
        rpc_server_request(server, accept);
    } else {
        server->accepts_due--;
        pthread_cond_broadcast(&server->changed);
    }
    pthread_mutex_unlock(&server->mutex);
}

static void rpc_server_on_shut_down(struct rpc_op *op, bool ok)
{
    struct rpc_server *server = CONTAINER_OF(op, struct rpc_server, shutdown_op);

    (void)ok;
    pthread_mutex_lock(&server->mutex);
    server->shut_down = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

/* ---- life cycle ---- */

static bool rpc_server_listen(struct rpc_server *server, const char *listen, struct error *err)
{
    grpc_server_credentials *credentials = NULL;
    struct rpc_args args;

    if (!rpc_creds_for_server(server->creds, &credentials, err)) {
        return false;
    }
    rpc_args_for_server(&args);
    server->server = grpc_server_create(&args.args, NULL);
    grpc_server_register_completion_queue(server->server, server->loop.queue, NULL);
    server->port = grpc_server_add_http2_port(server->server, listen, credentials);
    grpc_server_credentials_release(credentials);
    if (server->port <= 0) {
        return error_set(err, ERR_INVALID, "listen on '%s': gRPC gives no reason", listen);
    }
    return true;
}

static void rpc_server_begin(struct rpc_server *server)
{
    grpc_server_start(server->server);
    pthread_mutex_lock(&server->mutex);
    server->started = true;
    for (size_t i = 0; i < RPC_ACCEPTS; i++) {
        server->accepts[i].server = server;
        server->accepts[i].op.done = rpc_server_on_accepted;
        server->accepts_due++;
        rpc_server_request(server, &server->accepts[i]);
    }
    pthread_mutex_unlock(&server->mutex);
}

bool rpc_server_start(const struct rpc_server_options *options, struct rpc_server **ret_server,
                      struct error *err)
{
    CLEANUP(rpc_server_free) struct rpc_server *server = memory_alloc(sizeof(*server));

    pthread_mutex_init(&server->mutex, NULL);
    clock_cond_init(&server->changed);
    server->shutdown_op.done = rpc_server_on_shut_down;
    server->calls_max = options->calls_max == 0 ? RPC_CALLS_MAX : options->calls_max;
    server->method_count = options->method_count;
    server->methods = memory_alloc_array(options->method_count, sizeof(*server->methods));
    if (options->method_count > 0) {
        memcpy(server->methods, options->methods, options->method_count * sizeof(*server->methods));
    }
    if (!rpc_address_try_listen(options->listen, err) ||
        !rpc_creds_new(options->tls, &server->creds, err) ||
        !rpc_loop_start(&server->loop, "rpc-server", err) ||
        !rpc_server_listen(server, options->listen, err)) {
        return false;
    }
    rpc_server_begin(server);
    *ret_server = TAKE(server);
    return true;
}

int rpc_server_port(const struct rpc_server *server)
{
    return server->port;
}

uint32_t rpc_server_call_count(const struct rpc_server *server)
{
    return atomic_load(&server->call_count);
}

/* The queue may be shut down only when nothing can start a batch any more: no call alive, no
 * accept posted, and gRPC's own shutdown through. */
static void rpc_server_wind_down(struct rpc_server *server, uint64_t grace_ms)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t deadline_ms = grace_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + grace_ms;
    bool patient = true;

    rpc_loop_hand_over(&server->shutdown_op);
    grpc_server_shutdown_and_notify(server->server, server->loop.queue, &server->shutdown_op);
    pthread_mutex_lock(&server->mutex);
    while (patient && !rpc_server_is_idle(server)) {
        patient = clock_cond_wait_until(&server->changed, &server->mutex, deadline_ms);
    }
    pthread_mutex_unlock(&server->mutex);
    grpc_server_cancel_all_calls(server->server);
    pthread_mutex_lock(&server->mutex);
    while (!rpc_server_is_idle(server)) {
        pthread_cond_wait(&server->changed, &server->mutex);
    }
    pthread_mutex_unlock(&server->mutex);
}

void rpc_server_stop(struct rpc_server *server, uint64_t grace_ms)
{
    assert(!rpc_loop_is_current(&server->loop));
    pthread_mutex_lock(&server->mutex);
    bool again = server->stopping;
    bool started = server->started;
    server->stopping = true;
    pthread_mutex_unlock(&server->mutex);
    if (again) {
        return;
    }
    if (started) {
        rpc_server_wind_down(server, grace_ms);
    }
    rpc_loop_stop(&server->loop);
}

void rpc_server_free(struct rpc_server **server_place)
{
    struct rpc_server *server = *server_place;

    if (server == NULL) {
        return;
    }
    rpc_server_stop(server, 0);
    if (server->server != NULL) {
        grpc_server_destroy(server->server);
    }
    rpc_loop_release(&server->loop);
    rpc_creds_free(&server->creds); /* gRPC's credentials point to it */
    free(server->methods);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->mutex);
    free(server);
    *server_place = NULL;
}
