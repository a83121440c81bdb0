/* failure_list.h - errors of tenants in the order in which they came, found by tenant.
 *
 * Pure. Bounded by FAILURES_KEPT_MAX: further ones are only counted, by whoever adds them. */
#ifndef SKEIN_COORDINATOR_DECIDE_FAILURE_LIST_H
#define SKEIN_COORDINATOR_DECIDE_FAILURE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include <uthash.h>

#include "common/model/message.h"

struct failure {
    struct failure_record *record; /* one block */
    size_t index;
    uint32_t number; /* of a warning that is stored; else 0 */
    UT_hash_handle hh;
};

struct failure_list {
    const struct task_error **errors; /* what a view shows; NULLs are squeezed out on removal */
    struct failure **items;
    size_t count, capacity, error_capacity;
    struct failure *by_tenant; /* the newest of each tenant */
};

void failure_list_release(struct failure_list *list);
/* Copies. NULL if the list is full. One error per tenant: an older one is replaced. */
const struct failure_record *failure_list_put(struct failure_list *list,
                                              const struct failure_record *record);
/* Copies; any number per tenant. NULL if the list is full. Not found by tenant. */
struct failure *failure_list_append(struct failure_list *list, const struct failure_record *record);
const struct failure_record *failure_list_find(const struct failure_list *list, const char *tenant);
/* Removes the appended ones for which `is_out` says so. */
void failure_list_filter(struct failure_list *list,
                         bool (*is_out)(void *user, const struct failure *failure), void *user);
/* False if there is none. */
bool failure_list_remove(struct failure_list *list, const char *tenant);

#endif
