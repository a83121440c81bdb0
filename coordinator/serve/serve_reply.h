/* serve_reply.h - how calls of any service end: with a message, an error, or "ask the leader".
 *
 * Thread-safe, as struct rpc_call is. A call that is over already is no error. */
#ifndef SKEIN_COORDINATOR_SERVE_SERVE_REPLY_H
#define SKEIN_COORDINATOR_SERVE_SERVE_REPLY_H

#include <protobuf-c/protobuf-c.h>

#include "common/core/error.h"
#include "common/rpc/rpc_server.h"
#include "coordinator/serve/leader_view.h"

/* Sends one message of a stream. False when the call is over. */
bool serve_reply_send(struct rpc_call *call, const ProtobufCMessage *message);
/* Sends the message and ends the call with OK. A message above MESSAGE_BYTES_MAX, which clients
 * refuse, becomes RESOURCE_EXHAUSTED with a sentence. */
void serve_reply_message(struct rpc_call *call, const ProtobufCMessage *message);
void serve_reply_error(struct rpc_call *call, const struct error *err);
/* UNAVAILABLE and the trailer "skein-refused": this coordinator leads, but its store takes no
 * writes, and nothing has happened. */
void serve_reply_not_now(struct rpc_call *call, const char *message);
/* UNAVAILABLE, the trailer "skein-refused" (nothing has happened), and the trailer "skein-leader"
 * if a leader is known. */
void serve_reply_not_leading(struct rpc_call *call, struct leader_view *leader,
                             const char *message);
/* The same for a call that may have had its effect: without "skein-refused". */
void serve_reply_deposed(struct rpc_call *call, struct leader_view *leader, const char *message);

#endif
