/* A call has at most one read, one write, one status and one close operation in flight. `due`
 * counts them; each operation's callback gives its count back as its very last act, so the call
 * cannot end while one of them runs. Once `closed` is set no operation starts, so when `due` is
 * zero then nothing can call back any more: the loop thread calls on_closed and lets go of gRPC's
 * call. The memory lives on as long as somebody holds a reference. */
#include "common/rpc/rpc_call.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/slice.h>

#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "common/rpc/rpc_loop.h"
#include "common/rpc/rpc_message.h"
#include "common/rpc/rpc_outbox.h"
#include "common/rpc/rpc_peer.h"

enum { STATUS_MESSAGE_BYTES = 1024 };

struct rpc_trailer {
    char *key;
    char *value;
};

struct rpc_call {
    atomic_uint refs;
    const struct rpc_handler *handler; /* NULL: the call was refused */
    void *user;                        /* loop thread only */
    char *peer;
    void (*ended)(void *owner, bool accepted);
    void *owner;

    pthread_mutex_t mutex;        /* guards all below; serialises batches */
    grpc_call *call;              /* NULL when the call has ended */
    grpc_metadata_array metadata; /* borrowed from `call` */
    unsigned due;
    struct rpc_op close_op;
    struct rpc_op read_op;
    struct rpc_op write_op;
    struct rpc_op status_op;
    int cancelled;             /* filled by gRPC when close_op is done */
    grpc_byte_buffer *reading; /* filled by gRPC when read_op is done */
    grpc_byte_buffer *writing; /* not NULL while write_op is in flight */
    struct rpc_outbox outbox;
    bool paused;     /* by its user */
    bool read_waits; /* the next read is due, but for the pause */
    bool headers_sent;
    bool finishing; /* nothing more is accepted or delivered */
    bool aborted;   /* cancelled by us: no status is to be sent */
    bool status_sent;
    bool closed; /* close_op is done */
    enum rpc_status status;
    char message[STATUS_MESSAGE_BYTES];
    struct rpc_trailer trailers[RPC_TRAILERS_MAX];
    size_t trailer_count;
};

/* ---- under the mutex ---- */

static void rpc_call_start(struct rpc_call *call, const grpc_op *ops, size_t op_count,
                           struct rpc_op *op)
{
    assert(!call->closed);
    call->due++;
    rpc_loop_start_batch(call->call, ops, op_count, op);
}

static void rpc_call_start_read(struct rpc_call *call)
{
    grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

    assert(call->reading == NULL);
    op.data.recv_message.recv_message = &call->reading;
    rpc_call_start(call, &op, 1, &call->read_op);
}

static void rpc_call_read_next(struct rpc_call *call)
{
    call->read_waits = call->paused;
    if (!call->paused) {
        rpc_call_start_read(call);
    }
}

/* Initial metadata goes out with the first thing that is sent. */
static size_t rpc_call_put_headers(struct rpc_call *call, grpc_op *ops)
{
    if (call->headers_sent) {
        return 0;
    }
    call->headers_sent = true;
    ops[0] = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
    return 1;
}

static void rpc_call_start_status(struct rpc_call *call)
{
    grpc_op ops[2];
    grpc_metadata trailers[RPC_TRAILERS_MAX] = { 0 };
    size_t count = rpc_call_put_headers(call, ops);
    grpc_slice details = grpc_slice_from_copied_string(call->message);
    grpc_op *op = &ops[count++];

    assert(!call->status_sent);
    call->status_sent = true;
    for (size_t i = 0; i < call->trailer_count; i++) {
        trailers[i].key = grpc_slice_from_copied_string(call->trailers[i].key);
        trailers[i].value = grpc_slice_from_copied_string(call->trailers[i].value);
    }
    *op = (grpc_op){ .op = GRPC_OP_SEND_STATUS_FROM_SERVER };
    op->data.send_status_from_server.status = (grpc_status_code)call->status;
    op->data.send_status_from_server.status_details = &details;
    op->data.send_status_from_server.trailing_metadata = trailers;
    op->data.send_status_from_server.trailing_metadata_count = call->trailer_count;
    rpc_call_start(call, ops, count, &call->status_op);
    /* gRPC took references when the batch started. */
    grpc_slice_unref(details);
    for (size_t i = 0; i < call->trailer_count; i++) {
        grpc_slice_unref(trailers[i].key);
        grpc_slice_unref(trailers[i].value);
    }
}

