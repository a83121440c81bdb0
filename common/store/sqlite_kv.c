#include "common/store/sqlite_kv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"

/* Bound values are borrowed: they outlive the statement's use. */
static void sqlite_kv_bind_text(sqlite3_stmt *statement, int index, const char *text, size_t size)
{
    assert(size <= STORE_KEY_BYTES_MAX + 1);
    sqlite3_bind_text(statement, index, text, (int)size, SQLITE_STATIC);
}

static void sqlite_kv_bind_key(sqlite3_stmt *statement, int index, const char *key)
{
    sqlite_kv_bind_text(statement, index, key, strlen(key));
}

/* The end of a prefix; where there is none an empty blob, which SQLite sorts behind all text. */
static void sqlite_kv_bind_end(sqlite3_stmt *statement, int index, const char *prefix)
{
    char end[STORE_KEY_BYTES_MAX + 1];

    assert(strlen(prefix) <= STORE_KEY_BYTES_MAX);
    if (store_request_prefix_end(prefix, end)) {
        sqlite3_bind_text(statement, index, end, -1, SQLITE_TRANSIENT);
    } else {
        sqlite3_bind_zeroblob(statement, index, 0);
    }
}

bool sqlite_kv_compare(struct sqlite_file *file, const struct store_request *request,
                       bool *ret_hold, struct error *err)
{
    bool hold = true;

    for (size_t i = 0; i < request->compare_count && hold; i++) {
        const struct store_compare *compare = &request->compares[i];
        bool mod = compare->target == STORE_MOD_REVISION;
        CLEANUP(sqlite_file_reset)
        sqlite3_stmt *statement = sqlite_file_use(file, SQL_REVISIONS);
        sqlite_kv_bind_key(statement, 1, compare->key);
        int rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
            return sqlite_file_fail(file, "read", err);
        }
        int64_t revision = rc == SQLITE_ROW ? sqlite3_column_int64(statement, mod) : 0;
        hold = revision == (mod ? compare->mod_revision : compare->create_revision);
    }
    *ret_hold = hold;
    return true;
}

/* Keeps the old versions as replaced or deleted at `revision`. */
static bool sqlite_kv_keep(struct sqlite_file *file, enum sqlite_statement which,
                           const struct store_op *op, int64_t revision, struct error *err)
{
    sqlite3_stmt *keep = sqlite_file_use(file, which);

    sqlite3_bind_int64(keep, 1, revision);
    sqlite3_bind_int(keep, 2, op->kind != STORE_PUT);
    sqlite_kv_bind_key(keep, 3, op->key);
    if (which == SQL_KEEP_RANGE) {
        sqlite_kv_bind_end(keep, 4, op->key);
    }
    return sqlite_file_run(file, keep, err);
}

static bool sqlite_kv_put(struct sqlite_file *file, const struct store_op *op, int64_t revision,
                          struct error *err)
{
    if (!sqlite_kv_keep(file, SQL_KEEP_KEY, op, revision, err)) {
        return false;
    }
    sqlite3_stmt *put = sqlite_file_use(file, SQL_PUT);
    sqlite_kv_bind_key(put, 1, op->key);
    if (op->value.size > 0) {
        sqlite3_bind_blob64(put, 2, op->value.data, op->value.size, SQLITE_STATIC);
    } else {
        sqlite3_bind_zeroblob(put, 2, 0);
    }
    sqlite3_bind_int64(put, 3, revision);
    sqlite3_bind_int64(put, 4, op->lease_id);
    return sqlite_file_run(file, put, err);
}

static bool sqlite_kv_delete(struct sqlite_file *file, const struct store_op *op, int64_t revision,
                             bool *ret_changed, struct error *err)
{
    bool range = op->kind == STORE_DELETE_PREFIX;

    if (!sqlite_kv_keep(file, range ? SQL_KEEP_RANGE : SQL_KEEP_KEY, op, revision, err)) {
        return false;
    }
    sqlite3_stmt *delete = sqlite_file_use(file, range ? SQL_DELETE_RANGE : SQL_DELETE_KEY);
    sqlite_kv_bind_key(delete, 1, op->key);
    if (range) {
        sqlite_kv_bind_end(delete, 2, op->key);
    }
    if (!sqlite_file_run(file, delete, err)) {
        return false;
    }
    *ret_changed = sqlite3_changes(file->db) > 0;
    return true;
}

