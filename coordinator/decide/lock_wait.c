#include "coordinator/decide/lock_wait.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/registry.h"

bool lock_wait_add(struct step *step, const struct lock_wish *wish, uint64_t wait_ms,
                   struct error *err)
{
    struct fleet *fleet = step->fleet;

    if (fleet->lock_waiter_count >= LOCK_WAITERS_MAX) {
        return error_set(err, ERR_LIMIT,
                         "%d calls wait for locked tenants already: try again in a moment",
                         LOCK_WAITERS_MAX);
    }
    struct lock_waiter *waiter = memory_alloc(sizeof(*waiter));
    waiter->wish = *wish;
    waiter->wish.tenant = copy_text(&waiter->arena, wish->tenant);
    waiter->wish.owner = copy_text(&waiter->arena, wish->owner);
    waiter->wish.actor = copy_text(&waiter->arena, wish->actor);
    waiter->wish.reason = copy_text(&waiter->arena, wish->reason);
    waiter->wish.id = copy_text(&waiter->arena, wish->id);
    waiter->asked_ms = step->now_ms;
    waiter->until_ms = step->now_ms + wait_ms;
    DL_APPEND(fleet->lock_waiters, waiter);
    fleet->lock_waiter_count++;
    return true;
}

void lock_wait_remove(struct fleet *fleet, struct lock_waiter *waiter)
{
    assert(fleet->lock_waiter_count > 0);
    fleet->lock_waiter_count--;
    DL_DELETE(fleet->lock_waiters, waiter);
    arena_release(&waiter->arena);
    free(waiter);
}

struct lock_waiter *lock_wait_find(const struct fleet *fleet, uint64_t call)
{
    struct lock_waiter *waiter = fleet->lock_waiters;

    while (waiter != NULL && waiter->wish.call != call) {
        waiter = waiter->next;
    }
    return waiter;
}

bool lock_wait_wants(const struct fleet *fleet, const struct shard *shard, const char *name)
{
    size_t bytes = fleet->lock_waiters == NULL ? 0 : strlen(shard->name);

    for (const struct lock_waiter *w = fleet->lock_waiters; w != NULL; w = w->next) {
        if (strncmp(w->wish.tenant, shard->name, bytes) == 0 && w->wish.tenant[bytes] == '/' &&
            strcmp(w->wish.tenant + bytes + 1, name) == 0) {
            return true;
        }
    }
    return false;
}

void lock_wait_release(struct fleet *fleet)
{
    while (fleet->lock_waiters != NULL) {
        lock_wait_remove(fleet, fleet->lock_waiters);
    }
}
