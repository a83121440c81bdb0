/* etcd_verdict.h - what the end of a call says about the request: did it happen?
 *
 * Pure. The one place that knows etcd's status codes and sentences. */
#ifndef SKEIN_COMMON_STORE_ETCD_VERDICT_H
#define SKEIN_COMMON_STORE_ETCD_VERDICT_H

#include "common/store/etcd_http.h"

enum etcd_verdict {
    ETCD_VERDICT_OK,        /* there is an answer to read; `err` is untouched */
    ETCD_VERDICT_NOTHING,   /* it did not happen, another endpoint may do it: ERR_UNAVAILABLE */
    ETCD_VERDICT_UNKNOWN,   /* it may have happened: ERR_UNCERTAIN */
    ETCD_VERDICT_GARBAGE,   /* something that is not etcd answered: ERR_INVALID */
    ETCD_VERDICT_LOGIN,     /* it did not happen, for want of a (fresh) token: ERR_REFUSED */
    ETCD_VERDICT_GONE,      /* the lease is gone: ERR_CONFLICT */
    ETCD_VERDICT_COMPACTED, /* the revision is compacted: ERR_NOT_FOUND */
    ETCD_VERDICT_NO,        /* no endpoint will ever do it: ERR_INVALID, _LIMIT, _REFUSED */
};

enum etcd_verdict etcd_verdict_of(const struct etcd_call *call, const char *endpoint,
                                  struct error *err);
/* For a refusal in a stream's body. ETCD_VERDICT_GARBAGE if it is none. */
enum etcd_verdict etcd_verdict_of_body(struct bytes body, long status, const char *endpoint,
                                       struct error *err);
/* An answer that could not be read for the reason in `err`, which gets the whole sentence. */
enum etcd_verdict etcd_verdict_garbage(struct bytes body, long status, const char *endpoint,
                                       struct error *err);

#endif
