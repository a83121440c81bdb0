/* The embedded backend: one file, one thread, one writer.
 *
 * Writes that wait together share one commit, and are answered after it; a crash before leaves none
 * of them, and their callers have no answer either. */
#include "common/store/store_backend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/crash.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/store/sqlite_file.h"
#include "common/store/sqlite_kv.h"
#include "common/store/sqlite_leases.h"

enum {
    SQLITE_EXPIRED_MAX = 64,       /* leases that one commit ends */
    SQLITE_EXPIRY_RETRY_MS = 1000, /* when ending leases failed */
};

struct store_sqlite {
    struct store *store;
    struct sqlite_file file;
    struct sqlite_leases leases;
    uint64_t expiry_from_ms; /* not before */
    struct sqlite_watch *watches;
};

struct sqlite_watch {
    struct sqlite_watch *next;
    struct store_watch *watch;
    int64_t next_revision;
    bool lost;
};

/* What became of one request of a group. */
struct sqlite_outcome {
    struct store_request *request;
    bool failed;
    struct error err; /* the request's own failure; the group's is told apart */
    struct store_txn_result txn;
    int64_t lease_id;
};

/* ---- open and close ---- */

static void store_sqlite_close(void **state)
{
    struct store_sqlite *self = *state;

    if (self == NULL) {
        return;
    }
    assert(self->watches == NULL);
    sqlite_leases_release(&self->leases);
    sqlite_file_release(&self->file);
    free(self);
    *state = NULL;
}

static void store_sqlite_free(struct store_sqlite **self)
{
    void *state = *self;

    store_sqlite_close(&state);
    *self = NULL;
}

/* The monotonic clock does not survive a restart, so all leases get their full time again. That is
 * safe: a lease only ever lasts longer than its holder counts on by its own clock. */
static bool store_sqlite_load_leases(struct store_sqlite *self, struct error *err)
{
    CLEANUP(sqlite_file_reset) sqlite3_stmt *list = sqlite_file_use(&self->file, SQL_LEASE_LIST);
    uint64_t now_ms = clock_monotonic_ms();
    int rc;

    while ((rc = sqlite3_step(list)) == SQLITE_ROW) {
        sqlite_leases_add(&self->leases, sqlite3_column_int64(list, 0),
                          (uint64_t)sqlite3_column_int64(list, 1), now_ms);
    }
    return rc == SQLITE_DONE || sqlite_file_fail(&self->file, "read", err);
}

static bool store_sqlite_open(struct store *store, const struct store_options *options,
                              const char *address, void **ret_state, struct error *err)
{
    CLEANUP(store_sqlite_free) struct store_sqlite *self = memory_alloc(sizeof(*self));

    (void)options;
    self->store = store;
    if (!sqlite_file_lock(&self->file, address, err) || !sqlite_file_open(&self->file, err) ||
        !store_sqlite_load_leases(self, err)) {
        return false;
    }
    store_note_health(store, true);
    *ret_state = TAKE(self);
    return true;
}

/* After a failure that may come from the connection the file is opened anew for the next request,
 * so that a file system that comes back is noticed. */
static void store_sqlite_note(struct store_sqlite *self, const struct error *err)
{
    store_note_health(self->store, err == NULL);
    if (err != NULL && err->code != ERR_LIMIT && self->file.db != NULL) {
        sqlite_file_close(&self->file);
    }
}

/* ---- transactions of the file ---- */

static bool store_sqlite_begin(struct store_sqlite *self, struct error *err)
{
    return sqlite_file_open(&self->file, err) &&
           sqlite_file_run(&self->file, sqlite_file_use(&self->file, SQL_BEGIN), err);
}

static void store_sqlite_rollback(struct store_sqlite *self)
{
    struct error ignored = { 0 };

    /* Some failures have rolled back already. */
    if (self->file.db != NULL && sqlite3_get_autocommit(self->file.db) == 0 &&
        !sqlite_file_run(&self->file, sqlite_file_use(&self->file, SQL_ROLLBACK), &ignored)) {
        sqlite_file_close(&self->file);
    }
}

