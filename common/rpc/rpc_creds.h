/* rpc_creds.h - gRPC credentials from PEM files that may change while the program runs.
 *
 * Inside common/rpc only. Thread-safe: gRPC asks from threads of its own. */
#ifndef SKEIN_COMMON_RPC_RPC_CREDS_H
#define SKEIN_COMMON_RPC_RPC_CREDS_H

#include <stdbool.h>

#include <grpc/grpc_security.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/rpc/rpc_tls.h"

struct rpc_creds;

/* Copies the paths, reads and checks the files. `tls` NULL: plaintext. */
MUST_CHECK bool rpc_creds_new(const struct rpc_tls *tls, struct rpc_creds **ret_creds,
                              struct error *err);
/* After everything that was made from it. */
void rpc_creds_free(struct rpc_creds **creds);

/* True when the files have changed since they were last read, and are good: they are in use now.
 * Files that are not good are a warning, and the old ones stay. Looks every RPC_TLS_LOOK_MS. */
bool rpc_creds_reload(struct rpc_creds *creds);

/* New credentials; each connection of a server uses what is in the files when it is made. */
MUST_CHECK bool rpc_creds_for_server(struct rpc_creds *creds,
                                     grpc_server_credentials **ret_credentials, struct error *err);
/* What was read last. */
grpc_channel_credentials *rpc_creds_for_channel(struct rpc_creds *creds);

#endif
