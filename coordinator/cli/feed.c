#include "coordinator/cli/feed.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/arena.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

struct feed {
    struct caller *caller;
    struct wire_method method;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    struct buf newest;
    bool fresh;
    bool closed;
    struct rpc_end end;
};

static void feed_on_message(void *user, struct rpc_stream *stream, struct bytes message)
{
    struct feed *feed = user;

    (void)stream;
    pthread_mutex_lock(&feed->mutex);
    buf_clear(&feed->newest);
    feed->fresh = buf_append(&feed->newest, message.data, message.size);
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->mutex);
}

static void feed_on_closed(void *user, struct rpc_stream *stream, const struct rpc_end *end)
{
    struct feed *feed = user;

    (void)stream;
    pthread_mutex_lock(&feed->mutex);
    feed->closed = true;
    feed->end = *end;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->mutex);
}

static const struct rpc_stream_handler feed_handler = { .on_message = feed_on_message,
                                                        .on_closed = feed_on_closed };

bool feed_open(struct caller *caller, const char *method, const json_t *request,
               struct feed **ret_feed, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(feed_free) struct feed *feed = memory_alloc(sizeof(*feed));
    struct rpc_stream *stream = NULL;
    struct bytes wire = { 0 };

    feed->caller = caller;
    feed->newest.size_max = MESSAGE_BYTES_MAX;
    pthread_mutex_init(&feed->mutex, NULL);
    clock_cond_init(&feed->changed);
    bool known = wire_find_operator_method(method, &feed->method);
    assert(known);
    if (!wire_json_encode(&feed->method, request, &arena, &wire, err) ||
        !caller_connect(caller, err) ||
        !rpc_stream_open(caller->client, feed->method.path, caller->deadline_ms, &feed_handler,
                         feed, &stream, err)) {
        return false;
    }
    /* A stream that has closed meanwhile says so through on_closed. */
    (void)rpc_stream_send(stream, wire);
    rpc_stream_half_close(stream);
    rpc_stream_unref(&stream);
    *ret_feed = TAKE(feed);
    return true;
}

enum feed_news feed_wait(struct feed *feed, uint64_t until_ms, json_t **ret_message,
                         struct rpc_end *ret_end)
{
    enum feed_news news = FEED_NOTHING;
    struct error err = { 0 };

    pthread_mutex_lock(&feed->mutex);
    while (!feed->fresh && !feed->closed &&
           clock_cond_wait_until(&feed->changed, &feed->mutex, until_ms)) {
    }
    if (feed->fresh) {
        feed->fresh = false;
        news = FEED_MESSAGE;
        if (!wire_json_decode(&feed->method, buf_view(&feed->newest), ret_message, &err)) {
            *ret_end = (struct rpc_end){ .status = RPC_INTERNAL };
            memcpy(ret_end->message, err.message, sizeof(ret_end->message));
            news = FEED_CLOSED;
        }
    } else if (feed->closed) {
        *ret_end = feed->end;
        news = FEED_CLOSED;
    }
    pthread_mutex_unlock(&feed->mutex);
    return news;
}

void feed_free(struct feed **feed_at)
{
    struct feed *feed = *feed_at;

    if (feed == NULL) {
        return;
    }
    rpc_client_free(&feed->caller->client);
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->mutex);
    buf_release(&feed->newest);
    free(feed);
    *feed_at = NULL;
}