/* Commits what happened up to `revision`. A commit that fails for another reason than a full disk
 * may be in the log all the same, and come back when the log is read again: ERR_UNCERTAIN. (With a
 * full disk the last frame, which makes the commit, is not complete.) */
static bool store_sqlite_commit(struct store_sqlite *self, int64_t revision, int64_t compacted,
                                struct error *err)
{
    struct sqlite_file *file = &self->file;

    if (revision - compacted > STORE_HISTORY_REVISIONS) {
        compacted = revision - STORE_HISTORY_REVISIONS;
    }
    if (compacted != file->compacted && !sqlite_kv_forget(file, compacted, err)) {
        return false;
    }
    if (revision != file->revision || compacted != file->compacted) {
        sqlite3_stmt *meta = sqlite_file_use(file, SQL_META_SET);
        sqlite3_bind_int64(meta, 1, revision);
        sqlite3_bind_int64(meta, 2, compacted);
        if (!sqlite_file_run(file, meta, err)) {
            return false;
        }
    }
    crash_point("sqlite_before_commit");
    if (!sqlite_file_run(file, sqlite_file_use(file, SQL_COMMIT), err)) {
        if (err->code != ERR_LIMIT) {
            err->code = ERR_UNCERTAIN;
        }
        return false;
    }
    crash_point("sqlite_after_commit");
    file->revision = revision;
    file->compacted = compacted;
    return true;
}

/* ---- groups of requests that write ---- */

static bool store_sqlite_is_groupable(const struct store_request *request)
{
    return request->kind == STORE_REQUEST_TXN || request->kind == STORE_REQUEST_LEASE_GRANT ||
           request->kind == STORE_REQUEST_LEASE_REVOKE ||
           request->kind == STORE_REQUEST_LEASE_KEEP_ALIVE;
}

/* All leases of the request's puts live: here (its time is not over) and in the file (an earlier
 * request of the same group may have revoked it). */
static bool store_sqlite_leases_live(struct store_sqlite *self, const struct store_request *request,
                                     int64_t *ret_gone, struct error *err)
{
    uint64_t now_ms = clock_monotonic_ms();
    int64_t known = 0;

    *ret_gone = 0;
    for (size_t i = 0; i < request->op_count; i++) {
        int64_t id = request->ops[i].kind == STORE_PUT ? request->ops[i].lease_id : 0;
        if (id == 0 || id == known) {
            continue;
        }
        bool live = sqlite_leases_find(&self->leases, id, now_ms) != NULL;
        if (live && !sqlite_kv_lease_find(&self->file, id, &live, err)) {
            return false;
        }
        if (!live) {
            *ret_gone = id;
            return true;
        }
        known = id;
    }
    return true;
}

static bool store_sqlite_apply_txn(struct store_sqlite *self, struct sqlite_outcome *outcome,
                                   int64_t *revision, struct error *err)
{
    const struct store_request *request = outcome->request;
    bool changed = false;
    int64_t gone;

    if (!sqlite_kv_compare(&self->file, request, &outcome->txn.succeeded, err) ||
        !store_sqlite_leases_live(self, request, &gone, err)) {
        return false;
    }
    if (outcome->txn.succeeded && gone != 0) {
        outcome->failed = true;
        error_set(&outcome->err, ERR_CONFLICT, "lease %lld is gone", (long long)gone);
        return true;
    }
    if (outcome->txn.succeeded &&
        !sqlite_kv_apply(&self->file, request, *revision + 1, &changed, err)) {
        return false;
    }
    *revision += changed ? 1 : 0;
    outcome->txn.revision = *revision;
    return true;
}

