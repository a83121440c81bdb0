#include "agent/run/measure_log.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/core/memory.h"
#include "common/sql/sql_text.h"

enum { MEASURE_RELATIONS_BYTES_MAX = 64 << 10 };

/* The log while it is read. */
struct measure_reader {
    struct measure_live *live; /* by oid */
    struct measured_statement *statements;
    size_t count;
    struct task_measure *measure;
    struct arena *arena;
    const char **sequences;
};

void measure_log_release(struct measure_log *log)
{
    free(log->looks);
    arena_release(&log->arena);
    *log = (struct measure_log){ 0 };
}

void measure_log_add(struct measure_log *log, const struct measure_look *look)
{
    log->looks = memory_reserve(log->looks, log->count, &log->capacity, sizeof(*log->looks));
    log->looks[log->count] = *look;
    log->looks[log->count].locks = arena_strdup(&log->arena, look->locks);
    log->count++;
}

/* ---- one lock: "16399 AccessExclusiveLock 16402 1" ---- */

struct measure_entry {
    uint64_t oid;
    enum lint_mode mode;
    uint64_t file; /* 0: it has none, or it is gone */
    uint64_t scans;
};

/* Steps to the next one; false: there is none. */
static bool measure_log_next(const char **at, struct measure_entry *ret_entry)
{
    char *end = NULL;

    if (**at == '\0') {
        return false;
    }
    ret_entry->oid = strtoull(*at, &end, 10);
    const char *mode = *end == ' ' ? end + 1 : end;
    size_t bytes = strcspn(mode, " ,");
    ret_entry->mode = trace_probe_mode(mode, bytes);
    /* A relation that was dropped has no file, and concat_ws leaves it out. */
    uint64_t first = strtoull(mode + bytes, &end, 10);
    bool both = *end == ' ';
    ret_entry->file = both ? first : 0;
    ret_entry->scans = both ? strtoull(end, &end, 10) : first;
    end += strcspn(end, ",");
    *at = *end == ',' ? end + 1 : end;
    return true;
}

static int measure_log_compare_oids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

const char *measure_log_relations(const struct measure_log *log, struct arena *arena)
{
    CLEANUP(buf_release) struct buf text = { .size_max = MEASURE_RELATIONS_BYTES_MAX };
    CLEANUP(memory_free) uint64_t *oids = NULL;
    struct measure_entry entry;
    size_t capacity = 0;
    size_t count = 0;
    size_t told = 0;

    for (size_t i = 0; i < log->count; i++) {
        for (const char *at = log->looks[i].locks; measure_log_next(&at, &entry);) {
            oids = memory_reserve(oids, count, &capacity, sizeof(*oids));
            oids[count++] = entry.oid;
        }
    }
    if (count > 0) {
        qsort(oids, count, sizeof(*oids), measure_log_compare_oids);
    }
    for (size_t i = 0; i < count && told < MEASURE_LOCKS_MAX; i++) {
        if (i == 0 || oids[i] != oids[i - 1]) {
            buf_printf(&text, "%s%llu", told++ == 0 ? "{" : ",", (unsigned long long)oids[i]);
        }
    }
    return told == 0 ? "{}" : arena_printf(arena, "%s}", buf_text(&text));
}

/* ---- what a statement did ---- */

static struct measure_live *measure_log_find(const struct measure_reader *reader, uint64_t oid)
{
    struct measure_live *found = NULL;

    HASH_FIND(hh, reader->live, &oid, sizeof(oid), found);
    return found;
}

static bool measure_log_is_index(const struct measure_live *live)
{
    return live->kind == 'i' || live->kind == 'I';
}

static bool measure_log_is_table(const struct measure_live *live)
{
    return live->kind == 'r' || live->kind == 'm';
}

static void measure_log_lock(struct measure_reader *reader, struct measure_live *live,
                             enum lint_mode mode, uint64_t since_us, size_t statement)
{
    struct task_measure *measure = reader->measure;

    live->is_new = true;
    live->held = mode;
    if (live->kind == 'S' && mode == LINT_ROW_EXCLUSIVE) { /* only nextval and setval take it */
        measure->sequence_count++;
        if (measure->sequence_count <= MEASURE_NAMES_MAX) {
            reader->sequences[measure->sequence_count - 1] = live->name;
        }
    }
    if (mode >= LINT_SHARE && live->blocked_us == 0 && !measure_log_is_index(live)) {
        live->blocked_us = since_us;
        live->blocked_statement = statement;
    }
    if (mode == LINT_ACCESS_EXCLUSIVE && !measure_log_is_index(live)) {
        live->exclusive_us = since_us;
    }
}

/* The locks that are new since the look before. A bound has some, too: those of statements of which
 * only the time was taken. */
static void measure_log_take_locks(struct measure_reader *reader, const struct measure_look *before,
                                   const struct measure_look *look)
{
    bool bound = look->operation == NULL && reader->count > 0;
    size_t statement = bound ? reader->count - 1 : reader->count;
    struct measure_entry entry;

    for (struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        l->is_new = false;
    }
    for (const char *at = look->locks; measure_log_next(&at, &entry);) {
        struct measure_live *live = measure_log_find(reader, entry.oid);

        if (live != NULL && entry.mode > live->held) {
            measure_log_lock(reader, live, entry.mode, before->at_us, statement);
        }
    }
}

