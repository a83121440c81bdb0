/* A stream has at most one operation of each kind in flight; `due` counts them, and each gives its
 * count back as its last act. Once gRPC has told the status no operation starts, so with `due` at
 * zero nothing can call back any more: the loop thread calls on_closed, lets go of gRPC's call and
 * leaves the client. The memory lives on as long as somebody holds a reference. */
#include "common/rpc/rpc_stream.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/slice.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/rpc/rpc_loop.h"
#include "common/rpc/rpc_message.h"
#include "common/rpc/rpc_outbox.h"

struct rpc_stream {
    atomic_uint refs;
    struct rpc_client *client; /* used on the loop thread only, and not after detaching */
    struct rpc_stream_link link;
    const struct rpc_stream_handler *handler;
    void *user;
    bool paced;

    pthread_mutex_t mutex; /* guards all below; serialises batches */
    grpc_call *call;       /* NULL when the stream has ended */
    struct rpc_channel *channel;
    unsigned due;
    struct rpc_op open_op;
    struct rpc_op status_op;
    struct rpc_op read_op;
    struct rpc_op write_op;
    grpc_metadata_array headers; /* these four are filled by gRPC when status_op is done */
    grpc_metadata_array trailers;
    grpc_status_code status;
    grpc_slice details;
    grpc_byte_buffer *reading; /* filled by gRPC when read_op is done */
    grpc_byte_buffer *message; /* being written */
    struct rpc_outbox outbox;
    bool writing; /* write_op is in flight */
    bool half_close_wanted;
    bool half_closed;
    bool cancelled; /* by us: nothing more is accepted or delivered */
    bool over;      /* status_op is done */
    struct rpc_end end;
};

/* ---- under the mutex ---- */

static void rpc_stream_start(struct rpc_stream *stream, const grpc_op *ops, size_t op_count,
                             struct rpc_op *op)
{
    assert(!stream->over);
    stream->due++;
    rpc_loop_start_batch(stream->call, ops, op_count, op);
}

static void rpc_stream_start_read(struct rpc_stream *stream)
{
    grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

    assert(stream->reading == NULL);
    op.data.recv_message.recv_message = &stream->reading;
    rpc_stream_start(stream, &op, 1, &stream->read_op);
}

/* The batches that every stream begins with. The initial metadata travels alone: when this batch
 * fails, not a byte of the call has left the process. */
static void rpc_stream_begin(struct rpc_stream *stream)
{
    grpc_op send = { .op = GRPC_OP_SEND_INITIAL_METADATA };
    grpc_op receive[2] = { { .op = GRPC_OP_RECV_INITIAL_METADATA },
                           { .op = GRPC_OP_RECV_STATUS_ON_CLIENT } };

    receive[0].data.recv_initial_metadata.recv_initial_metadata = &stream->headers;
    receive[1].data.recv_status_on_client.trailing_metadata = &stream->trailers;
    receive[1].data.recv_status_on_client.status = &stream->status;
    receive[1].data.recv_status_on_client.status_details = &stream->details;
    rpc_stream_start(stream, &send, 1, &stream->open_op);
    rpc_stream_start(stream, receive, COUNT_OF(receive), &stream->status_op);
    rpc_stream_start_read(stream);
}

/* Starts what is next to be sent, unless something is being sent. */
static void rpc_stream_write_next(struct rpc_stream *stream)
{
    grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };

    if (stream->writing || stream->over || stream->cancelled) {
        return;
    }
    stream->message = rpc_outbox_pop(&stream->outbox);
    if (stream->message != NULL) {
        /* More is waiting: gRPC may put several messages into one packet. */
        op.flags = stream->outbox.count > 0 ? GRPC_WRITE_BUFFER_HINT : 0;
        op.data.send_message.send_message = stream->message;
    } else if (stream->half_close_wanted && !stream->half_closed) {
        op.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
        stream->half_closed = true;
    } else {
        return;
    }
    stream->writing = true;
    rpc_stream_start(stream, &op, 1, &stream->write_op);
}

static void rpc_stream_abort(struct rpc_stream *stream, grpc_status_code status,
                             const char *message)
{
    if (stream->over || stream->cancelled) {
        return;
    }
    stream->cancelled = true;
    rpc_outbox_release(&stream->outbox);
    grpc_call_cancel_with_status(stream->call, status, message, NULL);
}

/* ---- loop thread ---- */

