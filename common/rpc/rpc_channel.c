#include "common/rpc/rpc_channel.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/core/memory.h"
#include "common/rpc/rpc_args.h"

struct rpc_channel {
    atomic_uint refs;
    grpc_channel *channel;
};

struct rpc_channel *rpc_channel_new(const char *target, struct rpc_creds *creds)
{
    struct rpc_channel *channel = memory_alloc(sizeof(*channel));
    grpc_channel_credentials *credentials = rpc_creds_for_channel(creds);
    struct rpc_args args;

    atomic_init(&channel->refs, 1);
    rpc_args_for_client(&args);
    channel->channel = grpc_channel_create(target, credentials, &args.args);
    grpc_channel_credentials_release(credentials);
    return channel;
}

struct rpc_channel *rpc_channel_ref(struct rpc_channel *channel)
{
    atomic_fetch_add(&channel->refs, 1);
    return channel;
}

void rpc_channel_unref(struct rpc_channel **channel_place)
{
    struct rpc_channel *channel = *channel_place;

    *channel_place = NULL;
    if (channel != NULL && atomic_fetch_sub(&channel->refs, 1) == 1) {
        grpc_channel_destroy(channel->channel);
        free(channel);
    }
}

grpc_channel *rpc_channel_get(struct rpc_channel *channel)
{
    return channel->channel;
}
