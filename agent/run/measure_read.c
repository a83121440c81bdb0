#include "agent/run/measure_read.h"

#include <stdlib.h>
#include <string.h>

#include "common/sql/sql_text.h"

enum { MEASURE_READ_OWNERS_MAX = 8 }; /* an index of a partition of a partition... */

/* The log while it is read. */
struct measure_reader {
    const struct measure_log *log;
    struct measure_live *live; /* by oid */
    struct measured_statement *statements;
    size_t count;
    size_t group; /* the first look behind the last one at locks */
    bool unsure;
    struct task_measure *measure;
    struct arena *arena;
    const char **sequences;
    measure_visit *visit;
    void *context;
};

static struct measure_live *measure_read_find(const struct measure_reader *reader, uint64_t oid)
{
    struct measure_live *found = NULL;

    HASH_FIND(hh, reader->live, &oid, sizeof(oid), found);
    return found;
}

static bool measure_read_is_index(const struct measure_live *live)
{
    return live->kind == 'i' || live->kind == 'I';
}

static bool measure_read_is_table(const struct measure_live *live)
{
    return live->kind == 'r' || live->kind == 'm';
}

static void measure_read_lock(struct measure_live *live, uint64_t since_us, size_t statement)
{
    live->is_new = true;
    live->held = live->seen;
    if (live->seen >= LINT_SHARE && live->blocked_us == 0 && !measure_read_is_index(live)) {
        live->blocked_us = since_us;
        live->blocked_statement = statement;
    }
    if (live->seen == LINT_ACCESS_EXCLUSIVE && !measure_read_is_index(live)) {
        live->exclusive_us = since_us;
    }
}

/* What the look says of each relation, beside what is known of it. */
static void measure_read_see(struct measure_reader *reader, const struct measure_look *look)
{
    struct task_measure *measure = reader->measure;
    struct measure_entry entry;

    for (struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        l->is_new = false;
        l->seen = l->held;
        l->seen_file = l->file;
        l->seen_scans = l->scans;
    }
    for (const char *at = look->locks; measure_log_next(&at, &entry);) {
        struct measure_live *live = measure_read_find(reader, entry.oid);

        if (live == NULL) { /* made by the migration itself */
            continue;
        }
        live->seen = entry.mode > live->seen ? entry.mode : live->seen;
        live->seen_file = entry.file != 0 ? entry.file : live->seen_file;
        live->seen_scans = entry.scans > live->seen_scans ? entry.scans : live->seen_scans;
        /* Only nextval and setval take that. */
        if (live->kind == 'S' && entry.mode == LINT_ROW_EXCLUSIVE && !live->moved) {
            live->moved = true;
            measure->sequence_count++;
            if (measure->sequence_count <= MEASURE_NAMES_MAX) {
                reader->sequences[measure->sequence_count - 1] = live->name;
            }
        }
    }
}

static bool measure_read_differs(const struct measure_live *live)
{
    return live->seen > live->held || live->seen_file != live->file ||
           live->seen_scans > live->scans;
}

/* ---- whose it is ---- */

/* What lint foresees of that statement on the relation. */
static enum lint_mode measure_read_foreseen(const struct measure_look *look, const char *relation)
{
    const struct lint_statement *file =
        look->operation == NULL || look->down ? NULL : look->operation->up.foreseen;
    enum lint_mode mode = LINT_NO_LOCK;

    if (file == NULL) {
        return mode;
    }
    const struct lint_statement *statement = &file[look->statement->number - 1];
    for (size_t i = 0; i < statement->lock_count; i++) {
        if (strcmp(statement->locks[i].relation, relation) == 0 &&
            statement->locks[i].mode > mode) {
            mode = statement->locks[i].mode;
        }
    }
    return mode;
}

/* The first that foresees a lock like that, or else the last that is about the relation at all.
 * `plain`: among those of which nothing was expected but their time. */
static bool measure_read_find_foreseen(const struct measure_reader *reader, size_t last,
                                       const struct measure_live *live, const char *relation,
                                       bool plain, size_t *ret_whose)
{
    bool found = false;

    for (size_t i = reader->group; i <= last; i++) {
        const struct measure_look *look = &reader->log->looks[i];
        enum lint_mode mode = measure_read_foreseen(look, relation);

        if (mode == LINT_NO_LOCK || plain != (look->light && !look->foreseen)) {
            continue;
        }
        *ret_whose = i;
        found = true;
        if (live->seen > live->held && mode >= live->seen) {
            break;
        }
    }
    return found;
}

/* Whether it is told by statement, or compared. */
static bool measure_read_matters(const struct measure_live *live)
{
    bool locks = live->seen > live->held && live->seen >= LINT_SHARE_UPDATE_EXCLUSIVE &&
                 !measure_read_is_index(live);
    bool scans = live->seen_scans > live->scans && measure_read_is_table(live);

    return locks || scans || live->seen_file != live->file;
}

