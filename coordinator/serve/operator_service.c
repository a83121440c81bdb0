#include "coordinator/serve/operator_service.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/memory.h"
#include "coordinator/decide/event.h"
#include "coordinator/serve/operator_calls.h"
#include "coordinator/serve/operator_change.h"
#include "coordinator/serve/operator_publish.h"
#include "coordinator/serve/operator_query.h"
#include "coordinator/serve/operator_reply.h"
#include "coordinator/serve/serve_reply.h"

/* A method either reads (`query`), or changes something (`change` asks, `reply` answers), or is
 * PublishSet, which has a `reply` only. */
struct operator_method {
    const char *path;
    operator_query *query;
    operator_change *change;
    operator_reply *reply;
    bool tells_end; /* the brain has to hear when a call is over that it was told of */
};

static const struct operator_method operator_methods[] = {
    { .path = "/skein.v1.OperatorService/PublishSet", .reply = operator_reply_published },
    { .path = "/skein.v1.OperatorService/ListSets", .query = operator_query_sets },
    { .path = "/skein.v1.OperatorService/GetSet", .query = operator_query_set },
    { .path = "/skein.v1.OperatorService/Plan", .query = operator_query_plan },
    { .path = "/skein.v1.OperatorService/StartRollout",
      .change = operator_change_start,
      .reply = operator_reply_rollout },
    { .path = "/skein.v1.OperatorService/ListRollouts", .query = operator_query_rollouts },
    { .path = "/skein.v1.OperatorService/GetRollout", .query = operator_query_rollout },
    { .path = "/skein.v1.OperatorService/WatchRollout", .query = operator_query_watch },
    { .path = "/skein.v1.OperatorService/PauseRollout",
      .change = operator_change_pause,
      .reply = operator_reply_rollout },
    { .path = "/skein.v1.OperatorService/ResumeRollout",
      .change = operator_change_resume,
      .reply = operator_reply_rollout },
    { .path = "/skein.v1.OperatorService/AbortRollout",
      .change = operator_change_abort,
      .reply = operator_reply_rollout },
    { .path = "/skein.v1.OperatorService/RetryRollout",
      .change = operator_change_retry,
      .reply = operator_reply_rollout },
    { .path = "/skein.v1.OperatorService/RollbackRollout",
      .change = operator_change_rollback,
      .reply = operator_reply_rollout },
    { .path = "/skein.v1.OperatorService/ListTenants", .query = operator_query_tenants },
    { .path = "/skein.v1.OperatorService/GetTenantHistory",
      .change = operator_change_history,
      .reply = operator_reply_history },
    { .path = "/skein.v1.OperatorService/LabelTenant",
      .change = operator_change_label,
      .reply = operator_reply_labelled },
    { .path = "/skein.v1.OperatorService/GetSchemas",
      .change = operator_change_schemas,
      .reply = operator_reply_schemas },
    { .path = "/skein.v1.OperatorService/LockTenant",
      .change = operator_change_lock,
      .reply = operator_reply_locked,
      .tells_end = true },
    { .path = "/skein.v1.OperatorService/HoldTenantLock",
      .change = operator_change_hold,
      .reply = operator_reply_held,
      .tells_end = true },
    { .path = "/skein.v1.OperatorService/UnlockTenant",
      .change = operator_change_unlock,
      .reply = operator_reply_unlocked },
    { .path = "/skein.v1.OperatorService/ListShards", .query = operator_query_shards },
    { .path = "/skein.v1.OperatorService/ForgetShard",
      .change = operator_change_forget,
      .reply = operator_reply_forgotten },
    { .path = "/skein.v1.OperatorService/ListLocks", .query = operator_query_locks },
    { .path = "/skein.v1.OperatorService/ListEvents", .query = operator_query_events },
};
static_assert(COUNT_OF(operator_methods) <= OPERATOR_SERVICE_METHODS_MAX, "all methods fit");

/* What a handler gets as its context: which row of the table it serves. */
struct operator_row {
    struct operator_service *service;
    size_t method;
};

struct operator_service {
    struct mailbox *inbox;
    struct leader_view *leader;
    struct operator_calls *calls;     /* any thread */
    struct operator_publish *publish; /* a worker of its own */
    struct operator_streams *streams; /* brain */
    size_t uploads;                   /* loop: PublishSet calls that are open */
    struct operator_row rows[COUNT_OF(operator_methods)];
};

