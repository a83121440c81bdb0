/* rpc_stream.h - how a client and its streams hold on to each other.
 *
 * Inside common/rpc only; what users do with a stream is in rpc_client.h. */
#ifndef SKEIN_COMMON_RPC_RPC_STREAM_H
#define SKEIN_COMMON_RPC_RPC_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/rpc/rpc_channel.h"
#include "common/rpc/rpc_client.h"

/* A stream's place in its client's list; guarded by the client's mutex. */
struct rpc_stream_link {
    struct rpc_stream *previous;
    struct rpc_stream *next;
};

/* rpc_stream_open, or with `paced` a stream that reads one message at a time: the next one only
 * after rpc_stream_read_next, so that a thread that waits can set the pace. */
MUST_CHECK bool rpc_stream_open_as(struct rpc_client *client, const char *path,
                                   uint64_t deadline_ms, const struct rpc_stream_handler *handler,
                                   void *user, bool paced, struct rpc_stream **ret_stream,
                                   struct error *err);
/* Any thread; once per delivered message. */
void rpc_stream_read_next(struct rpc_stream *stream);
struct rpc_stream_link *rpc_stream_get_link(struct rpc_stream *stream);

/* ---- the client's side ---- */

/* Makes gRPC's call and puts the stream into the client's list. ERR_REFUSED while the client is
 * being freed. */
MUST_CHECK bool rpc_client_attach(struct rpc_client *client, struct rpc_stream *stream,
                                  const char *path, uint64_t deadline_ms, grpc_call **ret_call,
                                  struct rpc_channel **ret_channel, struct error *err);
/* The stream is over, on_closed has run: the last that it does to its client. */
void rpc_client_detach(struct rpc_client *client, struct rpc_stream *stream);
const char *rpc_client_address(const struct rpc_client *client);
bool rpc_client_is_loop(const struct rpc_client *client);

#endif
