#include "common/store/store.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/store/store_backend.h"

enum {
    STORE_CONNECT_TIMEOUT_MS = 2000,
    STORE_REQUEST_TIMEOUT_MS = 5000,
};
/* Longer than any hold; keeps sums of milliseconds far from their ends. */
static const uint64_t store_lease_ttl_max_ms = 366ULL * 24 * 3600 * 1000;

struct store {
    const struct store_backend *backend;
    void *state; /* the backend's, used on the store's thread */
    char *location;
    uint64_t request_timeout_ms;
    atomic_bool healthy;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards what follows; never held during a callback */
    pthread_cond_t queued;
    pthread_cond_t watch_stopped;
    struct store_request *head;
    struct store_request **tail;
    size_t open_count; /* requests not answered yet */
    size_t open_bytes;
    size_t watch_count;
    bool stopping;
};

static void *store_run(void *argument)
{
    struct store *store = argument;

    store->backend->run(store, store->state);
    return NULL;
}

static void store_destroy(struct store **pointer)
{
    struct store *store = *pointer;

    if (store == NULL) {
        return;
    }
    if (store->state != NULL) {
        store->backend->close(&store->state);
    }
    pthread_cond_destroy(&store->queued);
    pthread_cond_destroy(&store->watch_stopped);
    pthread_mutex_destroy(&store->mutex);
    free(store->location);
    free(store);
    *pointer = NULL;
}

static const struct store_backend *store_find_backend(const char *location)
{
    static const struct store_backend *const backends[] = { &store_etcd_backend,
                                                            &store_sqlite_backend };

    for (size_t i = 0; i < COUNT_OF(backends); i++) {
        if (strncmp(location, backends[i]->scheme, strlen(backends[i]->scheme)) == 0) {
            return backends[i];
        }
    }
    return NULL;
}

bool store_open(const struct store_options *options, struct store **ret_store, struct error *err)
{
    CLEANUP(store_destroy) struct store *store = NULL;
    const char *location = options->location == NULL ? "" : options->location;
    const struct store_backend *backend = store_find_backend(location);
    struct store_options defaults = *options;

    if (backend == NULL || strlen(location) > STORE_LOCATION_BYTES_MAX) {
        return error_set(err, ERR_INVALID,
                         "store '%.200s' is neither sqlite:FILE nor etcd:http://HOST:PORT[,...]",
                         location);
    }
    if (defaults.connect_timeout_ms == 0) {
        defaults.connect_timeout_ms = STORE_CONNECT_TIMEOUT_MS;
    }
    if (defaults.request_timeout_ms == 0) {
        defaults.request_timeout_ms = STORE_REQUEST_TIMEOUT_MS;
    }
    store = memory_alloc(sizeof(*store));
    store->backend = backend;
    store->location = memory_strdup(location);
    store->request_timeout_ms = defaults.request_timeout_ms;
    store->tail = &store->head;
    pthread_mutex_init(&store->mutex, NULL);
    clock_cond_init(&store->queued);
    clock_cond_init(&store->watch_stopped);
    if (!backend->open(store, &defaults, location + strlen(backend->scheme), &store->state, err)) {
        return error_wrap(err, "open store '%s'", location);
    }
    if (pthread_create(&store->thread, NULL, store_run, store) != 0) {
        return error_set(err, ERR_INTERNAL, "open store '%s': no thread to be had", location);
    }
    *ret_store = TAKE(store);
    return true;
}

static void store_wake(struct store *store)
{
    if (store->backend->wake != NULL) {
        store->backend->wake(store->state);
    }
}

void store_free(struct store **pointer)
{
    struct store *store = *pointer;

    if (store == NULL) {
        return;
    }
    assert(!pthread_equal(pthread_self(), store->thread));
    pthread_mutex_lock(&store->mutex);
    assert(store->watch_count == 0);
    store->stopping = true;
    pthread_cond_broadcast(&store->queued);
    pthread_mutex_unlock(&store->mutex);
    store_wake(store);
    pthread_join(store->thread, NULL);

    /* What a callback or another thread asked while the thread ended; nothing else runs now. */
    struct store_request *rest = store_take(store, 0);
    const struct error closed = { .code = ERR_UNAVAILABLE, .message = "the store was closed" };
    while (rest != NULL) {
        struct store_request *next = rest->next;
        store_answer_error(store, &rest, &closed);
        rest = next != NULL ? next : store_take(store, 0);
    }
    assert(store->open_count == 0);
    store_destroy(pointer);
}

const char *store_location(const struct store *store)
{
    return store->location;
}