/* Starts what is next to be sent, unless something is being sent. */
static void rpc_call_write_next(struct rpc_call *call)
{
    grpc_op ops[2];

    if (call->writing != NULL || call->closed || call->aborted) {
        return;
    }
    call->writing = rpc_outbox_pop(&call->outbox);
    if (call->writing != NULL) {
        size_t count = rpc_call_put_headers(call, ops);
        ops[count] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE };
        /* More is waiting: gRPC may put several messages into one packet. */
        ops[count].flags = call->outbox.count > 0 ? GRPC_WRITE_BUFFER_HINT : 0;
        ops[count].data.send_message.send_message = call->writing;
        rpc_call_start(call, ops, count + 1, &call->write_op);
    } else if (call->finishing && !call->status_sent) {
        rpc_call_start_status(call);
    }
}

/* Ends the call at once. A status that is sent the ordinary way would wait behind the messages that
 * a slow peer does not read; cancelling sends it ahead of them. */
static void rpc_call_abort(struct rpc_call *call, enum rpc_status status, const char *message)
{
    call->finishing = true;
    call->aborted = true;
    rpc_outbox_release(&call->outbox);
    grpc_call_cancel_with_status(call->call, (grpc_status_code)status, message, NULL);
}

/* ---- loop thread ---- */

static void rpc_call_end(struct rpc_call *call)
{
    if (call->handler != NULL) {
        call->handler->on_closed(call->user, call);
    }
    pthread_mutex_lock(&call->mutex);
    assert(call->closed && call->due == 0 && call->writing == NULL && call->reading == NULL);
    grpc_call *over = call->call;
    call->call = NULL;
    grpc_metadata_array_destroy(&call->metadata);
    grpc_metadata_array_init(&call->metadata);
    rpc_outbox_release(&call->outbox);
    pthread_mutex_unlock(&call->mutex);
    grpc_call_unref(over);
    call->ended(call->owner, call->handler != NULL);
    rpc_call_unref(&call);
}

/* The last act of every operation. */
static void rpc_call_op_over(struct rpc_call *call)
{
    pthread_mutex_lock(&call->mutex);
    assert(call->due > 0);
    bool last = --call->due == 0 && call->closed;
    pthread_mutex_unlock(&call->mutex);
    if (last) {
        rpc_call_end(call);
    }
}

static void rpc_call_on_close(struct rpc_op *op, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(op, struct rpc_call, close_op);

    (void)ok; /* always; `cancelled` says more */
    pthread_mutex_lock(&call->mutex);
    call->closed = true;
    rpc_outbox_release(&call->outbox);
    pthread_mutex_unlock(&call->mutex);
    rpc_call_op_over(call);
}

static void rpc_call_on_status_sent(struct rpc_op *op, bool ok)
{
    (void)ok; /* if not, close_op says that the call was cancelled */
    rpc_call_op_over(CONTAINER_OF(op, struct rpc_call, status_op));
}

static void rpc_call_on_written(struct rpc_op *op, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(op, struct rpc_call, write_op);

    pthread_mutex_lock(&call->mutex);
    rpc_message_free(&call->writing);
    if (ok) {
        rpc_call_write_next(call);
    } else if (!call->closed && !call->aborted) {
        rpc_call_abort(call, RPC_UNAVAILABLE, "a message could not be sent");
    }
    bool drained = ok && call->writing == NULL && !call->finishing && !call->closed;
    pthread_mutex_unlock(&call->mutex);
    if (drained && call->handler->on_drained != NULL) {
        call->handler->on_drained(call->user, call);
    }
    rpc_call_op_over(call);
}

