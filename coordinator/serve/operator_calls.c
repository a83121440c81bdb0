#include "coordinator/serve/operator_calls.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include <uthash.h>

#include "common/core/memory.h"

struct operator_entry {
    uint64_t number;
    struct rpc_call *call;
    size_t method;
    struct operator_published published;
    UT_hash_handle hh;
};

struct operator_calls {
    pthread_mutex_t mutex;
    struct operator_entry *entries;
    uint64_t last_number;
};

struct operator_calls *operator_calls_new(void)
{
    struct operator_calls *calls = memory_alloc(sizeof(*calls));

    pthread_mutex_init(&calls->mutex, NULL);
    return calls;
}

void operator_calls_free(struct operator_calls **pointer)
{
    struct operator_calls *calls = *pointer;

    if (calls == NULL) {
        return;
    }
    assert(calls->entries == NULL);
    pthread_mutex_destroy(&calls->mutex);
    free(calls);
    *pointer = NULL;
}

uint64_t operator_calls_add(struct operator_calls *calls, struct rpc_call *call, size_t method)
{
    struct operator_entry *entry = memory_alloc(sizeof(*entry));

    entry->call = call;
    entry->method = method;
    pthread_mutex_lock(&calls->mutex);
    entry->number = ++calls->last_number;
    HASH_ADD(hh, calls->entries, number, sizeof(entry->number), entry);
    pthread_mutex_unlock(&calls->mutex);
    return entry->number;
}

static struct operator_entry *operator_calls_lookup(struct operator_calls *calls, uint64_t number)
{
    struct operator_entry *entry = NULL;

    HASH_FIND(hh, calls->entries, &number, sizeof(number), entry);
    return entry;
}

void operator_calls_remove(struct operator_calls *calls, uint64_t number)
{
    pthread_mutex_lock(&calls->mutex);
    struct operator_entry *entry = operator_calls_lookup(calls, number);
    if (entry != NULL) {
        HASH_DEL(calls->entries, entry);
    }
    pthread_mutex_unlock(&calls->mutex);
    free(entry);
}

struct rpc_call *operator_calls_find(struct operator_calls *calls, uint64_t number,
                                     size_t *ret_method, struct operator_published *ret_published)
{
    struct rpc_call *call = NULL;

    pthread_mutex_lock(&calls->mutex);
    const struct operator_entry *entry = operator_calls_lookup(calls, number);
    if (entry != NULL) {
        call = entry->call;
        rpc_call_ref(call);
        if (ret_method != NULL) {
            *ret_method = entry->method;
        }
        if (ret_published != NULL) {
            *ret_published = entry->published;
        }
    }
    pthread_mutex_unlock(&calls->mutex);
    return call;
}

bool operator_calls_is_open(struct operator_calls *calls, uint64_t number)
{
    pthread_mutex_lock(&calls->mutex);
    bool open = operator_calls_lookup(calls, number) != NULL;
    pthread_mutex_unlock(&calls->mutex);
    return open;
}

void operator_calls_set_published(struct operator_calls *calls, uint64_t number,
                                  const struct operator_published *published)
{
    pthread_mutex_lock(&calls->mutex);
    struct operator_entry *entry = operator_calls_lookup(calls, number);
    if (entry != NULL) {
        entry->published = *published;
    }
    pthread_mutex_unlock(&calls->mutex);
}

struct rpc_call **operator_calls_list(struct operator_calls *calls, size_t *ret_count)
{
    struct operator_entry *entry = NULL;
    struct operator_entry *next = NULL;
    size_t count = 0;

    pthread_mutex_lock(&calls->mutex);
    struct rpc_call **list = memory_alloc_array(HASH_COUNT(calls->entries) + 1, sizeof(*list));
    HASH_ITER(hh, calls->entries, entry, next)
    {
        rpc_call_ref(entry->call);
        list[count++] = entry->call;
    }
    pthread_mutex_unlock(&calls->mutex);
    *ret_count = count;
    return list;
}