static void rpc_stream_end(struct rpc_stream *stream)
{
    if (stream->handler->on_closed != NULL) {
        stream->handler->on_closed(stream->user, stream, &stream->end);
    }
    pthread_mutex_lock(&stream->mutex);
    assert(stream->over && stream->due == 0 && !stream->writing && stream->reading == NULL);
    grpc_call *over = stream->call;
    struct rpc_channel *channel = stream->channel;
    stream->call = NULL;
    stream->channel = NULL;
    grpc_metadata_array_destroy(&stream->headers);
    grpc_metadata_array_destroy(&stream->trailers);
    grpc_slice_unref(stream->details);
    rpc_outbox_release(&stream->outbox);
    pthread_mutex_unlock(&stream->mutex);
    grpc_call_unref(over);
    rpc_channel_unref(&channel);
    rpc_client_detach(stream->client, stream);
    rpc_stream_unref(&stream);
}

/* The last act of every operation. */
static void rpc_stream_op_over(struct rpc_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    assert(stream->due > 0);
    bool last = --stream->due == 0 && stream->over;
    pthread_mutex_unlock(&stream->mutex);
    if (last) {
        rpc_stream_end(stream);
    }
}

static void rpc_stream_on_opened(struct rpc_op *op, bool ok)
{
    struct rpc_stream *stream = CONTAINER_OF(op, struct rpc_stream, open_op);

    pthread_mutex_lock(&stream->mutex);
    stream->end.sent = ok;
    pthread_mutex_unlock(&stream->mutex);
    rpc_stream_op_over(stream);
}

static void rpc_stream_on_status(struct rpc_op *op, bool ok)
{
    struct rpc_stream *stream = CONTAINER_OF(op, struct rpc_stream, status_op);

    (void)ok; /* always: a failure is a status too */
    pthread_mutex_lock(&stream->mutex);
    stream->over = true;
    stream->end.status = (enum rpc_status)stream->status;
    rpc_message_copy_text(stream->details, stream->end.message, sizeof(stream->end.message));
    rpc_message_find_metadata(&stream->trailers, "skein-leader", stream->end.leader,
                              sizeof(stream->end.leader));
    char refused[RPC_TRAILER_BYTES] = "";
    rpc_message_find_metadata(&stream->trailers, "skein-refused", refused, sizeof(refused));
    stream->end.refused = refused[0] != '\0';
    rpc_outbox_release(&stream->outbox);
    pthread_mutex_unlock(&stream->mutex);
    rpc_stream_op_over(stream);
}

static void rpc_stream_on_written(struct rpc_op *op, bool ok)
{
    struct rpc_stream *stream = CONTAINER_OF(op, struct rpc_stream, write_op);

    pthread_mutex_lock(&stream->mutex);
    assert(stream->writing);
    stream->writing = false;
    rpc_message_free(&stream->message);
    if (ok) {
        rpc_stream_write_next(stream);
    } else {
        rpc_outbox_release(&stream->outbox); /* the status says why */
    }
    bool drained =
        ok && !stream->writing && !stream->half_close_wanted && !stream->over && !stream->cancelled;
    pthread_mutex_unlock(&stream->mutex);
    if (drained && stream->handler->on_drained != NULL) {
        stream->handler->on_drained(stream->user, stream);
    }
    rpc_stream_op_over(stream);
}

/* False when it cannot be read. */
static bool rpc_stream_deliver(struct rpc_stream *stream, grpc_byte_buffer *message)
{
    struct bytes bytes;
    grpc_slice slice;

    if (!rpc_message_read(message, &slice, &bytes)) {
        return false;
    }
    stream->handler->on_message(stream->user, stream, bytes);
    grpc_slice_unref(slice);
    return true;
}

static void rpc_stream_on_read(struct rpc_op *op, bool ok)
{
    struct rpc_stream *stream = CONTAINER_OF(op, struct rpc_stream, read_op);
    bool readable = true;

    pthread_mutex_lock(&stream->mutex);
    grpc_byte_buffer *message = stream->reading;
    stream->reading = NULL;
    bool deliver = ok && message != NULL && !stream->cancelled;
    pthread_mutex_unlock(&stream->mutex);

    if (deliver) {
        readable = rpc_stream_deliver(stream, message);
    }
    rpc_message_free(&message);

    pthread_mutex_lock(&stream->mutex);
    if (!readable) {
        rpc_stream_abort(stream, GRPC_STATUS_INTERNAL, "a message could not be decompressed");
    }
    if (deliver && !stream->paced && !stream->over && !stream->cancelled) {
        rpc_stream_start_read(stream);
    }
    pthread_mutex_unlock(&stream->mutex);
    rpc_stream_op_over(stream);
}

/* ---- any thread ---- */

