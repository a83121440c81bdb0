/* rpc_args.h - how gRPC's channels and servers are set up: limits, keepalive, reconnecting.
 *
 * Inside common/rpc only. Pure. */
#ifndef SKEIN_COMMON_RPC_RPC_ARGS_H
#define SKEIN_COMMON_RPC_RPC_ARGS_H

#include <grpc/grpc.h>

enum { RPC_ARGS_MAX = 20 };

struct rpc_args {
    grpc_arg list[RPC_ARGS_MAX];
    grpc_channel_args args; /* points into `list`: do not copy */
};

void rpc_args_for_server(struct rpc_args *args);
void rpc_args_for_client(struct rpc_args *args);

#endif