/* False when it cannot be read. */
static bool rpc_call_deliver(struct rpc_call *call, grpc_byte_buffer *message)
{
    struct bytes bytes;
    grpc_slice slice;

    if (!rpc_message_read(message, &slice, &bytes)) {
        return false;
    }
    call->handler->on_message(call->user, call, bytes);
    grpc_slice_unref(slice);
    return true;
}

static void rpc_call_on_read(struct rpc_op *op, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(op, struct rpc_call, read_op);
    bool readable = true;

    pthread_mutex_lock(&call->mutex);
    grpc_byte_buffer *message = call->reading;
    call->reading = NULL;
    bool deliver = ok && !call->finishing && !call->closed;
    /* The end of the stream and its loss look alike: only the former is a half-close. */
    bool half_closed =
        deliver && message == NULL && !grpc_call_failed_before_recv_message(call->call);
    pthread_mutex_unlock(&call->mutex);

    if (deliver && message != NULL) {
        readable = rpc_call_deliver(call, message);
    } else if (half_closed && call->handler->on_half_close != NULL) {
        call->handler->on_half_close(call->user, call);
    }
    bool more = message != NULL;
    rpc_message_free(&message);

    pthread_mutex_lock(&call->mutex);
    if (!readable && !call->finishing && !call->closed) {
        rpc_call_abort(call, RPC_INTERNAL, "a message could not be decompressed");
    }
    if (more && !call->finishing && !call->closed) {
        rpc_call_read_next(call);
    }
    pthread_mutex_unlock(&call->mutex);
    rpc_call_op_over(call);
}

/* ---- made by the server ---- */

static struct rpc_call *rpc_call_new(const struct rpc_incoming *incoming,
                                     const struct rpc_handler *handler)
{
    struct rpc_call *call = memory_alloc(sizeof(*call));
    grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

    atomic_init(&call->refs, 1); /* the operations' */
    pthread_mutex_init(&call->mutex, NULL);
    call->handler = handler;
    call->peer = rpc_peer_name(incoming->call);
    call->ended = incoming->ended;
    call->owner = incoming->owner;
    call->call = incoming->call;
    call->metadata = incoming->metadata;
    call->close_op.done = rpc_call_on_close;
    call->read_op.done = rpc_call_on_read;
    call->write_op.done = rpc_call_on_written;
    call->status_op.done = rpc_call_on_status_sent;
    op.data.recv_close_on_server.cancelled = &call->cancelled;
    pthread_mutex_lock(&call->mutex);
    rpc_call_start(call, &op, 1, &call->close_op);
    pthread_mutex_unlock(&call->mutex);
    return call;
}

void rpc_call_accept(const struct rpc_incoming *incoming, const struct rpc_method *method)
{
    struct rpc_call *call = rpc_call_new(incoming, method->handler);

    /* This is the loop thread, so no operation of the call can end before this returns. */
    call->user = call->handler->on_open(method->context, call);
    pthread_mutex_lock(&call->mutex);
    if (!call->finishing) {
        rpc_call_start_read(call);
    }
    pthread_mutex_unlock(&call->mutex);
}

void rpc_call_refuse(const struct rpc_incoming *incoming, enum rpc_status status,
                     const char *message)
{
    rpc_call_finish(rpc_call_new(incoming, NULL), status, message);
}

/* ---- any thread ---- */

void rpc_call_ref(struct rpc_call *call)
{
    atomic_fetch_add(&call->refs, 1);
}

void rpc_call_unref(struct rpc_call **call_place)
{
    struct rpc_call *call = *call_place;

    *call_place = NULL;
    if (call == NULL || atomic_fetch_sub(&call->refs, 1) != 1) {
        return;
    }
    assert(call->call == NULL);
    for (size_t i = 0; i < call->trailer_count; i++) {
        free(call->trailers[i].key);
        free(call->trailers[i].value);
    }
    free(call->peer);
    pthread_mutex_destroy(&call->mutex);
    free(call);
}

