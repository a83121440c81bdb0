#include "common/store/sqlite_leases.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

void sqlite_leases_release(struct sqlite_leases *leases)
{
    free(leases->items);
    *leases = (struct sqlite_leases){ 0 };
}

void sqlite_leases_add(struct sqlite_leases *leases, int64_t id, uint64_t ttl_ms, uint64_t now_ms)
{
    assert(leases->count == 0 || leases->items[leases->count - 1].id < id);
    leases->items =
        memory_reserve(leases->items, leases->count, &leases->capacity, sizeof(*leases->items));
    leases->items[leases->count++] =
        (struct sqlite_lease){ .id = id, .ttl_ms = ttl_ms, .deadline_ms = now_ms + ttl_ms };
}

static struct sqlite_lease *sqlite_leases_search(struct sqlite_leases *leases, int64_t id)
{
    size_t low = 0;
    size_t high = leases->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (leases->items[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < leases->count && leases->items[low].id == id ? &leases->items[low] : NULL;
}

void sqlite_leases_remove(struct sqlite_leases *leases, int64_t id)
{
    struct sqlite_lease *lease = sqlite_leases_search(leases, id);

    if (lease != NULL) {
        size_t behind = leases->count - (size_t)(lease - leases->items) - 1;
        memmove(lease, lease + 1, behind * sizeof(*lease));
        leases->count--;
    }
}

struct sqlite_lease *sqlite_leases_find(struct sqlite_leases *leases, int64_t id, uint64_t now_ms)
{
    struct sqlite_lease *lease = sqlite_leases_search(leases, id);

    return lease != NULL && lease->deadline_ms > now_ms ? lease : NULL;
}

size_t sqlite_leases_expired(const struct sqlite_leases *leases, uint64_t now_ms, size_t room,
                             int64_t ret_ids[])
{
    size_t found = 0;

    for (size_t i = 0; i < leases->count && found < room; i++) {
        if (leases->items[i].deadline_ms <= now_ms) {
            ret_ids[found++] = leases->items[i].id;
        }
    }
    return found;
}

uint64_t sqlite_leases_next_ms(const struct sqlite_leases *leases)
{
    uint64_t next_ms = UINT64_MAX;

    for (size_t i = 0; i < leases->count; i++) {
        if (leases->items[i].deadline_ms < next_ms) {
            next_ms = leases->items[i].deadline_ms;
        }
    }
    return next_ms;
}