bool store_is_healthy(const struct store *store)
{
    return atomic_load(&store->healthy);
}

void store_note_health(struct store *store, bool healthy)
{
    atomic_store(&store->healthy, healthy);
}

bool store_is_stopping(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    bool stopping = store->stopping;
    pthread_mutex_unlock(&store->mutex);
    return stopping;
}

/* ---- the queue ---- */

static void store_submit(struct store *store, struct store_request *request)
{
    bool bounded =
        request->kind != STORE_REQUEST_WATCH_START && request->kind != STORE_REQUEST_WATCH_STOP;

    request->deadline_ms = clock_monotonic_ms() + store->request_timeout_ms;
    pthread_mutex_lock(&store->mutex);
    if (bounded && (store->open_count >= STORE_REQUESTS_OPEN_MAX ||
                    store->open_bytes + request->bytes > STORE_REQUESTS_BYTES_MAX)) {
        store_request_refuse(request, ERR_LIMIT,
                             "%zu requests with %zu bytes are open at the store already",
                             store->open_count, store->open_bytes);
    }
    store->open_count++;
    store->open_bytes += request->bytes;
    request->next = NULL;
    *store->tail = request;
    store->tail = &request->next;
    pthread_cond_signal(&store->queued);
    pthread_mutex_unlock(&store->mutex);
    store_wake(store);
}

/* Answers refused requests and returns the others in order. */
static struct store_request *store_sift(struct store *store, struct store_request *request)
{
    struct store_request *first = NULL;
    struct store_request **last = &first;

    while (request != NULL) {
        struct store_request *next = request->next;
        request->next = NULL;
        if (request->refusal != NULL) {
            const struct error refusal = *request->refusal;
            store_answer_error(store, &request, &refusal);
        } else {
            *last = request;
            last = &request->next;
        }
        request = next;
    }
    return first;
}

struct store_request *store_take(struct store *store, uint64_t deadline_ms)
{
    pthread_mutex_lock(&store->mutex);
    while (store->head == NULL && !store->stopping && deadline_ms > 0) {
        if (!clock_cond_wait_until(&store->queued, &store->mutex, deadline_ms)) {
            break;
        }
    }
    struct store_request *taken = store->head;
    store->head = NULL;
    store->tail = &store->head;
    pthread_mutex_unlock(&store->mutex);
    return store_sift(store, taken);
}

/* ---- answers ---- */

static void store_close_request(struct store *store, struct store_request **request)
{
    pthread_mutex_lock(&store->mutex);
    assert(store->open_count > 0);
    assert(store->open_bytes >= (*request)->bytes);
    store->open_count--;
    store->open_bytes -= (*request)->bytes;
    pthread_mutex_unlock(&store->mutex);
    store_request_free(request);
}

static void store_answer(struct store *store, struct store_request **request,
                         const struct store_txn_result *txn, const struct store_range_result *range,
                         const struct store_lease_result *lease, const struct error *err)
{
    struct store_request *answered = *request;

    *request = NULL;
    switch (answered->kind) {
    case STORE_REQUEST_TXN:
    case STORE_REQUEST_COMPACT:
        assert((txn != NULL) != (err != NULL));
        answered->done.txn(answered->user, txn, err);
        break;
    case STORE_REQUEST_RANGE:
        assert((range != NULL) != (err != NULL));
        answered->done.range(answered->user, range, err);
        break;
    case STORE_REQUEST_LEASE_GRANT:
    case STORE_REQUEST_LEASE_KEEP_ALIVE:
    case STORE_REQUEST_LEASE_REVOKE:
        assert((lease != NULL) != (err != NULL));
        answered->done.lease(answered->user, lease, err);
        break;
    case STORE_REQUEST_WATCH_START:
    case STORE_REQUEST_WATCH_STOP:
        break;
    }
    store_close_request(store, &answered);
}

void store_answer_txn(struct store *store, struct store_request **request,
                      const struct store_txn_result *result)
{
    store_answer(store, request, result, NULL, NULL, NULL);
}

void store_answer_range(struct store *store, struct store_request **request,
                        const struct store_range_result *result)
{
    store_answer(store, request, NULL, result, NULL, NULL);
}

void store_answer_lease(struct store *store, struct store_request **request,
                        const struct store_lease_result *result)
{
    store_answer(store, request, NULL, NULL, result, NULL);
}

void store_answer_error(struct store *store, struct store_request **request,
                        const struct error *err)
{
    assert(err->code != ERR_NONE);
    store_answer(store, request, NULL, NULL, NULL, err);
}

