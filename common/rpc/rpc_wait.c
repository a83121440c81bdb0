/* The waiting forms of a call. The loop thread leaves what happens in a struct rpc_waiter, the
 * calling thread works it off; a message is taken before the next one is read. */
#include "common/rpc/rpc_client.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/rpc/rpc_stream.h"

struct rpc_waiter {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct buf message;
    bool has_message;
    bool may_send;
    bool closed;
    struct rpc_end end;
};

/* What one call is to do; used by the calling thread alone. */
struct rpc_exchange {
    const struct bytes *requests;
    size_t request_count;
    size_t sent_count;
    bool half_closed;
    bool (*on_message)(void *user, struct bytes message);
    void *user;
    bool enough; /* on_message has returned false */
};

static void rpc_waiter_on_message(void *user, struct rpc_stream *stream, struct bytes message)
{
    struct rpc_waiter *waiter = user;

    (void)stream;
    pthread_mutex_lock(&waiter->mutex);
    assert(!waiter->has_message);
    buf_clear(&waiter->message);
    buf_append(&waiter->message, message.data, message.size);
    waiter->has_message = true;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->mutex);
}

static void rpc_waiter_on_drained(void *user, struct rpc_stream *stream)
{
    struct rpc_waiter *waiter = user;

    (void)stream;
    pthread_mutex_lock(&waiter->mutex);
    waiter->may_send = true;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->mutex);
}

static void rpc_waiter_on_closed(void *user, struct rpc_stream *stream, const struct rpc_end *end)
{
    struct rpc_waiter *waiter = user;

    (void)stream;
    pthread_mutex_lock(&waiter->mutex);
    waiter->end = *end;
    waiter->closed = true;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->mutex);
}

static const struct rpc_stream_handler rpc_waiter_handler = {
    .on_message = rpc_waiter_on_message,
    .on_closed = rpc_waiter_on_closed,
    .on_drained = rpc_waiter_on_drained,
};

/* Sends a burst that the outbox is sure to hold; on_drained asks for the next one. Clears may_send
 * first: the outbox may drain before the burst is complete, and then a further round is right. */
static void rpc_waiter_send_burst(struct rpc_waiter *waiter, struct rpc_stream *stream,
                                  struct rpc_exchange *exchange)
{
    size_t bytes = 0;

    waiter->may_send = false;
    pthread_mutex_unlock(&waiter->mutex);
    for (size_t i = 0; i < RPC_BURST_MESSAGES && bytes < RPC_BURST_BYTES; i++) {
        if (exchange->sent_count == exchange->request_count) {
            break;
        }
        struct bytes request = exchange->requests[exchange->sent_count++];
        bytes += request.size;
        if (!rpc_stream_send(stream, request)) {
            exchange->sent_count = exchange->request_count; /* it is over; on_closed says why */
        }
    }
    if (exchange->sent_count == exchange->request_count) {
        rpc_stream_half_close(stream);
        exchange->half_closed = true;
    }
    pthread_mutex_lock(&waiter->mutex);
}

/* The message's buffer is the calling thread's until the next read is asked for. */
static void rpc_waiter_take_message(struct rpc_waiter *waiter, struct rpc_stream *stream,
                                    struct rpc_exchange *exchange)
{
    waiter->has_message = false;
    pthread_mutex_unlock(&waiter->mutex);
    if (!exchange->enough) {
        exchange->enough = !exchange->on_message(exchange->user, buf_view(&waiter->message));
        if (exchange->enough) {
            rpc_stream_cancel(stream);
        } else {
            rpc_stream_read_next(stream);
        }
    }
    pthread_mutex_lock(&waiter->mutex);
}

static void rpc_waiter_run(struct rpc_waiter *waiter, struct rpc_stream *stream,
                           struct rpc_exchange *exchange)
{
    pthread_mutex_lock(&waiter->mutex);
    for (;;) {
        if (waiter->has_message) {
            rpc_waiter_take_message(waiter, stream, exchange);
        } else if (waiter->closed) {
            break;
        } else if (waiter->may_send && !exchange->half_closed) {
            rpc_waiter_send_burst(waiter, stream, exchange);
        } else {
            pthread_cond_wait(&waiter->changed, &waiter->mutex);
        }
    }
    pthread_mutex_unlock(&waiter->mutex);
}