static bool rpc_call_push(struct rpc_call *call, struct bytes message)
{
    char problem[STATUS_MESSAGE_BYTES];

    if (call->finishing || call->closed) {
        return false;
    }
    if (message.size > MESSAGE_BYTES_MAX) {
        snprintf(problem, sizeof(problem), "a message of %zu bytes is larger than %d", message.size,
                 MESSAGE_BYTES_MAX);
        rpc_call_abort(call, RPC_RESOURCE_EXHAUSTED, problem);
        return false;
    }
    grpc_byte_buffer *buffer = rpc_message_new(message);
    if (!rpc_outbox_push(&call->outbox, buffer)) {
        rpc_message_free(&buffer);
        rpc_call_abort(call, RPC_RESOURCE_EXHAUSTED,
                       "the client reads too slowly: too much is waiting for it");
        return false;
    }
    rpc_call_write_next(call);
    return true;
}

bool rpc_call_send(struct rpc_call *call, struct bytes message)
{
    pthread_mutex_lock(&call->mutex);
    bool taken = rpc_call_push(call, message);
    pthread_mutex_unlock(&call->mutex);
    return taken;
}

void rpc_call_pause(struct rpc_call *call)
{
    pthread_mutex_lock(&call->mutex);
    call->paused = true;
    pthread_mutex_unlock(&call->mutex);
}

void rpc_call_resume(struct rpc_call *call)
{
    pthread_mutex_lock(&call->mutex);
    call->paused = false;
    if (call->read_waits && !call->finishing && !call->closed) {
        rpc_call_read_next(call);
    }
    pthread_mutex_unlock(&call->mutex);
}

void rpc_call_finish(struct rpc_call *call, enum rpc_status status, const char *message)
{
    grpc_slice text = grpc_slice_from_copied_string(message == NULL ? "" : message);

    pthread_mutex_lock(&call->mutex);
    if (!call->finishing && !call->closed) {
        call->finishing = true;
        call->status = status;
        rpc_message_copy_text(text, call->message, sizeof(call->message));
        rpc_call_write_next(call);
    }
    pthread_mutex_unlock(&call->mutex);
    grpc_slice_unref(text);
}

void rpc_call_add_trailer(struct rpc_call *call, const char *key, const char *value)
{
    grpc_slice key_slice = grpc_slice_from_static_string(key);
    grpc_slice value_slice = grpc_slice_from_static_string(value);

    assert(grpc_header_key_is_legal(key_slice) && !grpc_is_binary_header(key_slice));
    if (!grpc_header_nonbin_value_is_legal(value_slice)) {
        log_warning("rpc_trailer_dropped", "key=%s", key); /* gRPC would refuse the whole batch */
        return;
    }
    pthread_mutex_lock(&call->mutex);
    if (!call->finishing && !call->closed) {
        assert(call->trailer_count < RPC_TRAILERS_MAX);
        call->trailers[call->trailer_count].key = memory_strdup(key);
        call->trailers[call->trailer_count].value = memory_strdup(value);
        call->trailer_count++;
    }
    pthread_mutex_unlock(&call->mutex);
}

void rpc_call_metadata(struct rpc_call *call, const char *key, char *ret_value, size_t value_bytes)
{
    pthread_mutex_lock(&call->mutex);
    rpc_message_find_metadata(&call->metadata, key, ret_value, value_bytes);
    pthread_mutex_unlock(&call->mutex);
}

const char *rpc_call_peer(const struct rpc_call *call)
{
    return call->peer;
}

size_t rpc_call_outbox_bytes(struct rpc_call *call)
{
    pthread_mutex_lock(&call->mutex);
    size_t bytes = call->outbox.bytes;
    pthread_mutex_unlock(&call->mutex);
    return bytes;
}
