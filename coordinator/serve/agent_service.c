#include "coordinator/serve/agent_service.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "common/wire/wire.h"
#include "coordinator/decide/event.h"
#include "coordinator/serve/agent_fetch.h"
#include "coordinator/serve/serve_reply.h"

/* One agent's Connect call. Made and freed on the loop; in the table, which the mutex guards, while
 * it is open, so that other threads find its call. */
struct agent_stream {
    struct agent_service *service;
    struct rpc_call *call;
    uint64_t number;
    bool greeted;       /* loop only: Hello was posted, so the brain has to hear of the end, too */
    bool left;          /* it has half-closed, and the brain knows */
    bool ended;         /* loop only: what comes now is dropped, since something before it was */
    struct event *held; /* found no room; with the mutex */
    struct agent_stream *prev, *next; /* of those that hold one */
    UT_hash_handle hh;
};

struct agent_service {
    struct mailbox *inbox;
    struct leader_view *leader;
    struct agent_fetch *fetch;
    pthread_mutex_t mutex;
    struct agent_stream *streams;
    struct agent_stream *holding; /* oldest first */
    uint64_t last_number;
};

struct agent_service *agent_service_new(struct mailbox *inbox, struct leader_view *leader,
                                        const struct set_source *source)
{
    struct agent_service *service = memory_alloc(sizeof(*service));

    pthread_mutex_init(&service->mutex, NULL);
    service->inbox = inbox;
    service->leader = leader;
    service->fetch = agent_fetch_new(leader, source);
    return service;
}

void agent_service_free(struct agent_service **pointer)
{
    struct agent_service *service = *pointer;

    if (service == NULL) {
        return;
    }
    assert(service->streams == NULL);
    agent_fetch_free(&service->fetch);
    pthread_mutex_destroy(&service->mutex);
    free(service);
    *pointer = NULL;
}

/* ---- on the rpc loop ---- */

static struct event *agent_service_event(const struct agent_stream *stream, enum event_type type)
{
    struct event *event = event_new(type);

    event->now_ms = clock_monotonic_ms();
    event->wall_ms = clock_wall_ms();
    event->agent.stream = stream->number;
    event->agent.peer = arena_strdup(&event->arena, rpc_call_peer(stream->call));
    return event;
}

static void *agent_service_on_open(void *context, struct rpc_call *call)
{
    struct agent_service *service = context;
    struct agent_stream *stream = memory_alloc(sizeof(*stream));

    stream->service = service;
    stream->call = call;
    pthread_mutex_lock(&service->mutex);
    stream->number = ++service->last_number;
    HASH_ADD(hh, service->streams, number, sizeof(stream->number), stream);
    pthread_mutex_unlock(&service->mutex);
    /* After it is in the table: a leadership that ends now finds it there. */
    if (!leader_view_is_leading(service->leader) && !leader_view_is_taking_over(service->leader)) {
        stream->ended = true;
        serve_reply_not_leading(call, service->leader, "this coordinator does not lead");
    }
    return stream;
}

static void agent_service_refuse(struct agent_stream *stream, const struct error *err)
{
    stream->ended = true;
    serve_reply_error(stream->call, err);
}

/* The mailbox is full, or this coordinator is about to lead: the event waits with its stream, which
 * is not read until it is posted. Only this stream's agent waits, and it loses nothing. */
static void agent_service_hold(struct agent_stream *stream, struct event *event)
{
    struct agent_service *service = stream->service;

    rpc_call_pause(stream->call);
    pthread_mutex_lock(&service->mutex);
    assert(stream->held == NULL);
    bool first = service->holding == NULL;
    stream->held = event;
    DL_APPEND(service->holding, stream);
    pthread_mutex_unlock(&service->mutex);
    if (first && !leader_view_is_taking_over(service->leader)) {
        log_info("agent_streams_wait", "events=%zu bytes=%zu", mailbox_depth(service->inbox),
                 mailbox_bytes(service->inbox));
    }
}

static void agent_service_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    struct agent_stream *stream = user;
    struct error err = { 0 };

    (void)call;
    if (stream->ended) {
        return;
    }
    CLEANUP(event_free) struct event *event = agent_service_event(stream, EVENT_AGENT_MESSAGE);
    if (!wire_decode_agent_message(message, &event->arena, &event->agent.message, &err)) {
        agent_service_refuse(stream, &err);
        return;
    }
    bool is_hello = event->agent.message.kind == AGENT_MESSAGE_HELLO;
    if (is_hello == stream->greeted) {
        error_set(&err, ERR_INVALID, "the first message of a stream is Hello, and only the first");
        agent_service_refuse(stream, &err);
        return;
    }
    if (leader_view_is_taking_over(stream->service->leader) ||
        !mailbox_try_post(stream->service->inbox, event)) {
        agent_service_hold(stream, event);
    }
    event = NULL; /* the mailbox's, or it waits */
    stream->greeted = true;
}

