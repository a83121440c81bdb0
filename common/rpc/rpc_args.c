#include "common/rpc/rpc_args.h"

#include <assert.h>
#include <string.h>

#include "common/core/base.h"
#include "common/core/limits.h"

struct rpc_setting {
    const char *key;
    int value;
};

static const struct rpc_setting common_settings[] = {
    { GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, MESSAGE_BYTES_MAX },
    { GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, MESSAGE_BYTES_MAX },
    { GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1 },
    { GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0 }, /* no bound */
};

static const struct rpc_setting server_settings[] = {
    { GRPC_ARG_KEEPALIVE_TIME_MS, RPC_KEEPALIVE_MS },
    { GRPC_ARG_KEEPALIVE_TIMEOUT_MS, RPC_KEEPALIVE_TIMEOUT_MS },
    /* A port that another process has must be an error, not a share of its connections. */
    { GRPC_ARG_ALLOW_REUSEPORT, 0 },
    { GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, RPC_PING_INTERVAL_MIN_MS },
    { GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, RPC_HANDSHAKE_TIMEOUT_MS },
};

static const struct rpc_setting client_settings[] = {
    { GRPC_ARG_KEEPALIVE_TIME_MS, RPC_CLIENT_KEEPALIVE_MS },
    { GRPC_ARG_KEEPALIVE_TIMEOUT_MS, RPC_CLIENT_KEEPALIVE_TIMEOUT_MS },
    { GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, RPC_BACKOFF_FIRST_MS },
    { GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, RPC_BACKOFF_MAX_MS },
    { GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, RPC_CONNECT_TIMEOUT_MS }, /* of one attempt, in fact */
    { GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, RPC_RESOLVE_INTERVAL_MS },
    { GRPC_ARG_ENABLE_HTTP_PROXY, 0 },
    /* One call is one attempt: whether it was sent is then a fact. */
    { GRPC_ARG_ENABLE_RETRIES, 0 },
    { GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1 },
    { GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1 }, /* a client's connection is its own */
};

static void rpc_args_add(struct rpc_args *args, const struct rpc_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert(args->args.num_args < RPC_ARGS_MAX);
        grpc_arg *arg = &args->list[args->args.num_args++];
        arg->type = GRPC_ARG_INTEGER;
        memcpy(&arg->key, &settings[i].key, sizeof(arg->key)); /* gRPC only reads it */
        arg->value.integer = settings[i].value;
    }
}

static void rpc_args_start(struct rpc_args *args)
{
    memset(args, 0, sizeof(*args));
    args->args.args = args->list;
    rpc_args_add(args, common_settings, COUNT_OF(common_settings));
}

void rpc_args_for_server(struct rpc_args *args)
{
    rpc_args_start(args);
    rpc_args_add(args, server_settings, COUNT_OF(server_settings));
}

void rpc_args_for_client(struct rpc_args *args)
{
    rpc_args_start(args);
    rpc_args_add(args, client_settings, COUNT_OF(client_settings));
}