static bool store_sqlite_apply(struct store_sqlite *self, struct sqlite_outcome *outcome,
                               int64_t *revision, struct error *err)
{
    const struct store_request *request = outcome->request;
    bool changed = false;

    switch (request->kind) {
    case STORE_REQUEST_TXN:
        return store_sqlite_apply_txn(self, outcome, revision, err);
    case STORE_REQUEST_LEASE_GRANT:
        return sqlite_kv_lease_add(&self->file, request->ttl_ms, &outcome->lease_id, err);
    case STORE_REQUEST_LEASE_REVOKE:
        if (!sqlite_kv_lease_delete(&self->file, request->lease_id, *revision + 1, &changed, err)) {
            return false;
        }
        *revision += changed ? 1 : 0;
        return true;
    case STORE_REQUEST_LEASE_KEEP_ALIVE:
        return true; /* the file does not know deadlines */
    case STORE_REQUEST_RANGE:
    case STORE_REQUEST_COMPACT:
    case STORE_REQUEST_WATCH_START:
    case STORE_REQUEST_WATCH_STOP:
        break;
    }
    assert(false);
    return false;
}

/* After the commit, in the group's order. */
static void store_sqlite_answer(struct store_sqlite *self, struct sqlite_outcome *outcome)
{
    struct store_request *request = outcome->request;
    uint64_t now_ms = clock_monotonic_ms();
    struct store_lease_result lease = { .lease_id = request->lease_id };

    if (outcome->failed) {
        store_answer_error(self->store, &request, &outcome->err);
        return;
    }
    if (request->kind == STORE_REQUEST_TXN) {
        store_answer_txn(self->store, &request, &outcome->txn);
        return;
    }
    if (request->kind == STORE_REQUEST_LEASE_GRANT) {
        lease.lease_id = outcome->lease_id;
        lease.ttl_ms = request->ttl_ms;
        sqlite_leases_add(&self->leases, lease.lease_id, lease.ttl_ms, now_ms);
    } else if (request->kind == STORE_REQUEST_LEASE_REVOKE) {
        sqlite_leases_remove(&self->leases, request->lease_id);
    } else {
        struct sqlite_lease *found = sqlite_leases_find(&self->leases, request->lease_id, now_ms);
        if (found != NULL) {
            found->deadline_ms = now_ms + found->ttl_ms;
            lease.ttl_ms = found->ttl_ms;
        }
    }
    store_answer_lease(self->store, &request, &lease);
}

static bool store_sqlite_try_group(struct store_sqlite *self, struct sqlite_outcome outcomes[],
                                   size_t count, struct error *err)
{
    bool writes = false;

    for (size_t i = 0; i < count; i++) {
        writes = writes || outcomes[i].request->kind != STORE_REQUEST_LEASE_KEEP_ALIVE;
    }
    if (!writes) {
        return true;
    }
    if (!store_sqlite_begin(self, err)) {
        return false;
    }
    int64_t revision = self->file.revision;
    for (size_t i = 0; i < count; i++) {
        if (!store_sqlite_apply(self, &outcomes[i], &revision, err)) {
            return false;
        }
    }
    return store_sqlite_commit(self, revision, self->file.compacted, err);
}

static void store_sqlite_run_group(struct store_sqlite *self, struct sqlite_outcome outcomes[],
                                   size_t count)
{
    struct error err = { 0 };

    if (store_sqlite_try_group(self, outcomes, count, &err)) {
        store_sqlite_note(self, NULL);
        for (size_t i = 0; i < count; i++) {
            store_sqlite_answer(self, &outcomes[i]);
        }
        return;
    }
    store_sqlite_rollback(self);
    store_sqlite_note(self, &err);
    /* Where nothing happened, one request that has no room is no reason to fail its neighbours. */
    for (size_t i = 0; i < count && count > 1 && err.code == ERR_LIMIT; i++) {
        outcomes[i] = (struct sqlite_outcome){ .request = outcomes[i].request };
        store_sqlite_run_group(self, &outcomes[i], 1);
    }
    for (size_t i = 0; i < count && (count == 1 || err.code != ERR_LIMIT); i++) {
        store_answer_error(self->store, &outcomes[i].request, &err);
    }
}

/* Takes the requests at the head of the list that can share a commit and carries them out. */
static struct store_request *store_sqlite_group(struct store_sqlite *self,
                                                struct store_request *list)
{
    struct sqlite_outcome *outcomes =
        memory_alloc_array(STORE_GROUP_REQUESTS_MAX, sizeof(*outcomes));
    size_t count = 0;
    size_t bytes = 0;