/* TRUNCATE gives a table new files, all of nothing. */
static bool measure_log_empties(const struct sql_statement *statement)
{
    struct sql_text text = { .data = statement->text, .size = strlen(statement->text) };

    return sql_token_is(sql_text_next(&text), "TRUNCATE");
}

struct measure_work {
    const char **rewrites;
    const char **scans;
    size_t rewrite_count;
    size_t scan_count;
    bool rebuilds;
};

static void measure_log_work(struct measure_live *live, const struct measure_entry *entry,
                             bool empties, struct measure_work *work)
{
    bool rewritten = entry->file != 0 && live->file != 0 && entry->file != live->file && !empties;

    if (rewritten && measure_log_is_table(live)) {
        work->rewrites[work->rewrite_count++] = live->name;
    }
    work->rebuilds = work->rebuilds || (rewritten && measure_log_is_index(live));
    if (entry->scans > live->scans && measure_log_is_table(live) && !empties) {
        work->scans[work->scan_count++] = live->name;
    }
    live->scans = entry->scans > live->scans ? entry->scans : live->scans;
    live->file = entry->file != 0 ? entry->file : live->file;
}

static enum lint_mode measure_log_strongest(const struct measure_reader *reader)
{
    enum lint_mode strongest = LINT_NO_LOCK;

    for (const struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        strongest = l->held > strongest ? l->held : strongest;
    }
    return strongest;
}

static void measure_log_add_locks(struct measure_reader *reader, struct measured_statement *to)
{
    struct measured_lock *locks =
        arena_alloc_array(reader->arena, MEASURE_NAMES_MAX, sizeof(*locks));

    for (int mode = LINT_ACCESS_EXCLUSIVE; mode >= LINT_SHARE_UPDATE_EXCLUSIVE; mode--) {
        for (const struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
            if (l->is_new && l->held == (enum lint_mode)mode && !measure_log_is_index(l) &&
                to->lock_count < MEASURE_NAMES_MAX) {
                locks[to->lock_count++] =
                    (struct measured_lock){ .relation = l->name,
                                            .mode = lint_mode_name((enum lint_mode)mode) };
            }
        }
    }
    to->locks = locks;
}

static struct trace_measure *measure_log_trace(struct measure_reader *reader,
                                               const struct measured_statement *statement,
                                               const struct measure_work *work)
{
    struct trace_measure *trace = arena_alloc(reader->arena, sizeof(*trace));
    struct trace_lock *locks =
        arena_alloc_array(reader->arena, HASH_COUNT(reader->live) + 1, sizeof(*locks));
    bool works = work->rewrite_count > 0 || work->scan_count > 0 || work->rebuilds;

    for (const struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        if (l->held != LINT_NO_LOCK) {
            locks[trace->lock_count++] = (struct trace_lock){ .relation = l->name,
                                                              .mode = l->held,
                                                              .is_new = l->is_new,
                                                              .index = measure_log_is_index(l),
                                                              .owned = l->kind == 'S' };
        }
    }
    trace->locks = locks;
    trace->locks_known = true;
    trace->took_us = statement->took_us;
    trace->rewrites = work->rewrites;
    trace->rewrite_count = work->rewrite_count;
    trace->scans = work->scans;
    trace->scan_count = work->scan_count;
    trace->rebuilds = work->rebuilds;
    trace->grows = works && measure_log_strongest(reader) >= LINT_SHARE;
    return trace;
}

static uint64_t measure_log_since(uint64_t before, uint64_t after)
{
    return after > before ? after - before : 0; /* somebody may set the clock back */
}

static void measure_log_statement(struct measure_reader *reader, const struct measure_look *before,
                                  const struct measure_look *look, measure_visit *visit,
                                  void *context)
{
    struct measured_statement *to = &reader->statements[reader->count];
    const struct operation *operation = look->operation->operation;
    size_t most = HASH_COUNT(reader->live) + 1;
    struct measure_work work = {
        .rewrites = arena_alloc_array(reader->arena, most, sizeof(*work.rewrites)),
        .scans = arena_alloc_array(reader->arena, most, sizeof(*work.scans)),
    };
    bool empties = measure_log_empties(look->statement);
    struct measure_entry entry;

    measure_log_take_locks(reader, before, look);
    for (const char *at = look->locks; measure_log_next(&at, &entry);) {
        struct measure_live *live = measure_log_find(reader, entry.oid);

        if (live != NULL) { /* else it was made by the migration itself */
            measure_log_work(live, &entry, empties, &work);
        }
    }
    *to = (struct measured_statement){
        .file = look->down ? operation->down_path : operation->path,
        .statement = look->statement->number,
        .line = look->statement->line,
        .took_us = measure_log_since(before->at_us, look->at_us),
        .rows = look->rows,
        .wal_bytes = measure_log_since(before->wal, look->wal),
        .rewrites = work.rewrites,
        .rewrite_count = work.rewrite_count,
        .scans = work.scans,
        .scan_count = work.scan_count,
    };
    measure_log_add_locks(reader, to);
    reader->measure->rewrites += (uint32_t)work.rewrite_count;
    reader->measure->scans += (uint32_t)work.scan_count;
    reader->measure->rows += look->rows;
    reader->count++;
    if (visit != NULL) {
        visit(context, look, measure_log_trace(reader, to, &work));
    }
    to->rewrite_count =
        to->rewrite_count > MEASURE_NAMES_MAX ? MEASURE_NAMES_MAX : to->rewrite_count;
    to->scan_count = to->scan_count > MEASURE_NAMES_MAX ? MEASURE_NAMES_MAX : to->scan_count;
}