static struct rpc_stream *rpc_stream_new(struct rpc_client *client,
                                         const struct rpc_stream_handler *handler, void *user,
                                         bool paced)
{
    struct rpc_stream *stream = memory_alloc(sizeof(*stream));

    atomic_init(&stream->refs, 2); /* the operations' and the opener's */
    pthread_mutex_init(&stream->mutex, NULL);
    stream->client = client;
    stream->handler = handler;
    stream->user = user;
    stream->paced = paced;
    stream->open_op.done = rpc_stream_on_opened;
    stream->status_op.done = rpc_stream_on_status;
    stream->read_op.done = rpc_stream_on_read;
    stream->write_op.done = rpc_stream_on_written;
    grpc_metadata_array_init(&stream->headers);
    grpc_metadata_array_init(&stream->trailers);
    stream->details = grpc_empty_slice();
    stream->end.sent = true; /* until it is certain that it was not */
    return stream;
}

static void rpc_stream_destroy(struct rpc_stream *stream)
{
    assert(stream->call == NULL);
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

bool rpc_stream_open_as(struct rpc_client *client, const char *path, uint64_t deadline_ms,
                        const struct rpc_stream_handler *handler, void *user, bool paced,
                        struct rpc_stream **ret_stream, struct error *err)
{
    struct rpc_stream *stream = rpc_stream_new(client, handler, user, paced);

    /* The mutex keeps a client that is being freed from cancelling a half-made stream. */
    pthread_mutex_lock(&stream->mutex);
    if (!rpc_client_attach(client, stream, path, deadline_ms, &stream->call, &stream->channel,
                           err)) {
        pthread_mutex_unlock(&stream->mutex);
        rpc_stream_destroy(stream);
        return false;
    }
    *ret_stream = stream; /* before anything can call back */
    rpc_stream_begin(stream);
    pthread_mutex_unlock(&stream->mutex);
    return true;
}

bool rpc_stream_open(struct rpc_client *client, const char *path, uint64_t deadline_ms,
                     const struct rpc_stream_handler *handler, void *user,
                     struct rpc_stream **ret_stream, struct error *err)
{
    return rpc_stream_open_as(client, path, deadline_ms, handler, user, false, ret_stream, err);
}

void rpc_stream_ref(struct rpc_stream *stream)
{
    atomic_fetch_add(&stream->refs, 1);
}

void rpc_stream_unref(struct rpc_stream **stream_place)
{
    struct rpc_stream *stream = *stream_place;

    *stream_place = NULL;
    if (stream != NULL && atomic_fetch_sub(&stream->refs, 1) == 1) {
        rpc_stream_destroy(stream);
    }
}

static bool rpc_stream_push(struct rpc_stream *stream, struct bytes message)
{
    char problem[RPC_STATUS_MESSAGE_BYTES];

    if (stream->over || stream->cancelled || stream->half_close_wanted) {
        return false;
    }
    if (message.size > MESSAGE_BYTES_MAX) {
        snprintf(problem, sizeof(problem), "a message of %zu bytes is larger than %d", message.size,
                 MESSAGE_BYTES_MAX);
        rpc_stream_abort(stream, GRPC_STATUS_RESOURCE_EXHAUSTED, problem);
        return false;
    }
    grpc_byte_buffer *buffer = rpc_message_new(message);
    if (!rpc_outbox_push(&stream->outbox, buffer)) {
        rpc_message_free(&buffer);
        rpc_stream_abort(stream, GRPC_STATUS_RESOURCE_EXHAUSTED,
                         "the server reads too slowly: too much is waiting for it");
        return false;
    }
    rpc_stream_write_next(stream);
    return true;
}

bool rpc_stream_send(struct rpc_stream *stream, struct bytes message)
{
    pthread_mutex_lock(&stream->mutex);
    bool taken = rpc_stream_push(stream, message);
    pthread_mutex_unlock(&stream->mutex);
    return taken;
}

void rpc_stream_half_close(struct rpc_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    if (!stream->over && !stream->cancelled) {
        stream->half_close_wanted = true;
        rpc_stream_write_next(stream);
    }
    pthread_mutex_unlock(&stream->mutex);
}

void rpc_stream_cancel(struct rpc_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    rpc_stream_abort(stream, GRPC_STATUS_CANCELLED, "cancelled by the client");
    pthread_mutex_unlock(&stream->mutex);
}

size_t rpc_stream_outbox_bytes(struct rpc_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    size_t bytes = stream->outbox.bytes;
    pthread_mutex_unlock(&stream->mutex);
    return bytes;
}

void rpc_stream_read_next(struct rpc_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    assert(stream->paced);
    if (!stream->over && !stream->cancelled) {
        rpc_stream_start_read(stream);
    }
    pthread_mutex_unlock(&stream->mutex);
}

struct rpc_stream_link *rpc_stream_get_link(struct rpc_stream *stream)
{
    return &stream->link;
}