bool sqlite_kv_apply(struct sqlite_file *file, const struct store_request *request,
                     int64_t revision, bool *ret_changed, struct error *err)
{
    bool any = false;

    for (size_t i = 0; i < request->op_count; i++) {
        const struct store_op *op = &request->ops[i];
        bool changed = true;
        bool ok = op->kind == STORE_PUT ? sqlite_kv_put(file, op, revision, err)
                                        : sqlite_kv_delete(file, op, revision, &changed, err);
        if (!ok) {
            return false;
        }
        any = any || changed;
    }
    *ret_changed = any;
    return true;
}

bool sqlite_kv_lease_add(struct sqlite_file *file, uint64_t ttl_ms, int64_t *ret_id,
                         struct error *err)
{
    sqlite3_stmt *add = sqlite_file_use(file, SQL_LEASE_ADD);

    sqlite3_bind_int64(add, 1, (int64_t)ttl_ms);
    if (!sqlite_file_run(file, add, err)) {
        return false;
    }
    *ret_id = sqlite3_last_insert_rowid(file->db);
    return true;
}

bool sqlite_kv_lease_find(struct sqlite_file *file, int64_t id, bool *ret_found, struct error *err)
{
    CLEANUP(sqlite_file_reset) sqlite3_stmt *find = sqlite_file_use(file, SQL_LEASE_FIND);

    sqlite3_bind_int64(find, 1, id);
    int rc = sqlite3_step(find);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return sqlite_file_fail(file, "read", err);
    }
    *ret_found = rc == SQLITE_ROW;
    return true;
}

bool sqlite_kv_lease_delete(struct sqlite_file *file, int64_t id, int64_t revision,
                            bool *ret_changed, struct error *err)
{
    sqlite3_stmt *keep = sqlite_file_use(file, SQL_KEEP_LEASED);

    sqlite3_bind_int64(keep, 1, revision);
    sqlite3_bind_int(keep, 2, 1);
    sqlite3_bind_int64(keep, 3, id);
    if (!sqlite_file_run(file, keep, err)) {
        return false;
    }
    sqlite3_stmt *keys = sqlite_file_use(file, SQL_DELETE_LEASED);
    sqlite3_bind_int64(keys, 1, id);
    if (!sqlite_file_run(file, keys, err)) {
        return false;
    }
    *ret_changed = sqlite3_changes(file->db) > 0;
    sqlite3_stmt *lease = sqlite_file_use(file, SQL_LEASE_DELETE);
    sqlite3_bind_int64(lease, 1, id);
    return sqlite_file_run(file, lease, err);
}

bool sqlite_kv_forget(struct sqlite_file *file, int64_t revision, struct error *err)
{
    sqlite3_stmt *forget = sqlite_file_use(file, SQL_FORGET);

    sqlite3_bind_int64(forget, 1, revision);
    return sqlite_file_run(file, forget, err);
}

/* Reads the row that every query of this file has; false for what skein cannot have written. */
static bool sqlite_kv_read(sqlite3_stmt *statement, struct arena *arena, struct store_kv *ret_kv)
{
    const char *key = (const char *)sqlite3_column_text(statement, 0);
    size_t key_size = (size_t)sqlite3_column_bytes(statement, 0);
    const void *value = sqlite3_column_blob(statement, 1);
    size_t size = (size_t)sqlite3_column_bytes(statement, 1);

    if (key == NULL || strlen(key) != key_size) {
        return false;
    }
    *ret_kv = (struct store_kv){
        .key = arena_strndup(arena, key, key_size),
        .value = { .data = arena_memdup(arena, value == NULL ? "" : value, size), .size = size },
        .create_revision = sqlite3_column_int64(statement, 2),
        .mod_revision = sqlite3_column_int64(statement, 3),
        .lease_id = sqlite3_column_int64(statement, 4),
    };
    return true;
}

static bool sqlite_kv_odd_row(struct sqlite_file *file, struct error *err)
{
    return error_set(err, ERR_INVALID, "'%s' holds a key that skein did not write", file->path);
}

