/* store.h - where the coordinator keeps what should happen: a small etcd-shaped interface with two
 * backends, etcd itself (JSON gateway) and SQLite (one file, one coordinator).
 *
 * A store owns one thread that does all I/O. Calls return at once and may come from any thread;
 * each request's `done` is called exactly once, on the store's thread (also when the store is
 * freed: then with ERR_UNAVAILABLE or, if it had been sent, ERR_UNCERTAIN). `done` must not block.
 *
 * Revisions are etcd's: one counter for the whole store that grows with each transaction that
 * writes. Outcomes: ERR_UNAVAILABLE: nothing happened; ERR_UNCERTAIN: it may have happened, read
 * back; ERR_LIMIT: the store is full (NOSPACE), the request is too large or too many are open;
 * ERR_INVALID: the request is wrong, or the store answered something that is no store's answer;
 * ERR_CONFLICT: a put names a lease that is gone; ERR_NOT_FOUND: that revision is compacted;
 * ERR_REFUSED: the store does not let us. A compare that fails is no error: `succeeded` is false.
 * One trap: etcd may have carried out the very write that it answers with NOSPACE, so read back
 * after the first ERR_LIMIT of a full store too. An ERR_INVALID about the answer to a write says
 * nothing about the write either.
 *
 * Requests are not ordered among each other: wait for an answer where order matters. */
#ifndef SKEIN_COMMON_STORE_STORE_H
#define SKEIN_COMMON_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

struct store;

/* One key as the store holds it; borrowed for the time of the callback. */
struct store_kv {
    const char *key; /* keys are text without NUL */
    struct bytes value;
    int64_t create_revision;
    int64_t mod_revision;
    int64_t lease_id;
};

/* Holds if the key's create revision equals, or its mod revision; 0: the key does not exist. */
enum store_compare_target { STORE_CREATE_REVISION, STORE_MOD_REVISION };
struct store_compare {
    const char *key;
    enum store_compare_target target;
    int64_t create_revision;
    int64_t mod_revision;
};

enum store_op_kind { STORE_PUT, STORE_DELETE, STORE_DELETE_PREFIX };

struct store_op {
    enum store_op_kind kind;
    const char *key;
    struct bytes value;
    int64_t lease_id; /* 0: none */
};

struct store_txn_result {
    bool succeeded;   /* all compares held and the operations were applied */
    int64_t revision; /* the store's revision after the transaction */
};

struct store_range_result {
    const struct store_kv *kvs; /* in key order */
    size_t count;
    bool more; /* there are further keys: go on behind the last one */
    int64_t revision;
};

struct store_lease_result {
    int64_t lease_id;
    uint64_t ttl_ms; /* keep-alive: 0 says that the lease is gone */
};

enum store_event_kind { STORE_EVENT_PUT, STORE_EVENT_DELETE };

struct store_event {
    enum store_event_kind kind;
    struct store_kv kv; /* DELETE: the key and mod_revision only */
};

/* `err` is NULL on success; the results are valid only then. */
typedef void store_txn_done(void *user, const struct store_txn_result *result,
                            const struct error *err);
typedef void store_range_done(void *user, const struct store_range_result *result,
                              const struct error *err);
typedef void store_lease_done(void *user, const struct store_lease_result *result,
                              const struct error *err);

/* A watch calls `on_events` for each transaction's events, in order, none twice, none missing. It
 * resumes by itself after a disconnect. After a compaction that it fell behind, or when it cannot
 * go on, it calls `on_lost` once and is over: list again, watch from there. Both on the store's
 * thread. */
struct store_watch_handler {
    void (*on_events)(void *user, const struct store_event *events, size_t count, int64_t revision);
    void (*on_lost)(void *user, const struct error *err); /* ERR_NOT_FOUND: compacted */
    void *user;
};
struct store_watch;

/* `location`: "sqlite:FILE" or "etcd:http://HOST:PORT[,http://...]" (https with the TLS files).
 * ERR_INVALID for a location that is none (also a file that is no store, or cannot be opened),
 * ERR_CONFLICT for a file that another coordinator has open; an etcd that is down is no error. */