/* One open call; belongs to the loop. */
struct operator_call {
    struct operator_service *service;
    struct rpc_call *call;
    size_t method;
    uint64_t number;
    bool asked;  /* the request is complete, or was refused: what comes now is dropped */
    bool posted; /* the brain knows of it */
    bool uploads;
    struct operator_upload upload;
};

struct operator_service *operator_service_new(struct mailbox *inbox, struct leader_view *leader,
                                              struct sql_parser *parser)
{
    struct operator_service *service = memory_alloc(sizeof(*service));

    service->inbox = inbox;
    service->leader = leader;
    service->calls = operator_calls_new();
    service->publish = operator_publish_new(inbox, service->calls, parser);
    service->streams = operator_streams_new(service->calls);
    for (size_t i = 0; i < COUNT_OF(operator_methods); i++) {
        service->rows[i] = (struct operator_row){ service, i };
    }
    return service;
}

void operator_service_free(struct operator_service **pointer)
{
    struct operator_service *service = *pointer;

    if (service == NULL) {
        return;
    }
    operator_publish_free(&service->publish);
    operator_streams_free(&service->streams);
    operator_calls_free(&service->calls);
    free(service);
    *pointer = NULL;
}

/* ---- on the rpc loop ---- */

static void operator_service_refuse(struct operator_call *state, const struct error *err)
{
    state->asked = true;
    serve_reply_error(state->call, err);
}

static void *operator_service_on_open(void *context, struct rpc_call *call)
{
    const struct operator_row *row = context;
    struct operator_service *service = row->service;
    const struct operator_method *method = &operator_methods[row->method];
    struct operator_call *state = memory_alloc(sizeof(*state));
    struct error err = { 0 };

    state->service = service;
    state->call = call;
    state->method = row->method;
    state->number = operator_calls_add(service->calls, call, row->method);
    state->uploads = method->query == NULL && method->change == NULL;
    service->uploads += state->uploads;
    /* After it is in the table: a leadership that ends now finds it there. */
    if (!leader_view_is_leading(service->leader)) {
        state->asked = true;
        serve_reply_not_leading(call, service->leader, "this coordinator does not lead");
    } else if (state->uploads && service->uploads > PUBLISH_CALLS_MAX) {
        error_set(&err, ERR_LIMIT, "too many sets are being published: try again later");
        operator_service_refuse(state, &err);
    }
    return state;
}

static void operator_service_post(struct operator_call *state, struct event *event)
{
    struct error err = { 0 };

    if (!mailbox_try_post(state->service->inbox, event)) {
        event_free(&event);
        error_set(&err, ERR_LIMIT, "the coordinator has too much to do: try again later");
        operator_service_refuse(state, &err);
        return;
    }
    state->posted = true;
}

static void operator_service_ask(struct operator_call *state, struct bytes message)
{
    struct event *event = event_new(EVENT_QUERY);

    event->now_ms = clock_monotonic_ms();
    event->wall_ms = clock_wall_ms();
    event->query.call = state->number;
    event->query.method = state->method;
    event->query.request.data = arena_memdup(&event->arena, message.data, message.size);
    event->query.request.size = message.size;
    operator_service_post(state, event);
}

static void operator_service_order(struct operator_call *state, struct bytes message)
{
    struct event *event = event_new(EVENT_OPERATOR);
    struct error err = { 0 };

    event->now_ms = clock_monotonic_ms();
    event->wall_ms = clock_wall_ms();
    event->operator.call = state->number;
    event->operator.actor = arena_strdup(&event->arena, rpc_call_peer(state->call));
    if (!operator_methods[state->method].change(message, event, &err)) {
        event_free(&event);
        operator_service_refuse(state, &err);
        return;
    }
    operator_service_post(state, event);
}

static void operator_service_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    struct operator_call *state = user;
    const struct operator_method *method = &operator_methods[state->method];
    struct error err = { 0 };

    (void)call;
    if (state->asked) {
        return;
    }
    if (state->uploads) {
        if (!operator_publish_add(&state->upload, message, &err)) {
            operator_upload_release(&state->upload);
            operator_service_refuse(state, &err);
        }
        return;
    }
    state->asked = true;
    if (method->query != NULL) {
        operator_service_ask(state, message);
    } else {
        operator_service_order(state, message);
    }
}

