/* etcd_http.h - HTTP POSTs to etcd's endpoints, many at a time, on one thread.
 *
 * Used on the store's thread, but for etcd_http_wake. It knows nothing of etcd but its headers. */
#ifndef SKEIN_COMMON_STORE_ETCD_HTTP_H
#define SKEIN_COMMON_STORE_ETCD_HTTP_H

#include "common/store/store.h"

struct etcd_http;

enum etcd_call_result {
    ETCD_CALL_ANSWERED,  /* `status` and `answer` are there, whole */
    ETCD_CALL_NOT_SENT,  /* no byte of it left */
    ETCD_CALL_LOST,      /* sent, perhaps in part, and not answered, perhaps in part */
    ETCD_CALL_TOO_LARGE, /* the answer is larger than ETCD_ANSWER_BYTES_MAX */
};

/* One POST. The caller owns it, fills in the first part, and leaves it alone until `done`, in which
 * it may be started again. A zeroed call with a body is ready. */
struct etcd_call {
    const char *path; /* "/v3/kv/txn"; static */
    struct buf body;
    bool repeatable;     /* curl may send it twice (it does so when a kept connection dies) */
    uint64_t timeout_ms; /* 0: a stream without end */
    /* A stream's bytes as they come; false ends it as lost. NULL: collected in `answer`. */
    bool (*on_bytes)(struct etcd_call *call, struct bytes bytes);
    void (*done)(struct etcd_call *call);
    void *user;

    size_t endpoint; /* which one was asked */
    enum etcd_call_result result;
    long status;
    struct buf answer;
    char failure[256]; /* NOT_SENT, LOST: why, in words */

    bool sent; /* private from here */
    bool running;
    void *easy;
    void *headers;
};

/* `endpoints`: URLs separated by commas. ERR_INVALID says which one is wrong. */
MUST_CHECK bool etcd_http_new(const struct store_options *options, const char *endpoints,
                              struct etcd_http **ret_http, struct error *err);
/* All calls must have ended or been cancelled. */
void etcd_http_free(struct etcd_http **pointer);

/* Asks the current endpoint. `token`: "" for none. */
void etcd_http_start(struct etcd_http *http, struct etcd_call *call, const char *token);
/* Ends a call without `done`; no-op if it does not run. Not from on_bytes. */
void etcd_http_cancel(struct etcd_http *http, struct etcd_call *call);
void etcd_call_release(struct etcd_call *call);

/* Moves all calls on, calls `done` of those that ended, and waits until something happens or
 * `deadline_ms` comes. */
void etcd_http_poll(struct etcd_http *http, uint64_t deadline_ms);
void etcd_http_wake(struct etcd_http *http); /* any thread */

/* The call's endpoint did not serve: the next calls go to the next one, unless that is so already.
 */
void etcd_http_blame(struct etcd_http *http, const struct etcd_call *call);
size_t etcd_http_endpoint_count(const struct etcd_http *http);
const char *etcd_http_endpoint(const struct etcd_http *http, size_t index);

#endif