static sqlite3_stmt *sqlite_kv_range_statement(struct sqlite_file *file,
                                               const struct store_request *request,
                                               char start[STORE_KEY_BYTES_MAX + 1])
{
    bool now = request->revision == 0 || request->revision == file->revision;
    sqlite3_stmt *statement = sqlite_file_use(file, now ? SQL_RANGE_NOW : SQL_RANGE_AT);
    bool first = request->after[0] == '\0';
    const char *from = first ? request->prefix : request->after;
    size_t length = strlen(from);

    memcpy(start, from, length + 1);
    /* The least key behind another one is that one with a NUL. */
    sqlite_kv_bind_text(statement, 1, start, first ? length : length + 1);
    sqlite_kv_bind_end(statement, 2, request->prefix);
    sqlite3_bind_int64(statement, 3, (int64_t)request->limit + 1);
    if (!now) {
        sqlite3_bind_int64(statement, 4, request->revision);
    }
    return statement;
}

bool sqlite_kv_range(struct sqlite_file *file, const struct store_request *request,
                     struct arena *arena, struct store_range_result *ret_result, struct error *err)
{
    char start[STORE_KEY_BYTES_MAX + 1];
    CLEANUP(sqlite_file_reset)
    sqlite3_stmt *statement = sqlite_kv_range_statement(file, request, start);
    struct store_kv *kvs = arena_alloc_array(arena, request->limit, sizeof(*kvs));
    size_t count = 0;
    size_t bytes = 0;
    int rc;

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (count == request->limit || bytes >= STORE_PAGE_BYTES_MAX) {
            break;
        }
        if (!sqlite_kv_read(statement, arena, &kvs[count])) {
            return sqlite_kv_odd_row(file, err);
        }
        bytes += kvs[count++].value.size;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return sqlite_file_fail(file, "read", err);
    }
    *ret_result = (struct store_range_result){
        .kvs = kvs,
        .count = count,
        .more = rc == SQLITE_ROW,
        .revision = request->revision == 0 ? file->revision : request->revision,
    };
    return true;
}

/* The events of one revision while they are read. */
struct sqlite_kv_batch {
    struct arena arena;
    struct store_event *events;
    size_t count;
    size_t capacity;
};

static void sqlite_kv_batch_release(struct sqlite_kv_batch *batch)
{
    arena_release(&batch->arena);
    free(batch->events);
}

static void sqlite_kv_batch_deliver(struct sqlite_kv_batch *batch, const struct store_watch *watch)
{
    if (batch->count > 0) {
        watch->handler.on_events(watch->handler.user, batch->events, batch->count,
                                 batch->events[0].kv.mod_revision);
        batch->count = 0;
        arena_release(&batch->arena);
    }
}

bool sqlite_kv_events(struct sqlite_file *file, const struct store_watch *watch, int64_t from,
                      int64_t to, struct error *err)
{
    CLEANUP(sqlite_kv_batch_release) struct sqlite_kv_batch batch = { 0 };
    CLEANUP(sqlite_file_reset) sqlite3_stmt *statement = sqlite_file_use(file, SQL_EVENTS);
    int rc;

    sqlite_kv_bind_key(statement, 1, watch->prefix);
    sqlite_kv_bind_end(statement, 2, watch->prefix);
    sqlite3_bind_int64(statement, 3, from);
    sqlite3_bind_int64(statement, 4, to);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t revision = sqlite3_column_int64(statement, 3);
        if (batch.count > 0 && batch.events[0].kv.mod_revision != revision) {
            sqlite_kv_batch_deliver(&batch, watch);
        }
        batch.events =
            memory_reserve(batch.events, batch.count, &batch.capacity, sizeof(*batch.events));
        struct store_event *event = &batch.events[batch.count];
        if (!sqlite_kv_read(statement, &batch.arena, &event->kv)) {
            return sqlite_kv_odd_row(file, err);
        }
        event->kind = sqlite3_column_int(statement, 5) != 0 ? STORE_EVENT_DELETE : STORE_EVENT_PUT;
        batch.count++;
    }
    if (rc != SQLITE_DONE) {
        return sqlite_file_fail(file, "read", err);
    }
    sqlite_kv_batch_deliver(&batch, watch);
    return true;
}
