#include "common/trace/trace_probe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "common/core/clock.h"
#include "common/core/memory.h"
#include "common/sql/sql_text.h"

/* A relation of the database as it was when last looked at. */
struct trace_relation {
    const char *oid; /* PostgreSQL's digits */
    const char *name;
    const char *table; /* oid of an index's table, else its own */
    const char *file;
    char kind;
    uint64_t scans;
    enum lint_mode held; /* by the transaction so far */
    bool is_new;         /* by its last statement */
    UT_hash_handle hh;
};

/* All of them at one moment; the arena is the snapshot's. */
struct trace_snapshot {
    struct arena arena;
    struct trace_relation *relations;
};

struct trace_probe {
    struct pg_conn *conn;
    struct arena *arena;
    const char *home;
    struct trace_snapshot live; /* when the probe was started: keys and locks held */
    struct trace_snapshot now;
};

static const char trace_probe_select[] =
    "SELECT c.oid, CASE WHEN n.nspname IN ('public', $1) THEN '' ELSE n.nspname || '.' END ||"
    " c.relname,"
    " coalesce(i.indrelid, c.oid), c.relfilenode,"
    " CASE WHEN c.relkind = 'S' AND EXISTS (SELECT FROM pg_catalog.pg_depend d"
    " WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid"
    " AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i'))"
    " THEN 's' ELSE c.relkind END," /* s: a column's own, which goes where its table goes */
    " greatest(pg_stat_get_xact_numscans(c.oid), 0)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
    " WHERE c.relkind IN ('r', 'p', 'm', 'v', 'S', 'i', 'I') AND n.nspname !~ '^pg_'"
    " AND n.nspname NOT IN ('information_schema', 'skein')";

static const char trace_probe_select_locks[] =
    "SELECT relation, mode FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid()"
    " AND locktype = 'relation' AND granted AND relation >= 16384";

static const char *const trace_probe_modes[LINT_MODE_COUNT] = {
    "",
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
};

static void trace_snapshot_release(struct trace_snapshot *snapshot)
{
    HASH_CLEAR(hh, snapshot->relations);
    arena_release(&snapshot->arena);
    *snapshot = (struct trace_snapshot){ 0 };
}

static struct trace_relation *trace_snapshot_find(const struct trace_snapshot *snapshot,
                                                  const char *oid)
{
    struct trace_relation *found = NULL;

    HASH_FIND_STR(snapshot->relations, oid, found);
    return found;
}

static bool trace_snapshot_take(const struct trace_probe *probe,
                                struct trace_snapshot *ret_snapshot, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { probe->home };
    struct trace_snapshot snapshot = { 0 };

    if (!pg_query(probe->conn, trace_probe_select, parameters, 1, &rows, NULL, err)) {
        return false;
    }
    for (size_t i = 0; i < pg_result_row_count(rows); i++) {
        struct trace_relation *relation = arena_alloc(&snapshot.arena, sizeof(*relation));

        relation->oid = arena_strdup(&snapshot.arena, pg_result_text(rows, i, 0));
        relation->name = arena_strdup(&snapshot.arena, pg_result_text(rows, i, 1));
        relation->table = arena_strdup(&snapshot.arena, pg_result_text(rows, i, 2));
        relation->file = arena_strdup(&snapshot.arena, pg_result_text(rows, i, 3));
        relation->kind = pg_result_text(rows, i, 4)[0];
        relation->scans = pg_result_u64(rows, i, 5);
        HASH_ADD_KEYPTR(hh, snapshot.relations, relation->oid, strlen(relation->oid), relation);
    }
    trace_snapshot_release(ret_snapshot);
    *ret_snapshot = snapshot;
    return true;
}

struct trace_probe *trace_probe_new(struct pg_conn *conn, const char *home, struct arena *arena)
{
    struct trace_probe *probe = memory_alloc(sizeof(*probe));

    probe->conn = conn;
    probe->arena = arena;
    probe->home = home;
    return probe;
}

void trace_probe_free(struct trace_probe **probe)
{
    if (*probe != NULL) {
        trace_snapshot_release(&(*probe)->live);
        trace_snapshot_release(&(*probe)->now);
        free(*probe);
        *probe = NULL;
    }
}

bool trace_probe_start(struct trace_probe *probe, struct error *err)
{
    return trace_snapshot_take(probe, &probe->live, err);
}

bool trace_probe_begin(struct trace_probe *probe, struct error *err)
{
    for (struct trace_relation *r = probe->live.relations; r != NULL; r = r->hh.next) {
        r->held = LINT_NO_LOCK;
    }
    return trace_snapshot_take(probe, &probe->now, err);
}

enum lint_mode trace_probe_mode(const char *word, size_t bytes)
{
    for (size_t i = 1; i < LINT_MODE_COUNT; i++) {
        if (strlen(trace_probe_modes[i]) == bytes &&
            memcmp(trace_probe_modes[i], word, bytes) == 0) {
            return (enum lint_mode)i;
        }
    }
    return LINT_NO_LOCK;
}

const char *trace_probe_word(enum lint_mode mode)
{
    return trace_probe_modes[mode];
}

