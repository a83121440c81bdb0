/* rpc_status.h - gRPC's status codes, by their numbers, and how errors map to them.
 *
 * Pure. https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
#ifndef SKEIN_COMMON_RPC_RPC_STATUS_H
#define SKEIN_COMMON_RPC_RPC_STATUS_H

#include "common/core/error.h"

enum rpc_status {
    RPC_OK = 0,
    RPC_CANCELLED = 1,
    RPC_UNKNOWN = 2,
    RPC_INVALID_ARGUMENT = 3,
    RPC_DEADLINE_EXCEEDED = 4,
    RPC_NOT_FOUND = 5,
    RPC_ALREADY_EXISTS = 6,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_FAILED_PRECONDITION = 9,
    RPC_ABORTED = 10,
    RPC_OUT_OF_RANGE = 11,
    RPC_UNIMPLEMENTED = 12,
    RPC_INTERNAL = 13,
    RPC_UNAVAILABLE = 14,
    RPC_DATA_LOSS = 15,
    RPC_UNAUTHENTICATED = 16,
};

/* INVALID -> INVALID_ARGUMENT, CONFLICT -> ABORTED, REFUSED -> FAILED_PRECONDITION, LIMIT ->
 * RESOURCE_EXHAUSTED, UNCERTAIN and UNAVAILABLE -> UNAVAILABLE, ... */
enum rpc_status rpc_status_of_error(enum err_code code);
/* The other way, for clients: UNAVAILABLE -> ERR_UNAVAILABLE, ABORTED -> ERR_CONFLICT, ... */
enum err_code rpc_status_to_error(enum rpc_status status);
const char *rpc_status_name(enum rpc_status status);

#endif