    while (list != NULL && count < STORE_GROUP_REQUESTS_MAX && bytes < STORE_GROUP_BYTES_MAX &&
           store_sqlite_is_groupable(list)) {
        outcomes[count++].request = list;
        bytes += list->bytes;
        list = list->next;
    }
    store_sqlite_run_group(self, outcomes, count);
    free(outcomes);
    return list;
}

/* ---- the others ---- */

static bool store_sqlite_range(struct store_sqlite *self, const struct store_request *request,
                               struct arena *arena, struct store_range_result *ret_result,
                               struct error *err)
{
    if (!sqlite_file_open(&self->file, err)) {
        return false;
    }
    return sqlite_kv_range(&self->file, request, arena, ret_result, err);
}

static void store_sqlite_serve_range(struct store_sqlite *self, struct store_request *request)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct store_range_result result;
    struct error err = { 0 };

    if (request->revision > self->file.revision) {
        error_set(&err, ERR_INVALID, "range: revision %lld is still to come",
                  (long long)request->revision);
    } else if (request->revision != 0 && request->revision < self->file.compacted) {
        error_set(&err, ERR_NOT_FOUND, "range: revision %lld is compacted",
                  (long long)request->revision);
    } else if (store_sqlite_range(self, request, &arena, &result, &err)) {
        store_sqlite_note(self, NULL);
        store_answer_range(self->store, &request, &result);
        return;
    } else {
        store_sqlite_note(self, &err);
    }
    store_answer_error(self->store, &request, &err);
}

static void store_sqlite_serve_compact(struct store_sqlite *self, struct store_request *request)
{
    const struct store_txn_result result = { .succeeded = true, .revision = self->file.revision };
    struct error err = { 0 };

    if (request->revision > self->file.revision) {
        error_set(&err, ERR_INVALID, "compact: revision %lld is still to come",
                  (long long)request->revision);
        store_answer_error(self->store, &request, &err);
        return;
    }
    if (request->revision > self->file.compacted &&
        (!store_sqlite_begin(self, &err) ||
         !store_sqlite_commit(self, self->file.revision, request->revision, &err))) {
        store_sqlite_rollback(self);
        store_sqlite_note(self, &err);
        store_answer_error(self->store, &request, &err);
        return;
    }
    store_sqlite_note(self, NULL);
    store_answer_txn(self->store, &request, &result);
}

static void store_sqlite_start_watch(struct store_sqlite *self, struct store_request *request)
{
    struct sqlite_watch *added = memory_alloc(sizeof(*added));

    added->watch = request->watch;
    added->next_revision = request->watch->from_revision == 0 ? self->file.revision + 1
                                                              : request->watch->from_revision;
    added->next = self->watches;
    self->watches = added;
    request->watch->state = added;
    store_answer_watch(self->store, &request);
}

static void store_sqlite_stop_watch(struct store_sqlite *self, struct store_request *request)
{
    struct sqlite_watch **place = &self->watches;

    while (*place != request->watch->state) {
        assert(*place != NULL);
        place = &(*place)->next;
    }
    struct sqlite_watch *removed = *place;
    assert(removed != NULL);
    *place = removed->next;
    free(removed);
    store_answer_watch(self->store, &request);
}

static void store_sqlite_serve(struct store_sqlite *self, struct store_request *request)
{
    switch (request->kind) {
    case STORE_REQUEST_RANGE:
        store_sqlite_serve_range(self, request);
        break;
    case STORE_REQUEST_COMPACT:
        store_sqlite_serve_compact(self, request);
        break;
    case STORE_REQUEST_WATCH_START:
        store_sqlite_start_watch(self, request);
        break;
    case STORE_REQUEST_WATCH_STOP:
        store_sqlite_stop_watch(self, request);
        break;
    case STORE_REQUEST_TXN:
    case STORE_REQUEST_LEASE_GRANT:
    case STORE_REQUEST_LEASE_KEEP_ALIVE:
    case STORE_REQUEST_LEASE_REVOKE:
        assert(false);
        break;
    }
}

/* ---- time and watches ---- */

