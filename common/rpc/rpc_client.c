#include "common/rpc/rpc_client.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/slice.h>

#include "common/core/clock.h"
#include "common/core/memory.h"
#include "common/rpc/rpc_address.h"
#include "common/rpc/rpc_channel.h"
#include "common/rpc/rpc_creds.h"
#include "common/rpc/rpc_loop.h"
#include "common/rpc/rpc_stream.h"

struct rpc_client {
    struct rpc_loop loop;
    char *address;
    char target[RPC_TARGET_BYTES];
    struct rpc_creds *creds;

    /* Guards what follows. Order: a stream's mutex is taken before this one. */
    pthread_mutex_t mutex;
    pthread_cond_t empty;
    struct rpc_channel *channel;
    struct rpc_stream *streams; /* a list: the newest */
    bool closing;
};

bool rpc_client_new(const char *address, const struct rpc_tls *tls, struct rpc_client **ret_client,
                    struct error *err)
{
    CLEANUP(rpc_client_free) struct rpc_client *client = memory_alloc(sizeof(*client));
    struct rpc_address parsed;

    pthread_mutex_init(&client->mutex, NULL);
    clock_cond_init(&client->empty);
    client->address = memory_strdup(address);
    if (!rpc_address_parse(address, &parsed, err) || !rpc_creds_new(tls, &client->creds, err) ||
        !rpc_loop_start(&client->loop, "rpc-client", err)) {
        return false;
    }
    rpc_address_target(&parsed, client->target);
    client->channel = rpc_channel_new(client->target, client->creds);
    *ret_client = TAKE(client);
    return true;
}

/* Cancelling takes the stream's mutex, which comes before the client's: so one stream at a time,
 * held by a reference. Each round takes the newest; a stream leaves the list when it is over. */
static void rpc_client_cancel_all(struct rpc_client *client)
{
    struct rpc_stream *stream;

    pthread_mutex_lock(&client->mutex);
    client->closing = true; /* from here on the list only shrinks */
    while ((stream = client->streams) != NULL) {
        rpc_stream_ref(stream);
        pthread_mutex_unlock(&client->mutex);
        rpc_stream_cancel(stream);
        pthread_mutex_lock(&client->mutex);
        while (client->streams == stream) {
            pthread_cond_wait(&client->empty, &client->mutex);
        }
        rpc_stream_unref(&stream);
    }
    pthread_mutex_unlock(&client->mutex);
}

void rpc_client_free(struct rpc_client **client_place)
{
    struct rpc_client *client = *client_place;

    if (client == NULL) {
        return;
    }
    assert(!rpc_loop_is_current(&client->loop));
    rpc_client_cancel_all(client);
    rpc_loop_stop(&client->loop);
    rpc_channel_unref(&client->channel);
    rpc_loop_release(&client->loop);
    rpc_creds_free(&client->creds);
    free(client->address);
    pthread_cond_destroy(&client->empty);
    pthread_mutex_destroy(&client->mutex);
    free(client);
    *client_place = NULL;
}

/* Streams that are open keep the channel that they were opened on. */
static void rpc_client_refresh_channel(struct rpc_client *client)
{
    if (rpc_creds_reload(client->creds)) {
        rpc_channel_unref(&client->channel);
        client->channel = rpc_channel_new(client->target, client->creds);
    }
}

static void rpc_client_link(struct rpc_client *client, struct rpc_stream *stream)
{
    struct rpc_stream_link *link = rpc_stream_get_link(stream);

    link->previous = NULL;
    link->next = client->streams;
    if (link->next != NULL) {
        rpc_stream_get_link(link->next)->previous = stream;
    }
    client->streams = stream;
}

bool rpc_client_attach(struct rpc_client *client, struct rpc_stream *stream, const char *path,
                       uint64_t deadline_ms, grpc_call **ret_call, struct rpc_channel **ret_channel,
                       struct error *err)
{
    pthread_mutex_lock(&client->mutex);
    if (client->closing) {
        pthread_mutex_unlock(&client->mutex);
        return error_set(err, ERR_REFUSED, "the client of '%s' is being closed", client->address);
    }
    rpc_client_refresh_channel(client);
    *ret_channel = rpc_channel_ref(client->channel);
    rpc_client_link(client, stream);
    pthread_mutex_unlock(&client->mutex);

    grpc_slice method = grpc_slice_from_copied_string(path);
    *ret_call = grpc_channel_create_call(rpc_channel_get(*ret_channel), NULL,
                                         GRPC_PROPAGATE_DEFAULTS, client->loop.queue, method, NULL,
                                         rpc_loop_deadline(deadline_ms), NULL);
    grpc_slice_unref(method);
    return true;
}

void rpc_client_detach(struct rpc_client *client, struct rpc_stream *stream)
{
    struct rpc_stream_link *link = rpc_stream_get_link(stream);

    pthread_mutex_lock(&client->mutex);
    if (link->previous != NULL) {
        rpc_stream_get_link(link->previous)->next = link->next;
    } else {
        client->streams = link->next;
    }
    if (link->next != NULL) {
        rpc_stream_get_link(link->next)->previous = link->previous;
    }
    pthread_cond_broadcast(&client->empty);
    pthread_mutex_unlock(&client->mutex);
}

const char *rpc_client_address(const struct rpc_client *client)
{
    return client->address;
}

bool rpc_client_is_loop(const struct rpc_client *client)
{
    return rpc_loop_is_current(&client->loop);
}
