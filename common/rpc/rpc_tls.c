#include "common/rpc/rpc_tls.h"

#include "common/core/base.h"
#include "common/rpc/rpc_pem.h"

bool rpc_tls_check(const struct rpc_tls *tls, struct error *err)
{
    CLEANUP(rpc_pem_release) struct rpc_pem pem = { 0 };

    return rpc_pem_load(tls, &pem, err);
}
