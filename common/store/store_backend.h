/* store_backend.h - what a backend of store.h implements and may call. Private to common/store.
 *
 * The front (store.c) checks and copies each request and queues it; the backend's `run` is the body
 * of the store's thread, takes requests and answers each exactly once. Everything here is called on
 * that thread unless it says otherwise. */
#ifndef SKEIN_COMMON_STORE_STORE_BACKEND_H
#define SKEIN_COMMON_STORE_STORE_BACKEND_H

#include "common/core/arena.h"
#include "common/store/store.h"

enum store_request_kind {
    STORE_REQUEST_TXN,
    STORE_REQUEST_RANGE,
    STORE_REQUEST_LEASE_GRANT,
    STORE_REQUEST_LEASE_KEEP_ALIVE,
    STORE_REQUEST_LEASE_REVOKE,
    STORE_REQUEST_COMPACT,
    STORE_REQUEST_WATCH_START,
    STORE_REQUEST_WATCH_STOP,
};

struct store_watch {
    struct store *store;
    char *prefix;
    int64_t from_revision;
    struct store_watch_handler handler;
    void *state;  /* the backend's */
    bool stopped; /* under the store's mutex */
};

struct store_request {
    struct store_request *next; /* free for use by whoever holds the request */
    struct arena arena;         /* owns what the pointers below point to */
    enum store_request_kind kind;
    struct error *refusal; /* not NULL: to be answered with this and not to be carried out */
    uint64_t deadline_ms;  /* monotonic */
    size_t bytes;          /* of keys and values */

    struct store_compare *compares; /* TXN */
    size_t compare_count;
    struct store_op *ops;
    size_t op_count;

    const char *prefix; /* RANGE */
    const char *after;
    size_t limit;
    int64_t revision; /* RANGE, COMPACT */

    int64_t lease_id; /* LEASE_* */
    uint64_t ttl_ms;

    struct store_watch *watch; /* WATCH_* */

    union {
        store_txn_done *txn; /* TXN, COMPACT */
        store_range_done *range;
        store_lease_done *lease;
    } done;
    void *user;
};

struct store_backend {
    const char *scheme; /* the location's beginning: "etcd:" */
    MUST_CHECK bool (*open)(struct store *store, const struct store_options *options,
                            const char *address, void **ret_state, struct error *err);
    /* The thread's body: returns when store_is_stopping, with nothing left in its hands. */
    void (*run)(struct store *store, void *state);
    /* Any thread: there is something to take. NULL if `run` waits in store_take. */
    void (*wake)(void *state);
    void (*close)(void **state); /* after the thread has ended */
};

extern const struct store_backend store_etcd_backend;
extern const struct store_backend store_sqlite_backend;

/* ---- requests (store_request.c); pure ---- */

/* Never fail: what is wrong with the arguments becomes the request's refusal. */
struct store_request *store_request_new(enum store_request_kind kind, void *user);
void store_request_set_txn(struct store_request *request, const struct store_compare *compares,
                           size_t compare_count, const struct store_op *ops, size_t op_count);
void store_request_set_range(struct store_request *request, const char *prefix, const char *after,
                             size_t limit, int64_t revision);
void store_request_refuse(struct store_request *request, enum err_code code, const char *format,
                          ...) PRINTF(3, 4);
void store_request_free(struct store_request **pointer);

/* The first key behind all keys with the prefix; false if there is none (then all keys from the
 * prefix on have it). `ret_end` holds at least strlen(prefix) + 1 bytes. */
bool store_request_prefix_end(const char *prefix, char *ret_end);

/* ---- the front's side for backends (store.c) ---- */

/* All requests that wait, in order, linked by `next`. Waits for one until `deadline_ms` (0: does
 * not wait) or until the store is being freed. Answers refused ones by itself. */
struct store_request *store_take(struct store *store, uint64_t deadline_ms);
bool store_is_stopping(struct store *store); /* any thread */
void store_note_health(struct store *store, bool healthy);

/* Each calls `done` and frees the request. */
void store_answer_txn(struct store *store, struct store_request **request,
                      const struct store_txn_result *result);
void store_answer_range(struct store *store, struct store_request **request,
                        const struct store_range_result *result);
void store_answer_lease(struct store *store, struct store_request **request,
                        const struct store_lease_result *result);
void store_answer_error(struct store *store, struct store_request **request,
                        const struct error *err);
/* WATCH_START was taken over, WATCH_STOP carried out: frees the request, wakes who waits. */
void store_answer_watch(struct store *store, struct store_request **request);

#endif
