#include "coordinator/serve/health.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "common/core/arena.h"
#include "common/core/memory.h"
#include "common/wire/wire_codec.h"
#include "coordinator/serve/serve_check.h"
#include "coordinator/serve/serve_reply.h"
#include "grpc/health/v1/health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus health_status;

/* One open call. Made and freed on the loop; in the list, which the mutex guards, while it is a
 * Watch. */
struct health_call {
    struct health *health;
    struct rpc_call *call;
    bool asked;
    bool watching;
    bool known; /* the service: else there will be no news of it */
    struct health_call *prev, *next;
};

struct health {
    pthread_mutex_t mutex;
    bool serving;
    bool closed;
    struct health_call *watchers;
};

struct health *health_new(void)
{
    struct health *health = memory_alloc(sizeof(*health));

    pthread_mutex_init(&health->mutex, NULL);
    return health;
}

void health_free(struct health **pointer)
{
    struct health *health = *pointer;

    if (health == NULL) {
        return;
    }
    pthread_mutex_destroy(&health->mutex);
    free(health);
    *pointer = NULL;
}

static health_status health_status_of(bool serving)
{
    return serving ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                   : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static void health_send(struct rpc_call *call, health_status status)
{
    Grpc__Health__V1__HealthCheckResponse response;

    grpc__health__v1__health_check_response__init(&response);
    response.status = status;
    serve_reply_send(call, &response.base);
}

void health_set_serving(struct health *health, bool serving)
{
    struct health_call *watcher = NULL;

    pthread_mutex_lock(&health->mutex);
    if (health->serving != serving) {
        health->serving = serving;
        /* Under the mutex, so that a watcher hears changes in their order. */
        DL_FOREACH(health->watchers, watcher)
        {
            if (watcher->known) {
                health_send(watcher->call, health_status_of(serving));
            }
        }
    }
    pthread_mutex_unlock(&health->mutex);
}

static void health_end(struct rpc_call *call)
{
    rpc_call_finish(call, RPC_UNAVAILABLE, "this coordinator is shutting down");
}

void health_close(struct health *health)
{
    struct health_call *watcher = NULL;

    health_set_serving(health, false);
    pthread_mutex_lock(&health->mutex);
    health->closed = true;
    DL_FOREACH(health->watchers, watcher)
    {
        health_end(watcher->call);
    }
    pthread_mutex_unlock(&health->mutex);
}

static void *health_on_open(void *context, struct rpc_call *call)
{
    struct health_call *state = memory_alloc(sizeof(*state));

    state->health = context;
    state->call = call;
    return state;
}

static void health_on_closed(void *user, struct rpc_call *call)
{
    struct health_call *state = user;

    (void)call;
    pthread_mutex_lock(&state->health->mutex);
    if (state->watching) {
        DL_DELETE(state->health->watchers, state);
    }
    pthread_mutex_unlock(&state->health->mutex);
    free(state);
}

/* The service asked for; "" is the whole server. False when the call has been ended. */
static bool health_read(struct health_call *state, struct bytes message, bool *ret_known)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };
    const Grpc__Health__V1__HealthCheckRequest *request = wire_codec_unpack(
        &grpc__health__v1__health_check_request__descriptor, message, &arena, &err);

    if (request != NULL && state->asked) {
        request = NULL;
        error_set(&err, ERR_INVALID, "one request is enough");
    }
    if (request == NULL) {
        serve_reply_error(state->call, &err);
        return false;
    }
    state->asked = true;
    *ret_known = request->service[0] == '\0' || serve_check_is_service(request->service);
    return true;
}

static void health_on_check(void *user, struct rpc_call *call, struct bytes message)
{
    struct health_call *state = user;
    bool known = false;

    if (!health_read(state, message, &known)) {
        return;
    }
    if (!known) {
        rpc_call_finish(call, RPC_NOT_FOUND, "no such service is served here");
        return;
    }
    pthread_mutex_lock(&state->health->mutex);
    health_status status = health_status_of(state->health->serving);
    pthread_mutex_unlock(&state->health->mutex);
    health_send(call, status);
    rpc_call_finish(call, RPC_OK, NULL);
}

static void health_on_watch(void *user, struct rpc_call *call, struct bytes message)
{
    struct health_call *state = user;
    bool known = false;

    if (!health_read(state, message, &known)) {
        return;
    }
    pthread_mutex_lock(&state->health->mutex);
    /* For an unknown service, too, the protocol wants the call to stay open: it might come. */
    health_send(call,
                known ? health_status_of(state->health->serving)
                      : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN);
    state->known = known;
    state->watching = true;
    DL_APPEND(state->health->watchers, state);
    if (state->health->closed) {
        health_end(call);
    }
    pthread_mutex_unlock(&state->health->mutex);
}

size_t health_methods(struct health *health, struct rpc_method ret_methods[HEALTH_METHODS])
{
    static const struct rpc_handler check = {
        .on_open = health_on_open,
        .on_message = health_on_check,
        .on_closed = health_on_closed,
    };
    static const struct rpc_handler watch = {
        .on_open = health_on_open,
        .on_message = health_on_watch,
        .on_closed = health_on_closed,
    };

    ret_methods[0] = (struct rpc_method){ "/grpc.health.v1.Health/Check", &check, health };
    ret_methods[1] = (struct rpc_method){ "/grpc.health.v1.Health/Watch", &watch, health };
    return HEALTH_METHODS;
}
