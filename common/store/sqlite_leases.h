/* sqlite_leases.h - which leases of the embedded store live, and until when.
 *
 * Used on the store's thread; the file has the same leases without deadlines, because the monotonic
 * clock does not survive a restart. Ordered by id, which only grows. */
#ifndef SKEIN_COMMON_STORE_SQLITE_LEASES_H
#define SKEIN_COMMON_STORE_SQLITE_LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite_lease {
    int64_t id;
    uint64_t ttl_ms;
    uint64_t deadline_ms; /* monotonic */
};

struct sqlite_leases {
    struct sqlite_lease *items;
    size_t count;
    size_t capacity;
};

void sqlite_leases_release(struct sqlite_leases *leases);
/* `id` is greater than any before. */
void sqlite_leases_add(struct sqlite_leases *leases, int64_t id, uint64_t ttl_ms, uint64_t now_ms);
void sqlite_leases_remove(struct sqlite_leases *leases, int64_t id);
/* NULL for one that is gone or whose time is over. */
struct sqlite_lease *sqlite_leases_find(struct sqlite_leases *leases, int64_t id, uint64_t now_ms);
/* Up to `room` ids of leases whose time is over. */
size_t sqlite_leases_expired(const struct sqlite_leases *leases, uint64_t now_ms, size_t room,
                             int64_t ret_ids[]);
/* UINT64_MAX: never. */
uint64_t sqlite_leases_next_ms(const struct sqlite_leases *leases);

#endif