struct store_options {
    const char *location;
    const char *tls_cert; /* "" for none */
    const char *tls_key;
    const char *tls_ca;
    const char *user; /* etcd's authentication; "" for none */
    const char *password;
    uint64_t connect_timeout_ms; /* 0: 2,000 */
    uint64_t request_timeout_ms; /* 0: 5,000 */
};
MUST_CHECK bool store_open(const struct store_options *options, struct store **ret_store,
                           struct error *err);
/* Waits for the thread; answers what is open as described above. Stop the watches before, and do
 * not call from a callback. */
void store_free(struct store **pointer);

/* All compares hold and all operations are applied, or nothing is. At most STORE_TXN_OPS_MAX
 * operations and as many compares, STORE_TXN_BYTES_MAX of keys and values, no key twice (nor a put
 * below a prefix that is deleted); else ERR_LIMIT or ERR_INVALID. Copies what it is given. */
void store_txn(struct store *store, const struct store_compare *compares, size_t compare_count,
               const struct store_op *ops, size_t op_count, store_txn_done *done, void *user);

/* Keys with the prefix that are greater than `after` ("" for all), in order, at most `limit` (0:
 * STORE_PAGE_KEYS, which is also the most) and STORE_PAGE_BYTES_MAX or so. For the next page give
 * the last key as `after` and the first page's `revision` (0: now), so that all pages show one
 * moment; ERR_NOT_FOUND if that was compacted meanwhile: begin again. */
void store_range(struct store *store, const char *prefix, const char *after, size_t limit,
                 int64_t revision, store_range_done *done, void *user);

/* TTLs are milliseconds, rounded up to the backend's grain (etcd: seconds, 2 s at least). Compute a
 * deadline of your own from the monotonic clock before the call. */
void store_lease_grant(struct store *store, uint64_t ttl_ms, store_lease_done *done, void *user);
void store_lease_keep_alive(struct store *store, int64_t lease_id, store_lease_done *done,
                            void *user);
/* Deletes the lease and its keys. A lease that is gone already is success. */
void store_lease_revoke(struct store *store, int64_t lease_id, store_lease_done *done, void *user);

/* From `from_revision` (inclusive) on; 0: what happens from now on. Stop it also after on_lost. */
struct store_watch *store_watch_start(struct store *store, const char *prefix,
                                      int64_t from_revision,
                                      const struct store_watch_handler *handler);
/* After this returns, the handler is not called any more. Not from a callback. */
void store_watch_stop(struct store_watch **pointer);

/* For maintenance: forget history before `revision`. Success also if it is forgotten already. */
void store_compact(struct store *store, int64_t revision, store_txn_done *done, void *user);

/* For logs and errors: the location without secrets; and whether the last request was answered. */
const char *store_location(const struct store *store);
bool store_is_healthy(const struct store *store);

/* ---- waiting forms, for start-up, tools and tests; never on a brain thread ---- */
struct store_kv_list {
    struct store_kv *kvs; /* owned, keys and values too */
    size_t count;
    int64_t revision;
};
void store_kv_list_release(struct store_kv_list *list);
MUST_CHECK bool store_txn_wait(struct store *store, const struct store_compare *compares,
                               size_t compare_count, const struct store_op *ops, size_t op_count,
                               struct store_txn_result *ret_result, struct error *err);
/* All pages. */
MUST_CHECK bool store_range_wait(struct store *store, const char *prefix,
                                 struct store_kv_list *ret_list, struct error *err);
MUST_CHECK bool store_lease_grant_wait(struct store *store, uint64_t ttl_ms,
                                       struct store_lease_result *ret_result, struct error *err);
MUST_CHECK bool store_lease_keep_alive_wait(struct store *store, int64_t lease_id,
                                            struct store_lease_result *ret_result,
                                            struct error *err);
MUST_CHECK bool store_lease_revoke_wait(struct store *store, int64_t lease_id, struct error *err);

#endif
