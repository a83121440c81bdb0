/* rpc_peer.h - who is at the other end of a call.
 *
 * Inside common/rpc only. Pure. */
#ifndef SKEIN_COMMON_RPC_RPC_PEER_H
#define SKEIN_COMMON_RPC_RPC_PEER_H

#include <grpc/grpc.h>

/* "cert:NAME" (CN, else first SAN) or "addr:ADDRESS"; the caller frees it. */
char *rpc_peer_name(grpc_call *call);

#endif
