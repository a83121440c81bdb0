/* sqlite_kv.h - what a transaction, a range, a lease and a watch mean in the embedded store's file.
 *
 * Used on the store's thread. Errors are those of sqlite_file_fail: nothing of the open transaction
 * may be kept then. */
#ifndef SKEIN_COMMON_STORE_SQLITE_KV_H
#define SKEIN_COMMON_STORE_SQLITE_KV_H

#include "common/store/sqlite_file.h"
#include "common/store/store_backend.h"

/* Do all compares hold? */
MUST_CHECK bool sqlite_kv_compare(struct sqlite_file *file, const struct store_request *request,
                                  bool *ret_hold, struct error *err);
/* Applies the operations as `revision`; `ret_changed`: there was something to do. */
MUST_CHECK bool sqlite_kv_apply(struct sqlite_file *file, const struct store_request *request,
                                int64_t revision, bool *ret_changed, struct error *err);

MUST_CHECK bool sqlite_kv_lease_add(struct sqlite_file *file, uint64_t ttl_ms, int64_t *ret_id,
                                    struct error *err);
MUST_CHECK bool sqlite_kv_lease_find(struct sqlite_file *file, int64_t id, bool *ret_found,
                                     struct error *err);
/* Deletes a lease, and its keys as `revision`; `ret_changed`: it had some. */
MUST_CHECK bool sqlite_kv_lease_delete(struct sqlite_file *file, int64_t id, int64_t revision,
                                       bool *ret_changed, struct error *err);

/* Forgets what was replaced or deleted before `revision`. */
MUST_CHECK bool sqlite_kv_forget(struct sqlite_file *file, int64_t revision, struct error *err);

/* A page at a revision that is neither compacted nor to come; memory is the arena's. */
MUST_CHECK bool sqlite_kv_range(struct sqlite_file *file, const struct store_request *request,
                                struct arena *arena, struct store_range_result *ret_result,
                                struct error *err);

/* Calls the watch's handler for each revision from `from` to `to` with events below its prefix. */
MUST_CHECK bool sqlite_kv_events(struct sqlite_file *file, const struct store_watch *watch,
                                 int64_t from, int64_t to, struct error *err);

#endif