/* An agent that leaves in good order. The brain ends the call (agent_service_finish), after what it
 * has to say to the messages before. */
static void agent_service_on_half_close(void *user, struct rpc_call *call)
{
    struct agent_stream *stream = user;

    if (!stream->greeted) {
        rpc_call_finish(call, RPC_OK, NULL);
        return;
    }
    stream->left = true;
    mailbox_post_reserved(stream->service->inbox, agent_service_event(stream, EVENT_AGENT_CLOSED));
}

static void agent_service_on_closed(void *user, struct rpc_call *call)
{
    struct agent_stream *stream = user;
    struct agent_service *service = stream->service;

    (void)call;
    pthread_mutex_lock(&service->mutex);
    HASH_DEL(service->streams, stream);
    if (stream->held != NULL) {
        /* As if the network had lost it: what was not acknowledged comes again. */
        DL_DELETE(service->holding, stream);
        event_free(&stream->held);
    }
    pthread_mutex_unlock(&service->mutex);
    if (stream->greeted && !stream->left) {
        mailbox_post_reserved(service->inbox, agent_service_event(stream, EVENT_AGENT_CLOSED));
    }
    free(stream);
}

void agent_service_methods(struct agent_service *service,
                           struct rpc_method ret_methods[AGENT_SERVICE_METHODS])
{
    static const struct rpc_handler connect = {
        .on_open = agent_service_on_open,
        .on_message = agent_service_on_message,
        .on_half_close = agent_service_on_half_close,
        .on_closed = agent_service_on_closed,
    };

    ret_methods[0] = (struct rpc_method){ "/skein.v1.AgentService/Connect", &connect, service };
    ret_methods[1] = agent_fetch_method(service->fetch);
}

/* ---- on the brain thread ---- */

/* With a reference, or NULL when the stream is gone. */
static struct rpc_call *agent_service_find(struct agent_service *service, uint64_t number)
{
    struct agent_stream *stream = NULL;
    struct rpc_call *call = NULL;

    pthread_mutex_lock(&service->mutex);
    HASH_FIND(hh, service->streams, &number, sizeof(number), stream);
    if (stream != NULL) {
        call = stream->call;
        rpc_call_ref(call);
    }
    pthread_mutex_unlock(&service->mutex);
    return call;
}

/* The oldest that holds one and has found room, with a reference. */
static struct rpc_call *agent_service_post_held(struct agent_service *service)
{
    struct rpc_call *call = NULL;

    pthread_mutex_lock(&service->mutex);
    struct agent_stream *stream = service->holding;
    if (stream != NULL && mailbox_try_post(service->inbox, stream->held)) {
        stream->held = NULL; /* the mailbox's */
        DL_DELETE(service->holding, stream);
        call = stream->call;
        rpc_call_ref(call);
    }
    pthread_mutex_unlock(&service->mutex);
    return call;
}

void agent_service_resume(struct agent_service *service)
{
    struct rpc_call *call;

    if (leader_view_is_taking_over(service->leader)) {
        return;
    }
    while ((call = agent_service_post_held(service)) != NULL) {
        rpc_call_resume(call);
        rpc_call_unref(&call);
    }
}

void agent_service_send(struct agent_service *service, uint64_t stream,
                        const struct coordinator_message *message)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct rpc_call *call = agent_service_find(service, stream);

    if (call != NULL) {
        rpc_call_send(call, wire_encode_coordinator_message(message, &arena));
        rpc_call_unref(&call);
    }
}

void agent_service_close(struct agent_service *service, uint64_t stream, enum err_code code,
                         const char *message)
{
    struct rpc_call *call = agent_service_find(service, stream);

    if (call != NULL) {
        rpc_call_finish(call, rpc_status_of_error(code), message);
        rpc_call_unref(&call);
    }
}

void agent_service_finish(struct agent_service *service, uint64_t stream)
{
    struct rpc_call *call = agent_service_find(service, stream);

    if (call != NULL) {
        rpc_call_finish(call, RPC_OK, NULL);
        rpc_call_unref(&call);
    }
}

void agent_service_close_all(struct agent_service *service, const char *message)
{
    struct agent_stream *stream = NULL;
    struct agent_stream *next = NULL;
    size_t count = 0;

    pthread_mutex_lock(&service->mutex);
    struct rpc_call **calls = memory_alloc_array(HASH_COUNT(service->streams) + 1, sizeof(*calls));
    HASH_ITER(hh, service->streams, stream, next)
    {
        rpc_call_ref(stream->call);
        calls[count++] = stream->call;
    }
    pthread_mutex_unlock(&service->mutex);
    for (size_t i = 0; i < count; i++) {
        serve_reply_not_leading(calls[i], service->leader, message);
        rpc_call_unref(&calls[i]);
    }
    free(calls);
}
