#include "coordinator/decide/failure_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/decide/copy.h"

void failure_list_release(struct failure_list *list)
{
    HASH_CLEAR(hh, list->by_tenant);
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]->record);
        free(list->items[i]);
    }
    free(list->items);
    free(list->errors);
    *list = (struct failure_list){ 0 };
}

static struct failure *failure_list_add(struct failure_list *list,
                                        const struct failure_record *record)
{
    if (list->count == FAILURES_KEPT_MAX) {
        return NULL;
    }
    list->items =
        memory_reserve(list->items, list->count, &list->capacity, sizeof(struct failure *));
    list->errors = memory_reserve(list->errors, list->count, &list->error_capacity,
                                  sizeof(struct task_error *));
    struct failure *failure = memory_alloc(sizeof(*failure));
    failure->record = copy_failure_block(record);
    failure->index = list->count;
    list->errors[list->count] = &failure->record->error;
    list->items[list->count++] = failure;
    return failure;
}

const struct failure_record *failure_list_put(struct failure_list *list,
                                              const struct failure_record *record)
{
    failure_list_remove(list, record->error.tenant);
    struct failure *failure = failure_list_add(list, record);
    if (failure == NULL) {
        return NULL;
    }
    const char *key = failure->record->error.tenant;
    HASH_ADD_KEYPTR(hh, list->by_tenant, key, strlen(key), failure);
    return failure->record;
}

struct failure *failure_list_append(struct failure_list *list, const struct failure_record *record)
{
    return failure_list_add(list, record);
}

const struct failure_record *failure_list_find(const struct failure_list *list, const char *tenant)
{
    struct failure *failure;

    HASH_FIND_STR(list->by_tenant, tenant, failure);
    return failure == NULL ? NULL : failure->record;
}

void failure_list_filter(struct failure_list *list,
                         bool (*is_out)(void *user, const struct failure *failure), void *user)
{
    size_t kept = 0;

    assert(list->by_tenant == NULL);
    for (size_t i = 0; i < list->count; i++) {
        struct failure *failure = list->items[i];
        if (is_out(user, failure)) {
            free(failure->record);
            free(failure);
            continue;
        }
        failure->index = kept;
        list->errors[kept] = &failure->record->error;
        list->items[kept++] = failure;
    }
    list->count = kept;
}

bool failure_list_remove(struct failure_list *list, const char *tenant)
{
    struct failure *failure;

    HASH_FIND_STR(list->by_tenant, tenant, failure);
    if (failure == NULL) {
        return false;
    }
    HASH_DEL(list->by_tenant, failure);
    size_t index = failure->index;
    memmove(&list->items[index], &list->items[index + 1],
            (list->count - index - 1) * sizeof(struct failure *));
    memmove(&list->errors[index], &list->errors[index + 1],
            (list->count - index - 1) * sizeof(struct task_error *));
    list->count--;
    for (size_t i = index; i < list->count; i++) {
        list->items[i]->index = i;
    }
    free(failure->record);
    free(failure);
    return true;
}
