#include "agent/run/task_opening.h"

#include <inttypes.h>
#include <string.h>

#include "agent/keep/fingerprint.h"
#include "agent/run/task_ledger.h"
#include "agent/run/task_looks.h"
#include "agent/run/task_sql.h"
#include "agent/run/task_text.h"
#include "agent/run/task_words.h"

#define TASK_BEGIN                                                                                 \
    ", skein.task_begin($5, $6, $7, $8, $9, $10, $11::bigint, $12, $13::text[], $14::text[]),"     \
    " set_config('skein.m1', clock_timestamp()::text, true)"
/* Behind task_begin, so that nobody who keeps to skein's locks changes the schema any more. */
#define TASK_STAMP ", skein.schema_stamp($12)"
#define TASK_UNCHANGED ", skein.task_unchanged($12, $15::bigint)"

#define TASK_UNDO                                                                                  \
    ", skein.undo_begin($5, $6, $7, $8, $9, $10, $11::bigint, $12, $13::text[], $14::text[]),"     \
    " set_config('skein.m1', clock_timestamp()::text, true)"

enum { TASK_BEGIN_COUNT = 14 };
/* The result's column of TASK_STAMP: behind the settings, and two of TASK_BEGIN. */
enum { TASK_STAMP_COLUMN = 8, TASK_STAMP_COLUMN_14 = 9 };

/* How a task begins: [of a server from 14 on]. */
static const char *const task_begin_sql[] = { "SELECT " TASK_SETTINGS TASK_BEGIN,
                                              "SELECT " TASK_SETTINGS TASK_SETTINGS_14 TASK_BEGIN };
static const char *const task_stamp_sql[] = {
    "SELECT " TASK_SETTINGS TASK_BEGIN TASK_STAMP,
    "SELECT " TASK_SETTINGS TASK_SETTINGS_14 TASK_BEGIN TASK_STAMP
};
static const char *const task_unchanged_sql[] = {
    "SELECT " TASK_SETTINGS TASK_BEGIN TASK_UNCHANGED,
    "SELECT " TASK_SETTINGS TASK_SETTINGS_14 TASK_BEGIN TASK_UNCHANGED
};
static const char *const task_undo_sql[] = { "SELECT " TASK_SETTINGS TASK_UNDO,
                                             "SELECT " TASK_SETTINGS TASK_SETTINGS_14 TASK_UNDO };
static size_t task_opening_is_new_server(const struct task_batch *b)
{
    return pg_conn_server_version(b->conn) >= 140000 ? 1 : 0;
}

/* The words that begin the task, and how many parameters they have. */
static const char *task_opening_sql(const struct task_batch *b, size_t *ret_count)
{
    const struct executor_task *task = b->order->task;
    const char *const *sql = task_begin_sql;

    *ret_count = TASK_BEGIN_COUNT;
    if (b->order->undo != NULL) {
        sql = task_undo_sql;
    } else if (task->mode == TASK_DRY_RUN) {
        sql = task_stamp_sql;
    } else if (task->mode == TASK_RUN && task->stamp != 0) {
        sql = task_unchanged_sql;
        *ret_count = TASK_BEGIN_COUNT + 1;
    }
    return sql[task_opening_is_new_server(b)];
}

void task_opening_add(struct task_batch *b)
{
    const struct task_undo *undo = b->order->undo;
    const struct executor_options *options = b->order->options;
    const struct executor_task *task = b->order->task;
    const struct set *set = prepared_set_model(task->set);
    struct arena *arena = &b->arena;
    const char **p = arena_alloc_array(arena, (size_t)TASK_BEGIN_COUNT + 1, sizeof(*p));
    size_t count = 0;
    struct task_text_rows applied = { 0 };

    const char *from = task_text_start(task);

    if (undo != NULL) {
        applied.scripts = task_text_array(arena, undo->scripts, undo->count);
    } else if (from[0] != '\0') {
        task_text_applied(arena, set, from, &applied);
    }
    memcpy(p, b->settings, sizeof(b->settings));
    p[4] = task->tenant;
    p[5] = set->name;
    p[6] = task->rollout;
    /* A walk goes on with what is half done. */
    p[7] = b->order->step != NULL || b->order->half_done ? "dry_walk" : task_mode_name(task->mode);
    p[8] = undo != NULL ? undo->from : from;
    p[9] = undo != NULL ? undo->start : task_ledger_reads(task) ? "" : task->target;
    p[10] = arena_printf(arena, "%" PRIu64, task->token);
    p[11] = options->database_mode ? "" : task->tenant;
    p[12] = applied.scripts != NULL ? applied.scripts : "{}";
    p[13] = applied.checksums != NULL ? applied.checksums : "{}";
    p[14] = arena_printf(arena, "%" PRIu64, task->stamp);
    bool makes = task->mode == TASK_CREATE && !task->staged;

    if (makes || task->baseline[0] != '\0') {
        task_batch_add_settings_first(b); /* how long locks are waited for, too */
    } else {
        task_batch_add_step(b, TASK_STEP_BEGIN, "BEGIN ISOLATION LEVEL READ COMMITTED");
    }
    task_batch_cut(b, "before_fence");
    if (makes && !task_batch_is_broken(b)) {
        task_batch_say(b, TASK_STEP_BEGIN, task_words_create(arena, task));
    }
    if (task->baseline[0] != '\0' && undo == NULL) {
        task_batch_say(b, TASK_STEP_BEGIN, task_words_adopt(arena, options, task));
    }
    const char *sql = task_opening_sql(b, &count);
    bool stamps = undo == NULL && task->mode == TASK_DRY_RUN;
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN, .stamps = stamps }, sql, p,
                   count);
    task_looks_begin(b);
    task_batch_cut(b, "after_begin");
    bool looks = task->mode == TASK_DRY_RUN && task->dry_run_step == DRY_RUN_STEP_LOOK;
    if (b->order->plan->repeatables && b->order->step == NULL && !looks &&
        !task_batch_is_broken(b)) {
        task_batch_find_changed(b);
    }
}

void task_opening_add_look(struct task_batch *b)
{
    struct fingerprint_words *words = arena_alloc(&b->arena, sizeof(*words));
    const char **p = arena_alloc_array(&b->arena, FINGERPRINT_SETTINGS, sizeof(*p));

    fingerprint_words_make(&b->arena, words);
    p[0] = b->order->options->database_mode ? "" : b->order->task->tenant;
    p[1] = words->lock_timeout;
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN }, words->prepare, p,
                   FINGERPRINT_SETTINGS);
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_LOOK }, words->ask, p, 1);
}

uint64_t task_opening_stamp(const struct task_batch *b, const struct pg_result *rows)
{
    return pg_result_u64(rows, 0,
                         task_opening_is_new_server(b) ? TASK_STAMP_COLUMN_14 : TASK_STAMP_COLUMN);
}
