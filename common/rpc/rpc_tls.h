/* rpc_tls.h - which files prove who a program is and whom it trusts.
 *
 * Immutable; shared by any thread. The files are read again when they change (looked at once a
 * second at most), without dropping calls. */
#ifndef SKEIN_COMMON_RPC_RPC_TLS_H
#define SKEIN_COMMON_RPC_RPC_TLS_H

#include <stdbool.h>

#include "common/core/error.h"

struct rpc_tls {
    const char *cert; /* PEM files; "" for none */
    const char *key;
    const char *ca; /* a server with it demands client certificates; a client trusts only it */
};

/* Reads and checks the files now: ERR_INVALID names the file and what is wrong with it. */
MUST_CHECK bool rpc_tls_check(const struct rpc_tls *tls, struct error *err);

/* Plaintext is for loopback, or for those who said --insecure. `address` is HOST:PORT. */
bool rpc_address_is_loopback(const char *address);

#endif
