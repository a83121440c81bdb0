/* rpc_call.h - how the server makes its calls.
 *
 * Inside common/rpc only; what users do with a call is in rpc_server.h. All on the loop thread. */
#ifndef SKEIN_COMMON_RPC_RPC_CALL_H
#define SKEIN_COMMON_RPC_RPC_CALL_H

#include <stdbool.h>

#include <grpc/grpc.h>

#include "common/rpc/rpc_server.h"

/* A call that gRPC has handed over. */
struct rpc_incoming {
    grpc_call *call;              /* owned by the rpc_call from now on */
    grpc_metadata_array metadata; /* owned by it too */
    /* The call is over, on_closed has run. `accepted`: it had a handler. */
    void (*ended)(void *owner, bool accepted);
    void *owner;
};

/* Gives the call to its method's handler. */
void rpc_call_accept(const struct rpc_incoming *incoming, const struct rpc_method *method);
/* Ends it with a status; no handler hears of it. */
void rpc_call_refuse(const struct rpc_incoming *incoming, enum rpc_status status,
                     const char *message);

#endif
