#include "common/rpc/rpc_status.h"

#include <assert.h>

static const enum rpc_status rpc_status_of_errors[] = {
    [ERR_NONE] = RPC_OK,
    [ERR_INVALID] = RPC_INVALID_ARGUMENT,
    [ERR_NOT_FOUND] = RPC_NOT_FOUND,
    [ERR_CONFLICT] = RPC_ABORTED,
    [ERR_REFUSED] = RPC_FAILED_PRECONDITION,
    [ERR_UNAVAILABLE] = RPC_UNAVAILABLE,
    [ERR_UNCERTAIN] = RPC_UNAVAILABLE,
    [ERR_TIMEOUT] = RPC_DEADLINE_EXCEEDED,
    [ERR_LIMIT] = RPC_RESOURCE_EXHAUSTED,
    [ERR_INTERNAL] = RPC_INTERNAL,
};
static_assert(COUNT_OF(rpc_status_of_errors) == ERR_CODE_COUNT, "every error has a status");

static const struct {
    const char *name;
    enum err_code code;
} rpc_statuses[] = {
    [RPC_OK] = { "OK", ERR_NONE },
    [RPC_CANCELLED] = { "CANCELLED", ERR_UNCERTAIN },
    [RPC_UNKNOWN] = { "UNKNOWN", ERR_INTERNAL },
    [RPC_INVALID_ARGUMENT] = { "INVALID_ARGUMENT", ERR_INVALID },
    [RPC_DEADLINE_EXCEEDED] = { "DEADLINE_EXCEEDED", ERR_TIMEOUT },
    [RPC_NOT_FOUND] = { "NOT_FOUND", ERR_NOT_FOUND },
    [RPC_ALREADY_EXISTS] = { "ALREADY_EXISTS", ERR_CONFLICT },
    [RPC_PERMISSION_DENIED] = { "PERMISSION_DENIED", ERR_REFUSED },
    [RPC_RESOURCE_EXHAUSTED] = { "RESOURCE_EXHAUSTED", ERR_LIMIT },
    [RPC_FAILED_PRECONDITION] = { "FAILED_PRECONDITION", ERR_REFUSED },
    [RPC_ABORTED] = { "ABORTED", ERR_CONFLICT },
    [RPC_OUT_OF_RANGE] = { "OUT_OF_RANGE", ERR_INVALID },
    [RPC_UNIMPLEMENTED] = { "UNIMPLEMENTED", ERR_INVALID },
    [RPC_INTERNAL] = { "INTERNAL", ERR_INTERNAL },
    [RPC_UNAVAILABLE] = { "UNAVAILABLE", ERR_UNAVAILABLE },
    [RPC_DATA_LOSS] = { "DATA_LOSS", ERR_INTERNAL },
    [RPC_UNAUTHENTICATED] = { "UNAUTHENTICATED", ERR_REFUSED },
};

enum rpc_status rpc_status_of_error(enum err_code code)
{
    assert(code < ERR_CODE_COUNT);
    return rpc_status_of_errors[code];
}

/* A peer of another version may send any number. */
enum err_code rpc_status_to_error(enum rpc_status status)
{
    return (size_t)status < COUNT_OF(rpc_statuses) ? rpc_statuses[status].code : ERR_INTERNAL;
}

const char *rpc_status_name(enum rpc_status status)
{
    return (size_t)status < COUNT_OF(rpc_statuses) ? rpc_statuses[status].name : "UNKNOWN";
}