void store_answer_watch(struct store *store, struct store_request **request)
{
    struct store_watch *stopped =
        (*request)->kind == STORE_REQUEST_WATCH_STOP ? (*request)->watch : NULL;

    store_close_request(store, request);
    if (stopped != NULL) {
        pthread_mutex_lock(&store->mutex);
        stopped->stopped = true; /* from here on the watch belongs to who waits for this */
        pthread_cond_broadcast(&store->watch_stopped);
        pthread_mutex_unlock(&store->mutex);
    }
}

/* ---- calls ---- */

void store_txn(struct store *store, const struct store_compare *compares, size_t compare_count,
               const struct store_op *ops, size_t op_count, store_txn_done *done, void *user)
{
    struct store_request *request = store_request_new(STORE_REQUEST_TXN, user);

    request->done.txn = done;
    store_request_set_txn(request, compares, compare_count, ops, op_count);
    store_submit(store, request);
}

void store_range(struct store *store, const char *prefix, const char *after, size_t limit,
                 int64_t revision, store_range_done *done, void *user)
{
    struct store_request *request = store_request_new(STORE_REQUEST_RANGE, user);

    request->done.range = done;
    store_request_set_range(request, prefix, after, limit, revision);
    store_submit(store, request);
}

void store_lease_grant(struct store *store, uint64_t ttl_ms, store_lease_done *done, void *user)
{
    struct store_request *request = store_request_new(STORE_REQUEST_LEASE_GRANT, user);

    request->done.lease = done;
    request->ttl_ms = ttl_ms;
    if (ttl_ms == 0 || ttl_ms > store_lease_ttl_max_ms) {
        store_request_refuse(request, ERR_INVALID, "a lease of %llu ms",
                             (unsigned long long)ttl_ms);
    }
    store_submit(store, request);
}

static void store_lease_call(struct store *store, enum store_request_kind kind, int64_t lease_id,
                             store_lease_done *done, void *user)
{
    struct store_request *request = store_request_new(kind, user);

    request->done.lease = done;
    request->lease_id = lease_id;
    if (lease_id <= 0) {
        store_request_refuse(request, ERR_INVALID, "%lld is no lease", (long long)lease_id);
    }
    store_submit(store, request);
}

void store_lease_keep_alive(struct store *store, int64_t lease_id, store_lease_done *done,
                            void *user)
{
    store_lease_call(store, STORE_REQUEST_LEASE_KEEP_ALIVE, lease_id, done, user);
}

void store_lease_revoke(struct store *store, int64_t lease_id, store_lease_done *done, void *user)
{
    store_lease_call(store, STORE_REQUEST_LEASE_REVOKE, lease_id, done, user);
}

void store_compact(struct store *store, int64_t revision, store_txn_done *done, void *user)
{
    struct store_request *request = store_request_new(STORE_REQUEST_COMPACT, user);

    request->done.txn = done;
    request->revision = revision;
    if (revision <= 0) {
        store_request_refuse(request, ERR_INVALID, "compact: there is no revision %lld",
                             (long long)revision);
    }
    store_submit(store, request);
}

struct store_watch *store_watch_start(struct store *store, const char *prefix,
                                      int64_t from_revision,
                                      const struct store_watch_handler *handler)
{
    struct store_watch *watch = memory_alloc(sizeof(*watch));
    struct store_request *request = store_request_new(STORE_REQUEST_WATCH_START, NULL);

    assert(from_revision >= 0);
    assert(strlen(prefix) <= STORE_KEY_BYTES_MAX);
    watch->store = store;
    watch->prefix = memory_strdup(prefix);
    watch->from_revision = from_revision;
    watch->handler = *handler;
    request->watch = watch;
    pthread_mutex_lock(&store->mutex);
    store->watch_count++;
    pthread_mutex_unlock(&store->mutex);
    store_submit(store, request);
    return watch;
}

void store_watch_stop(struct store_watch **pointer)
{
    struct store_watch *watch = *pointer;

    if (watch == NULL) {
        return;
    }
    struct store *store = watch->store;
    struct store_request *request = store_request_new(STORE_REQUEST_WATCH_STOP, NULL);
    assert(!pthread_equal(pthread_self(), store->thread)); /* it would wait for itself */
    request->watch = watch;
    store_submit(store, request);
    pthread_mutex_lock(&store->mutex);
    while (!watch->stopped) {
        pthread_cond_wait(&store->watch_stopped, &store->mutex);
    }
    store->watch_count--;
    pthread_mutex_unlock(&store->mutex);
    free(watch->prefix);
    free(watch);
    *pointer = NULL;
}