static void operator_service_on_half_close(void *user, struct rpc_call *call)
{
    struct operator_call *state = user;
    struct error err = { 0 };

    (void)call;
    if (state->asked) {
        return;
    }
    state->asked = true;
    if (!state->uploads) {
        error_set(&err, ERR_INVALID, "the call ended without a request");
        operator_service_refuse(state, &err);
    } else if (!operator_publish_submit(state->service->publish, state->number, &state->upload,
                                        &err)) {
        operator_service_refuse(state, &err);
    }
}

static void operator_service_on_closed(void *user, struct rpc_call *call)
{
    struct operator_call *state = user;

    (void)call;
    operator_calls_remove(state->service->calls, state->number);
    if (state->posted && operator_methods[state->method].tells_end) {
        struct event *event = event_new(EVENT_CALL_CLOSED);
        event->now_ms = clock_monotonic_ms();
        event->wall_ms = clock_wall_ms();
        event->closed.call = state->number;
        /* Not to be lost: a lock may hang on it. */
        mailbox_post_reserved(state->service->inbox, event);
    }
    state->service->uploads -= state->uploads;
    operator_upload_release(&state->upload);
    free(state);
}

size_t operator_service_methods(struct operator_service *service,
                                struct rpc_method ret_methods[OPERATOR_SERVICE_METHODS_MAX])
{
    static const struct rpc_handler handler = {
        .on_open = operator_service_on_open,
        .on_message = operator_service_on_message,
        .on_half_close = operator_service_on_half_close,
        .on_closed = operator_service_on_closed,
    };

    for (size_t i = 0; i < COUNT_OF(operator_methods); i++) {
        ret_methods[i] =
            (struct rpc_method){ operator_methods[i].path, &handler, &service->rows[i] };
    }
    return COUNT_OF(operator_methods);
}

/* ---- on the brain thread ---- */

void operator_service_query(struct operator_service *service, const struct event *event,
                            const struct fleet *fleet)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };
    struct rpc_call *call = operator_calls_find(service->calls, event->query.call, NULL, NULL);

    assert(event->query.method < COUNT_OF(operator_methods));
    if (call == NULL) {
        return; /* nobody waits any more */
    }
    if (!fleet_is_leading(fleet)) {
        serve_reply_not_leading(call, service->leader, "this coordinator does not lead");
        rpc_call_unref(&call);
        return;
    }
    const struct operator_question question = {
        .call = call,
        .number = event->query.call,
        .request = event->query.request,
        .fleet = fleet,
        .now_ms = event->now_ms,
        .arena = &arena,
        .streams = service->streams,
    };
    if (!operator_methods[event->query.method].query(&question, &err)) {
        serve_reply_error(call, &err);
    }
    rpc_call_unref(&call);
}

void operator_service_reply(struct operator_service *service, const struct effect *effect,
                            const struct fleet *fleet, uint64_t now_ms)
{
    struct operator_published published;
    size_t method = 0;
    struct rpc_call *call =
        operator_calls_find(service->calls, effect->reply.call, &method, &published);

    if (call == NULL) {
        return; /* what was asked for is done; nobody waits any more */
    }
    if (effect->reply.code == ERR_UNAVAILABLE && !leader_view_is_leading(service->leader)) {
        serve_reply_not_leading(call, service->leader, effect->reply.message);
    } else if (effect->reply.code != ERR_NONE) {
        rpc_call_finish(call, rpc_status_of_error(effect->reply.code), effect->reply.message);
    } else {
        const struct operator_answer answer = { call, effect, &published, fleet, now_ms };
        operator_methods[method].reply(&answer);
    }
    rpc_call_unref(&call);
}

void operator_service_not_now(struct operator_service *service, uint64_t call_id,
                              const char *message)
{
    struct operator_published published;
    size_t method = 0;
    struct rpc_call *call = operator_calls_find(service->calls, call_id, &method, &published);

    if (call != NULL) {
        serve_reply_not_now(call, message);
        rpc_call_unref(&call);
    }
}

void operator_service_tick(struct operator_service *service, const struct fleet *fleet,
                           uint64_t now_ms)
{
    operator_streams_tick(service->streams, fleet, now_ms);
}

void operator_service_close_all(struct operator_service *service, const char *message)
{
    size_t count = 0;
    struct rpc_call **calls = operator_calls_list(service->calls, &count);

    operator_streams_clear(service->streams);
    for (size_t i = 0; i < count; i++) {
        serve_reply_deposed(calls[i], service->leader, message);
        rpc_call_unref(&calls[i]);
    }
    free(calls);
}
