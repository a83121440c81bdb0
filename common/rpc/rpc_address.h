/* rpc_address.h - HOST:PORT, taken apart and tried.
 *
 * Inside common/rpc only (rpc_address_is_loopback is in rpc_tls.h). */
#ifndef SKEIN_COMMON_RPC_RPC_ADDRESS_H
#define SKEIN_COMMON_RPC_RPC_ADDRESS_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/core/error.h"

enum { RPC_HOST_BYTES = 256, RPC_PORT_BYTES = 8, RPC_TARGET_BYTES = 512 };

struct rpc_address {
    char host[RPC_HOST_BYTES]; /* without the brackets of an IPv6 address */
    char port[RPC_PORT_BYTES];
};

/* ERR_INVALID for anything but NAME:PORT, IPV4:PORT or [IPV6]:PORT. */
MUST_CHECK bool rpc_address_parse(const char *text, struct rpc_address *ret_address,
                                  struct error *err);
/* As a gRPC target that cannot be taken for another scheme. */
void rpc_address_target(const struct rpc_address *address, char ret_target[RPC_TARGET_BYTES]);

/* Says why one cannot listen there: gRPC tells it only to its log. Binds and lets go, so what it
 * finds free may be taken a moment later. ERR_CONFLICT: in use. */
MUST_CHECK bool rpc_address_try_listen(const char *text, struct error *err);

#endif
