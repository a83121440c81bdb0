/* The waiting forms of store.h: each is the plain call with a callback that wakes its caller. */
#include "common/store/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/memory.h"

enum { STORE_RANGE_RESTARTS_MAX = 3 };

struct store_waiter {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool ready;
    struct error err; /* ERR_NONE: success */
    struct store_txn_result txn;
    struct store_lease_result lease;
    struct store_kv_list *list; /* pages are added here */
    size_t list_capacity;
    bool more;
};

static void store_waiter_init(struct store_waiter *waiter)
{
    memset(waiter, 0, sizeof(*waiter));
    pthread_mutex_init(&waiter->mutex, NULL);
    clock_cond_init(&waiter->answered);
}

static void store_waiter_release(struct store_waiter *waiter)
{
    pthread_cond_destroy(&waiter->answered);
    pthread_mutex_destroy(&waiter->mutex);
}

static void store_waiter_wake(struct store_waiter *waiter, const struct error *err)
{
    pthread_mutex_lock(&waiter->mutex);
    if (err != NULL) {
        waiter->err = *err;
    }
    waiter->ready = true;
    pthread_cond_signal(&waiter->answered);
    pthread_mutex_unlock(&waiter->mutex); /* the waiter may be gone after this */
}

static bool store_waiter_wait(struct store_waiter *waiter, struct error *err)
{
    pthread_mutex_lock(&waiter->mutex);
    while (!waiter->ready) {
        pthread_cond_wait(&waiter->answered, &waiter->mutex);
    }
    waiter->ready = false;
    pthread_mutex_unlock(&waiter->mutex);
    if (waiter->err.code != ERR_NONE) {
        *err = waiter->err;
        return false;
    }
    return true;
}

static void store_waiter_on_txn(void *user, const struct store_txn_result *result,
                                const struct error *err)
{
    struct store_waiter *waiter = user;

    if (err == NULL) {
        waiter->txn = *result;
    }
    store_waiter_wake(waiter, err);
}

static void store_waiter_on_lease(void *user, const struct store_lease_result *result,
                                  const struct error *err)
{
    struct store_waiter *waiter = user;

    if (err == NULL) {
        waiter->lease = *result;
    }
    store_waiter_wake(waiter, err);
}

static void store_waiter_on_range(void *user, const struct store_range_result *result,
                                  const struct error *err)
{
    struct store_waiter *waiter = user;
    struct store_kv_list *list = waiter->list;

    for (size_t i = 0; err == NULL && i < result->count; i++) {
        list->kvs =
            memory_reserve(list->kvs, list->count, &waiter->list_capacity, sizeof(*list->kvs));
        struct store_kv *kv = &list->kvs[list->count++];
        *kv = result->kvs[i];
        kv->key = memory_strdup(kv->key);
        uint8_t *value = memory_alloc(kv->value.size + 1);
        if (kv->value.size > 0) {
            memcpy(value, kv->value.data, kv->value.size);
        }
        kv->value.data = value;
    }
    if (err == NULL) {
        list->revision = result->revision;
        waiter->more = result->more && result->count > 0;
    }
    store_waiter_wake(waiter, err);
}

void store_kv_list_release(struct store_kv_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        memory_free(&list->kvs[i].key);
        memory_free(&list->kvs[i].value.data);
    }
    free(list->kvs);
    *list = (struct store_kv_list){ 0 };
}

bool store_txn_wait(struct store *store, const struct store_compare *compares, size_t compare_count,
                    const struct store_op *ops, size_t op_count,
                    struct store_txn_result *ret_result, struct error *err)
{
    CLEANUP(store_waiter_release) struct store_waiter waiter;

    store_waiter_init(&waiter);
    store_txn(store, compares, compare_count, ops, op_count, store_waiter_on_txn, &waiter);
    if (!store_waiter_wait(&waiter, err)) {
        return false;
    }
    *ret_result = waiter.txn;
    return true;
}

static bool store_range_pages(struct store *store, const char *prefix, struct store_kv_list *list,
                              struct error *err)
{
    CLEANUP(store_waiter_release) struct store_waiter waiter;
    const char *after = "";
    int64_t revision = 0;

    store_waiter_init(&waiter);
    waiter.list = list;
    do {
        store_range(store, prefix, after, 0, revision, store_waiter_on_range, &waiter);
        if (!store_waiter_wait(&waiter, err)) {
            return false;
        }
        revision = list->revision;
        after = list->count > 0 ? list->kvs[list->count - 1].key : "";
    } while (waiter.more);
    return true;
}

bool store_range_wait(struct store *store, const char *prefix, struct store_kv_list *ret_list,
                      struct error *err)
{
    for (int restarts = 0;; restarts++) {
        CLEANUP(store_kv_list_release) struct store_kv_list list = { 0 };
        struct error failure = { 0 };

        if (store_range_pages(store, prefix, &list, &failure)) {
            *ret_list = TAKE(list);
            return true;
        }
        /* Compacted between two pages: what was read belongs to no moment any more. */
        if (failure.code != ERR_NOT_FOUND || restarts == STORE_RANGE_RESTARTS_MAX) {
            *err = failure;
            return false;
        }
    }
}

bool store_lease_grant_wait(struct store *store, uint64_t ttl_ms,
                            struct store_lease_result *ret_result, struct error *err)
{
    CLEANUP(store_waiter_release) struct store_waiter waiter;

    store_waiter_init(&waiter);
    store_lease_grant(store, ttl_ms, store_waiter_on_lease, &waiter);
    if (!store_waiter_wait(&waiter, err)) {
        return false;
    }
    *ret_result = waiter.lease;
    return true;
}

bool store_lease_keep_alive_wait(struct store *store, int64_t lease_id,
                                 struct store_lease_result *ret_result, struct error *err)
{
    CLEANUP(store_waiter_release) struct store_waiter waiter;

    store_waiter_init(&waiter);
    store_lease_keep_alive(store, lease_id, store_waiter_on_lease, &waiter);
    if (!store_waiter_wait(&waiter, err)) {
        return false;
    }
    *ret_result = waiter.lease;
    return true;
}

bool store_lease_revoke_wait(struct store *store, int64_t lease_id, struct error *err)
{
    CLEANUP(store_waiter_release) struct store_waiter waiter;

    store_waiter_init(&waiter);
    store_lease_revoke(store, lease_id, store_waiter_on_lease, &waiter);
    return store_waiter_wait(&waiter, err);
}