static bool rpc_waiter_fail(const struct rpc_client *client, const struct rpc_end *end,
                            struct error *err)
{
    const char *text = end->message[0] == '\0' ? rpc_status_name(end->status) : end->message;
    enum err_code code = rpc_status_to_error(end->status);

    if (!end->sent && (end->status == RPC_UNAVAILABLE || end->status == RPC_DEADLINE_EXCEEDED)) {
        return error_set(err, ERR_UNAVAILABLE, "'%s' was not reached: %s",
                         rpc_client_address(client), text);
    }
    if (end->status == RPC_UNAVAILABLE && !end->refused) {
        code = ERR_UNCERTAIN; /* it was sent: the server may have acted on it */
    }
    return error_set(err, code, "%s", text);
}

/* True when the call has ended with OK, or with `enough`. */
static bool rpc_exchange_run(struct rpc_client *client, const char *path, uint64_t timeout_ms,
                             struct rpc_exchange *exchange, struct rpc_end *ret_end,
                             struct error *err)
{
    struct rpc_waiter waiter = { .message = { .size_max = MESSAGE_BYTES_MAX }, .may_send = true };
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t deadline_ms = timeout_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + timeout_ms;
    struct rpc_stream *stream = NULL;

    assert(!rpc_client_is_loop(client)); /* it would wait for itself */
    pthread_mutex_init(&waiter.mutex, NULL);
    pthread_cond_init(&waiter.changed, NULL);
    bool done = rpc_stream_open_as(client, path, deadline_ms, &rpc_waiter_handler, &waiter, true,
                                   &stream, err);
    if (done) {
        rpc_waiter_run(&waiter, stream, exchange);
        rpc_stream_unref(&stream);
        done = waiter.end.status == RPC_OK || exchange->enough ||
               rpc_waiter_fail(client, &waiter.end, err);
    } else {
        waiter.end.status = RPC_CANCELLED;
    }
    if (ret_end != NULL) {
        *ret_end = waiter.end;
    }
    buf_release(&waiter.message);
    pthread_cond_destroy(&waiter.changed);
    pthread_mutex_destroy(&waiter.mutex);
    return done;
}

bool rpc_client_stream(struct rpc_client *client, const char *path, const struct bytes *requests,
                       size_t request_count, uint64_t timeout_ms,
                       bool (*on_message)(void *user, struct bytes message), void *user,
                       struct rpc_end *ret_end, struct error *err)
{
    struct rpc_exchange exchange = {
        .requests = requests, .request_count = request_count, .on_message = on_message, .user = user
    };

    return rpc_exchange_run(client, path, timeout_ms, &exchange, ret_end, err);
}

struct rpc_answer {
    struct buf *response;
    size_t count;
};

static bool rpc_answer_take(void *user, struct bytes message)
{
    struct rpc_answer *answer = user;

    if (answer->count++ == 0) {
        buf_append(answer->response, message.data, message.size);
    }
    return answer->count == 1;
}

bool rpc_client_unary(struct rpc_client *client, const char *path, struct bytes request,
                      uint64_t timeout_ms, struct buf *response, struct rpc_end *ret_end,
                      struct error *err)
{
    struct rpc_answer answer = { .response = response };
    struct rpc_exchange exchange = {
        .requests = &request, .request_count = 1, .on_message = rpc_answer_take, .user = &answer
    };

    buf_clear(response);
    if (!rpc_exchange_run(client, path, timeout_ms, &exchange, ret_end, err)) {
        return false;
    }
    if (answer.count != 1) {
        return error_set(err, ERR_INTERNAL, "'%s' answered with %s message", path,
                         answer.count == 0 ? "no" : "more than one");
    }
    return buf_check(response, err) || error_wrap(err, "answer of '%s'", path);
}
