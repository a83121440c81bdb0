/* rpc_channel.h - a gRPC channel that lives as long as a stream of it.
 *
 * Inside common/rpc only. Thread-safe. */
#ifndef SKEIN_COMMON_RPC_RPC_CHANNEL_H
#define SKEIN_COMMON_RPC_RPC_CHANNEL_H

#include <grpc/grpc.h>

#include "common/rpc/rpc_creds.h"

struct rpc_channel;

/* Connects when it is first used. The caller has the first reference. */
struct rpc_channel *rpc_channel_new(const char *target, struct rpc_creds *creds);
struct rpc_channel *rpc_channel_ref(struct rpc_channel *channel);
void rpc_channel_unref(struct rpc_channel **channel);

grpc_channel *rpc_channel_get(struct rpc_channel *channel); /* borrowed */

#endif