/* Nobody said that he would. Of statements that can do anything (a DO block, a trigger's UPDATE)
 * the locks are looked at behind each, and it is that one: the others of the group are as foreseen.
 */
static size_t measure_read_guess(struct measure_reader *reader, size_t last,
                                 const struct measure_live *live)
{
    const struct measure_look *looks = reader->log->looks;
    bool anything = looks[last].operation != NULL && !looks[last].foreseen;
    size_t whose = last;
    size_t count = 0;

    for (size_t i = reader->group; i <= last; i++) {
        if (looks[i].operation != NULL) {
            whose = i;
            count += looks[i].foreseen ? 1 : 0;
        }
    }
    bool many = count > 1 || (count == 1 && !looks[whose].foreseen);
    if (many && !anything && measure_read_matters(live)) {
        reader->unsure = true;
    }
    return whose;
}

static void measure_read_share(struct measure_reader *reader, size_t last)
{
    for (struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        const struct measure_live *about = l;
        bool found = !measure_read_differs(l);

        for (size_t i = 0; i < MEASURE_READ_OWNERS_MAX && about != NULL && !found; i++) {
            found = measure_read_find_foreseen(reader, last, l, about->name, false, &l->whose) ||
                    measure_read_find_foreseen(reader, last, l, about->name, true, &l->whose);
            about = about->of == 0 ? NULL : measure_read_find(reader, about->of);
        }
        if (!found) {
            l->whose = measure_read_guess(reader, last, l);
        }
    }
}

/* ---- what a statement did ---- */

/* TRUNCATE gives a table new files, all of nothing. */
static bool measure_read_empties(const struct sql_statement *statement)
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

static void measure_read_work(struct measure_live *live, bool empties, struct measure_work *work)
{
    bool rewritten = live->seen_file != live->file && live->file != 0 && !empties;

    if (rewritten && measure_read_is_table(live)) {
        work->rewrites[work->rewrite_count++] = live->name;
    }
    work->rebuilds = work->rebuilds || (rewritten && measure_read_is_index(live));
    if (live->seen_scans > live->scans && measure_read_is_table(live) && !empties) {
        work->scans[work->scan_count++] = live->name;
    }
    live->scans = live->seen_scans;
    live->file = live->seen_file;
}

static enum lint_mode measure_read_strongest(const struct measure_reader *reader)
{
    enum lint_mode strongest = LINT_NO_LOCK;

    for (const struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        strongest = l->held > strongest ? l->held : strongest;
    }
    return strongest;
}

static void measure_read_add_locks(struct measure_reader *reader, struct measured_statement *to)
{
    struct measured_lock *locks =
        arena_alloc_array(reader->arena, MEASURE_NAMES_MAX, sizeof(*locks));

    for (int mode = LINT_ACCESS_EXCLUSIVE; mode >= LINT_SHARE_UPDATE_EXCLUSIVE; mode--) {
        for (const struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
            if (l->is_new && l->held == (enum lint_mode)mode && !measure_read_is_index(l) &&
                to->lock_count < MEASURE_NAMES_MAX) {
                locks[to->lock_count++] =
                    (struct measured_lock){ .relation = l->name,
                                            .mode = lint_mode_name((enum lint_mode)mode) };
            }
        }
    }
    to->locks = locks;
}

static struct trace_measure *measure_read_trace(struct measure_reader *reader,
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
                                                              .index = measure_read_is_index(l),
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
    trace->grows = works && measure_read_strongest(reader) >= LINT_SHARE;
    return trace;
}

static uint64_t measure_read_since(uint64_t before, uint64_t after)
{
    return after > before ? after - before : 0; /* somebody may set the clock back */
}

/* All that the statement of the look `index` has changed. */
static void measure_read_take(struct measure_reader *reader, size_t index,
                              struct measure_work *work)
{
    const struct measure_look *look = &reader->log->looks[index];
    bool statement = look->operation != NULL;
    bool empties = statement && measure_read_empties(look->statement);
    size_t number = statement || reader->count == 0 ? reader->count : reader->count - 1;

    for (struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        l->is_new = false;
        if (measure_read_differs(l) && l->whose == index) {
            if (l->seen > l->held) {
                measure_read_lock(l, look[-1].at_us, number);
            }
            measure_read_work(l, empties, work);
        }
    }
}

static void measure_read_statement(struct measure_reader *reader, size_t index,
                                   struct measure_work *work)
{
    struct measured_statement *to = &reader->statements[reader->count];
    const struct measure_look *look = &reader->log->looks[index];
    const struct operation *operation = look->operation->operation;

