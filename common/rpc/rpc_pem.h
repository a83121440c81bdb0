/* rpc_pem.h - the PEM files of a struct rpc_tls, read and checked.
 *
 * Inside common/rpc only. A zeroed rpc_pem is empty and valid. */
#ifndef SKEIN_COMMON_RPC_RPC_PEM_H
#define SKEIN_COMMON_RPC_RPC_PEM_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/rpc/rpc_tls.h"

struct rpc_pem {
    char *cert; /* NULL for none */
    char *key;
    char *ca;
};

/* ERR_INVALID names the file and what is wrong with it: missing, not PEM, expired, a key that does
 * not belong to the certificate. */
MUST_CHECK bool rpc_pem_load(const struct rpc_tls *tls, struct rpc_pem *ret_pem, struct error *err);
void rpc_pem_release(struct rpc_pem *pem); /* wipes the key */

#endif
