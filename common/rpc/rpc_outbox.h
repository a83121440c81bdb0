/* rpc_outbox.h - the messages that wait to be written, bounded in number and bytes.
 *
 * Inside common/rpc only. Not thread-safe: guarded by the mutex of the call or stream it is in. A
 * zeroed outbox is empty and valid. */
#ifndef SKEIN_COMMON_RPC_RPC_OUTBOX_H
#define SKEIN_COMMON_RPC_RPC_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include <grpc/byte_buffer.h>

#include "common/core/base.h"

struct rpc_outbox {
    grpc_byte_buffer **ring; /* grows to STREAM_OUTBOX_MESSAGES_MAX */
    size_t capacity;
    size_t first;
    size_t count;
    size_t bytes;
};

void rpc_outbox_release(struct rpc_outbox *outbox);
/* Takes the message, or returns false when a bound would be passed: it stays the caller's. */
MUST_CHECK bool rpc_outbox_push(struct rpc_outbox *outbox, grpc_byte_buffer *message);
/* The oldest message, now the caller's; NULL when there is none. */
grpc_byte_buffer *rpc_outbox_pop(struct rpc_outbox *outbox);

#endif