    measure_read_take(reader, index, work);
    *to = (struct measured_statement){
        .file = look->down ? operation->down_path : operation->path,
        .statement = look->statement->number,
        .line = look->statement->line,
        .took_us = measure_read_since(look[-1].at_us, look->at_us),
        .rows = look->rows,
        .wal_bytes = measure_read_since(look[-1].wal, look->wal),
        .rewrites = work->rewrites,
        .rewrite_count = work->rewrite_count,
        .scans = work->scans,
        .scan_count = work->scan_count,
    };
    measure_read_add_locks(reader, to);
    reader->measure->rewrites += (uint32_t)work->rewrite_count;
    reader->measure->scans += (uint32_t)work->scan_count;
    reader->measure->rows += look->rows;
    reader->count++;
    if (reader->visit != NULL) {
        reader->visit(reader->context, look, measure_read_trace(reader, to, work));
    }
    to->rewrite_count =
        to->rewrite_count > MEASURE_NAMES_MAX ? MEASURE_NAMES_MAX : to->rewrite_count;
    to->scan_count = to->scan_count > MEASURE_NAMES_MAX ? MEASURE_NAMES_MAX : to->scan_count;
}

/* A look at locks: what it sees is shared out among the statements since the one before. */
static void measure_read_settle(struct measure_reader *reader, size_t last)
{
    size_t most = HASH_COUNT(reader->live) + 1;

    measure_read_see(reader, &reader->log->looks[last]);
    measure_read_share(reader, last);
    for (size_t i = reader->group; i <= last; i++) {
        struct measure_work work = {
            .rewrites = arena_alloc_array(reader->arena, most, sizeof(*work.rewrites)),
            .scans = arena_alloc_array(reader->arena, most, sizeof(*work.scans)),
        };

        if (reader->log->looks[i].operation != NULL) {
            measure_read_statement(reader, i, &work);
        } else { /* a bound: what is between two transactions */
            measure_read_take(reader, i, &work);
        }
    }
    reader->group = last + 1;
}

/* The transaction ends: now it is known how long its locks are held. */
static void measure_read_end(struct measure_reader *reader, uint64_t at_us)
{
    struct task_measure *measure = reader->measure;

    for (struct measure_live *l = reader->live; l != NULL; l = l->hh.next) {
        uint64_t blocked_us = l->blocked_us == 0 ? 0 : measure_read_since(l->blocked_us, at_us);
        uint64_t exclusive_us =
            l->exclusive_us == 0 ? 0 : measure_read_since(l->exclusive_us, at_us);
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

static uint64_t measure_read_weight(const struct measured_statement *statement)
{
    return statement->blocked_us > statement->took_us ? statement->blocked_us : statement->took_us;
}

static int measure_read_compare(const void *a, const void *b)
{
    uint64_t x = measure_read_weight(a);
    uint64_t y = measure_read_weight(b);

    return x > y ? -1 : x < y;
}

static void measure_read_finish(struct measure_reader *reader)
{
    struct task_measure *measure = reader->measure;
    size_t most = MEASURE_STATEMENTS_MAX;

    if (reader->count > 1) {
        qsort(reader->statements, reader->count, sizeof(*reader->statements), measure_read_compare);
    }
    measure->statements = (uint32_t)reader->count;
    measure->worst = reader->statements;
    measure->worst_count = reader->count < most ? reader->count : most;
    measure->sequences = reader->sequences;
    if (measure->sequence_count > MEASURE_NAMES_MAX) {
        measure->sequence_count = MEASURE_NAMES_MAX;
    }
}

struct task_measure *measure_read(const struct measure_log *log, struct measure_live *live,
                                  size_t live_count, measure_visit *visit, void *context,
                                  struct arena *arena, bool *ret_unsure)
{
    struct measure_reader reader = {
        .log = log, .arena = arena, .group = 1, .visit = visit, .context = context
    };

    *ret_unsure = false;
    if (log->count < 2 || !log->looks[0].bound || !log->looks[log->count - 1].bound) {
        return NULL;
    }
    for (size_t i = 0; i < live_count; i++) {
        if (measure_read_find(&reader, live[i].oid) == NULL) {
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

        if (!look->light) {
            measure_read_settle(&reader, i);
        }
        if (!look->bound) {
            continue;
        }
        /* What was locked between two transactions is no part of the run, such as a way back that
         * is rehearsed: known from then on, but not counted. */
        bool between = look[-1].bound;
        measure_read_end(&reader, between ? look[-1].at_us : look->at_us);
        if (!between) {
            reader.measure->took_us += measure_read_since(began_us, look->at_us);
            reader.measure->wal_bytes += measure_read_since(look[-1].wal, look->wal);
        }
        began_us = look->at_us;
    }
    for (size_t i = 0; i < reader.count; i++) {
        reader.measure->wal_bytes += reader.statements[i].wal_bytes;
    }
    measure_read_finish(&reader);
    HASH_CLEAR(hh, reader.live);
    *ret_unsure = reader.unsure;
    return reader.measure;
}