static void trace_probe_list_locks(struct trace_probe *probe, struct trace_measure *measure)
{
    struct trace_lock *locks =
        arena_alloc_array(probe->arena, HASH_COUNT(probe->live.relations) + 1, sizeof(*locks));

    for (const struct trace_relation *r = probe->live.relations; r != NULL; r = r->hh.next) {
        const struct trace_relation *named = trace_snapshot_find(&probe->now, r->oid);

        if (r->held == LINT_NO_LOCK) {
            continue;
        }
        locks[measure->lock_count++] = (struct trace_lock){
            .relation = arena_strdup(probe->arena, named == NULL ? r->name : named->name),
            .mode = r->held,
            .is_new = r->is_new,
            .index = r->kind == 'i' || r->kind == 'I',
            .owned = r->kind == 's',
        };
    }
    measure->locks = locks;
}

static bool trace_probe_look_locks(struct trace_probe *probe, struct trace_measure *measure,
                                   struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;

    for (struct trace_relation *r = probe->live.relations; r != NULL; r = r->hh.next) {
        r->is_new = false;
    }
    if (!pg_query(probe->conn, trace_probe_select_locks, NULL, 0, &rows, NULL, err)) {
        return false;
    }
    for (size_t i = 0; i < pg_result_row_count(rows); i++) {
        struct trace_relation *live = trace_snapshot_find(&probe->live, pg_result_text(rows, i, 0));
        const char *word = pg_result_text(rows, i, 1);
        enum lint_mode mode = trace_probe_mode(word, strlen(word));

        if (live != NULL && mode > live->held) {
            live->held = mode;
            live->is_new = true;
        }
    }
    trace_probe_list_locks(probe, measure);
    return true;
}

static enum lint_mode trace_probe_strongest(const struct trace_probe *probe)
{
    enum lint_mode strongest = LINT_NO_LOCK;

    for (const struct trace_relation *r = probe->live.relations; r != NULL; r = r->hh.next) {
        strongest = r->held > strongest ? r->held : strongest;
    }
    return strongest;
}

/* A change of type makes an index again under another oid, but may keep its file. */
static bool trace_probe_has_file(const struct trace_snapshot *snapshot,
                                 const struct trace_relation *index)
{
    for (const struct trace_relation *r = snapshot->relations; r != NULL; r = r->hh.next) {
        if (strcmp(r->file, index->file) == 0 && strcmp(r->table, index->table) == 0) {
            return true;
        }
    }
    return false;
}

static void trace_probe_compare(struct trace_probe *probe, const struct trace_snapshot *after,
                                bool empties, struct trace_measure *measure)
{
    size_t count = HASH_COUNT(probe->now.relations);
    measure->rewrites = arena_alloc_array(probe->arena, count + 1, sizeof(*measure->rewrites));
    measure->scans = arena_alloc_array(probe->arena, count + 1, sizeof(*measure->scans));

    for (const struct trace_relation *r = after->relations; r != NULL; r = r->hh.next) {
        const struct trace_relation *before = trace_snapshot_find(&probe->now, r->oid);
        bool table = r->kind == 'r' || r->kind == 'm';

        if (trace_snapshot_find(&probe->live, r->table) == NULL) {
            continue;
        }
        if (r->kind == 'i') {
            bool built = !empties && !trace_probe_has_file(&probe->now, r);
            measure->rebuilds = measure->rebuilds || built;
        }
        if (before == NULL || !table) {
            continue;
        }
        if (strcmp(before->file, r->file) != 0 && !empties) {
            measure->rewrites[measure->rewrite_count++] = arena_strdup(probe->arena, before->name);
        }
        if (r->scans > before->scans && !empties) {
            measure->scans[measure->scan_count++] = arena_strdup(probe->arena, before->name);
        }
    }
}

/* TRUNCATE gives a table new files and builds its indexes from them, all of nothing. */
static bool trace_probe_empties(const char *statement)
{
    struct sql_text text = { .data = statement, .size = strlen(statement) };

    return sql_token_is(sql_text_next(&text), "TRUNCATE");
}

bool trace_probe_run(struct trace_probe *probe, const char *statement, bool in_transaction,
                     struct trace_measure *ret_measure, struct pg_error *ret_pg_error,
                     struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    CLEANUP(trace_snapshot_release) struct trace_snapshot after = { 0 };
    struct trace_measure measure = { .locks_known = in_transaction };
    const uint64_t started_us = clock_monotonic_us();

    if (!pg_query(probe->conn, statement, NULL, 0, &rows, ret_pg_error, err)) {
        return false;
    }
    measure.took_us = clock_monotonic_us() - started_us;
    if ((in_transaction && !trace_probe_look_locks(probe, &measure, err)) ||
        !trace_snapshot_take(probe, &after, err)) {
        return error_wrap(err, "look at what the statement did");
    }
    trace_probe_compare(probe, &after, trace_probe_empties(statement), &measure);
    bool works = measure.rewrite_count > 0 || measure.scan_count > 0 || measure.rebuilds;
    measure.grows = works && trace_probe_strongest(probe) >= LINT_SHARE;
    struct trace_snapshot last = probe->now;
    probe->now = TAKE(after);
    trace_snapshot_release(&last);
    *ret_measure = measure;
    return true;
}