/* The transaction ends: now it is known how long its locks are held. */
static void measure_log_end(struct measure_reader *reader, uint64_t at_us)
{
    struct task_measure *measure = reader->measure;

    for (struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        uint64_t blocked_us = l->blocked_us == 0 ? 0 : measure_log_since(l->blocked_us, at_us);
        uint64_t exclusive_us =
            l->exclusive_us == 0 ? 0 : measure_log_since(l->exclusive_us, at_us);
        struct measured_statement *statement = &reader->statements[l->blocked_statement];

        if (l->blocked_us != 0 && blocked_us > statement->blocked_us) {
            statement->blocked_us = blocked_us;
        }
        if (blocked_us > measure->blocked_us) {
            measure->blocked_us = blocked_us;
            measure->blocked_relation = l->name;
        }
        if (exclusive_us > measure->exclusive_us) {
            measure->exclusive_us = exclusive_us;
        }
        l->blocked_us = 0;
        l->exclusive_us = 0;
    }
}

/* ---- all of it ---- */

static uint64_t measure_log_weight(const struct measured_statement *statement)
{
    return statement->blocked_us > statement->took_us ? statement->blocked_us : statement->took_us;
}

static int measure_log_compare(const void *a, const void *b)
{
    uint64_t x = measure_log_weight(a);
    uint64_t y = measure_log_weight(b);

    return x > y ? -1 : x < y;
}

static void measure_log_finish(struct measure_reader *reader)
{
    struct task_measure *measure = reader->measure;
    size_t most = MEASURE_STATEMENTS_MAX;

    if (reader->count > 1) {
        qsort(reader->statements, reader->count, sizeof(*reader->statements), measure_log_compare);
    }
    measure->statements = (uint32_t)reader->count;
    measure->worst = reader->statements;
    measure->worst_count = reader->count < most ? reader->count : most;
    measure->sequences = reader->sequences;
    if (measure->sequence_count > MEASURE_NAMES_MAX) {
        measure->sequence_count = MEASURE_NAMES_MAX;
    }
}

struct task_measure *measure_log_read(const struct measure_log *log, struct measure_live *live,
                                      size_t live_count, measure_visit *visit, void *context,
                                      struct arena *arena)
{
    struct measure_reader reader = { .arena = arena };

    if (log->count < 2 || log->looks[0].operation != NULL ||
        log->looks[log->count - 1].operation != NULL) {
        return NULL;
    }
    for (size_t i = 0; i < live_count; i++) {
        if (measure_log_find(&reader, live[i].oid) == NULL) {
            HASH_ADD(hh, reader.live, oid, sizeof(live[i].oid), &live[i]);
        }
    }
    reader.measure = arena_alloc(arena, sizeof(*reader.measure));
    reader.measure->tenant = "";
    reader.measure->blocked_relation = "";
    reader.statements = arena_alloc_array(arena, log->count, sizeof(*reader.statements));
    reader.sequences = arena_alloc_array(arena, MEASURE_NAMES_MAX, sizeof(*reader.sequences));
    uint64_t began_us = log->looks[0].at_us;
    for (size_t i = 1; i < log->count; i++) {
        const struct measure_look *look = &log->looks[i];

        if (look->operation != NULL) {
            measure_log_statement(&reader, look - 1, look, visit, context);
            continue;
        }
        /* What was locked between two transactions is no part of the run, such as a way back that
         * is rehearsed: known from then on, but not counted. */
        bool between = look[-1].operation == NULL;
        measure_log_take_locks(&reader, look - 1, look);
        measure_log_end(&reader, between ? look[-1].at_us : look->at_us);
        if (look[-1].operation != NULL) { /* else it lies between two transactions */
            reader.measure->took_us += measure_log_since(began_us, look->at_us);
            reader.measure->wal_bytes += measure_log_since(look[-1].wal, look->wal);
        }
        began_us = look->at_us;
    }
    for (size_t i = 0; i < reader.count; i++) {
        reader.measure->wal_bytes += reader.statements[i].wal_bytes;
    }
    measure_log_finish(&reader);
    HASH_CLEAR(hh, reader.live);
    return reader.measure;
}