/* Ends leases whose time is over: their keys go as a transaction of its own per lease. */
static bool store_sqlite_end_leases(struct store_sqlite *self, const int64_t ids[], size_t count,
                                    struct error *err)
{
    if (!store_sqlite_begin(self, err)) {
        return false;
    }
    int64_t revision = self->file.revision;
    for (size_t i = 0; i < count; i++) {
        bool changed = false;
        if (!sqlite_kv_lease_delete(&self->file, ids[i], revision + 1, &changed, err)) {
            return false;
        }
        revision += changed ? 1 : 0;
    }
    return store_sqlite_commit(self, revision, self->file.compacted, err);
}

static void store_sqlite_expire(struct store_sqlite *self)
{
    int64_t ids[SQLITE_EXPIRED_MAX];
    struct error err = { 0 };
    uint64_t now_ms = clock_monotonic_ms();

    if (now_ms < self->expiry_from_ms) {
        return;
    }
    size_t count = sqlite_leases_expired(&self->leases, now_ms, SQLITE_EXPIRED_MAX, ids);
    if (count == 0) {
        return;
    }
    if (!store_sqlite_end_leases(self, ids, count, &err)) {
        /* They stay over for everyone who asks; their keys go when the file can be written. */
        store_sqlite_rollback(self);
        store_sqlite_note(self, &err);
        self->expiry_from_ms = now_ms + SQLITE_EXPIRY_RETRY_MS;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sqlite_leases_remove(&self->leases, ids[i]);
    }
}

static void store_sqlite_feed_watch(struct store_sqlite *self, struct sqlite_watch *fed)
{
    struct error err = { 0 };
    int64_t revision = self->file.revision;
    int64_t from = fed->next_revision;
    bool ok = false;

    if (from < self->file.compacted) {
        error_set(&err, ERR_NOT_FOUND, "watch: revision %lld is compacted", (long long)from);
    } else {
        ok = sqlite_file_open(&self->file, &err) &&
             sqlite_kv_events(&self->file, fed->watch, from, revision, &err);
        store_sqlite_note(self, ok ? NULL : &err);
    }
    fed->next_revision = revision + 1;
    if (!ok) {
        fed->lost = true;
        fed->watch->handler.on_lost(fed->watch->handler.user, &err);
    }
}

static void store_sqlite_feed_watches(struct store_sqlite *self)
{
    for (struct sqlite_watch *fed = self->watches; fed != NULL; fed = fed->next) {
        if (!fed->lost && fed->next_revision <= self->file.revision) {
            store_sqlite_feed_watch(self, fed);
        }
    }
}

static bool store_sqlite_is_late(const struct store_request *request)
{
    return request->kind != STORE_REQUEST_WATCH_START &&
           request->kind != STORE_REQUEST_WATCH_STOP && request->deadline_ms < clock_monotonic_ms();
}

static void store_sqlite_run(struct store *store, void *state)
{
    struct store_sqlite *self = state;
    const struct error closed = { .code = ERR_UNAVAILABLE, .message = "the store was closed" };
    const struct error late = { .code = ERR_UNAVAILABLE,
                                .message = "the request waited too long for the disk" };

    while (!store_is_stopping(store)) {
        uint64_t next_ms = sqlite_leases_next_ms(&self->leases);
        if (next_ms < self->expiry_from_ms) {
            next_ms = self->expiry_from_ms;
        }
        struct store_request *list = store_take(store, next_ms);
        store_sqlite_expire(self);
        store_sqlite_feed_watches(self);
        while (list != NULL) {
            struct store_request *request = list;
            if (store_is_stopping(store)) {
                list = list->next;
                store_answer_error(store, &request, &closed);
            } else if (store_sqlite_is_late(request)) {
                list = list->next;
                store_answer_error(store, &request, &late);
            } else if (store_sqlite_is_groupable(list)) {
                list = store_sqlite_group(self, list);
            } else {
                list = list->next;
                store_sqlite_serve(self, request);
            }
            store_sqlite_feed_watches(self);
        }
    }
}

const struct store_backend store_sqlite_backend = {
    .scheme = "sqlite:",
    .open = store_sqlite_open,
    .run = store_sqlite_run,
    .wake = NULL,
    .close = store_sqlite_close,
};
