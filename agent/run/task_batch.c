#include "agent/run/task_batch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/ledger_found.h"
#include "agent/run/task_clean.h"
#include "agent/run/task_hook.h"
#include "agent/run/task_ledger.h"
#include "agent/run/task_looks.h"
#include "agent/run/task_opening.h"
#include "agent/run/task_piece.h"
#include "agent/run/task_sql.h"
#include "agent/run/task_text.h"
#include "agent/run/task_words.h"
#include "common/core/crash.h"
#include "common/core/memory.h"
#include "common/model/semver.h"

enum { TASK_DROP_COUNT = 3 };

static const char task_settings_sql[] = "SELECT " TASK_SETTINGS;
/* When a script began, by its place in the task. */
static const char task_mark_format[] =
    "SELECT pg_catalog.set_config('skein.m%zu', pg_catalog.clock_timestamp()::text, true)";

static const char task_drop_begin_sql[] = "SELECT skein.task_drop_begin($1, $2, $3::bigint)";
static const char task_drop_end_sql[] = "SELECT skein.task_drop_end($1, $2, $3::bigint)";
/* A rehearsal of the way back: what the schema is like before a script runs, and after all of them
 * have been undone. */
static const char task_rehearse_sql[] = "SELECT skein.rehearsal_begin($1)";
static const char task_compare_sql[] = "SELECT skein.rehearsal_compare($1)";

static bool task_batch_splits(void)
{
    return crash_is_wanted("before_fence") || crash_is_wanted("after_begin") ||
           crash_is_wanted("before_commit");
}

void task_batch_add(struct task_batch *b, struct task_tag tag, const char *sql,
                    const char *const *parameters, size_t parameter_count)
{
    b->tags = memory_reserve(b->tags, b->tag_count, &b->tag_capacity, sizeof(*b->tags));
    b->tags[b->tag_count] = tag;
    pg_batch_add(b->batch, sql, parameters, parameter_count, b->tag_count);
    b->tag_count++;
}

void task_batch_add_step(struct task_batch *b, enum task_step step, const char *sql)
{
    task_batch_add(b, (struct task_tag){ .step = step }, sql, NULL, 0);
}

static void task_batch_absorb_settled(struct task_outcome_report *report,
                                      const struct pg_result *rows)
{
    if (pg_result_row_count(rows) == 1) {
        (void)snprintf(report->settled_version, sizeof(report->settled_version), "%s",
                       pg_result_text(rows, 0, 0));
        (void)snprintf(report->settled_rollout, sizeof(report->settled_rollout), "%s",
                       pg_result_text(rows, 0, 1));
    }
}

/* One row for each repeatable script that has to run, with its number from 1. */
static void task_batch_absorb_changed(struct task_batch *b, const struct pg_result *rows)
{
    size_t known = prepared_set_model(b->order->task->set)->repeatable_count;
    size_t count = pg_result_row_count(rows);

    b->repeats.items = arena_alloc_array(&b->arena, count, sizeof(*b->repeats.items));
    for (size_t i = 0; i < count; i++) {
        uint64_t number = pg_result_u64(rows, i, 0);

        if (number >= 1 && number <= known) {
            b->repeats.items[b->repeats.count++] = (size_t)number - 1;
        }
    }
}

static void task_batch_absorb(struct task_batch *b, const struct pg_batch_report *answers)
{
    struct task_outcome_report *report = b->report;

    if (answers->failed && !report->failed) {
        const struct task_tag *tag = &b->tags[answers->items[answers->failed_index].tag];

        if (tag->step != TASK_STEP_CLEAN) {
            report->failed = true;
            report->failed_step = tag->step;
            report->operation = tag->operation;
            report->statement = tag->statement;
            report->down = tag->down;
            report->error = answers->error;
        }
    }
    if (answers->lost && !report->lost) {
        report->lost = true;
        if (!report->failed) {
            report->error = answers->error;
        }
    }
    size_t cleaned = 0;
    for (size_t i = 0; i < answers->count; i++) {
        const struct pg_batch_item *item = &answers->items[i];
        enum task_step step = b->tags[item->tag].step;

        if (item->step == PG_STEP_DONE && step == TASK_STEP_COMMIT) {
            report->end_answered = true;
            report->committed = strcmp(pg_result_tag(item->result), "COMMIT") == 0;
        } else if (item->step == PG_STEP_DONE && step == TASK_STEP_CLEAN) {
            cleaned++;
        } else if (item->step == PG_STEP_DONE && b->tags[item->tag].stamps) {
            report->stamp = task_opening_stamp(b, item->result);
        } else if (item->step == PG_STEP_DONE && step == TASK_STEP_LOOK &&
                   pg_result_row_count(item->result) == 1) {
            (void)snprintf(report->fingerprint, sizeof(report->fingerprint), "%s",
                           pg_result_text(item->result, 0, 0));
        } else if (item->step == PG_STEP_DONE && step == TASK_STEP_SETTLE) {
            task_batch_absorb_settled(report, item->result);
        } else if (item->step == PG_STEP_DONE && step == TASK_STEP_CHANGED) {
            task_batch_absorb_changed(b, item->result);
        } else if (item->step == PG_STEP_DONE && step == TASK_STEP_FOUND &&
                   !ledger_found(b->order->task, item->result, report->found_version,
                                 &report->error)) {
            report->failed = true; /* the table tells no version that could be written */
            report->failed_step = TASK_STEP_FOUND;
        }
    }
    report->clean = cleaned == task_clean_count();
}

static void task_batch_absorb_warnings(struct task_batch *b, const struct pg_batch_report *answers)
{
    struct task_outcome_report *report = b->report;

    for (size_t i = 0; i < answers->warning_count; i++) {
        const struct pg_warning *from = &answers->warnings[i];
        const struct task_tag *tag =
            from->index < answers->count ? &b->tags[answers->items[from->index].tag] : NULL;
        if (tag == NULL || tag->step != TASK_STEP_SCRIPT ||
            report->warning_count == WARNINGS_PER_TRY_MAX) {
            continue;
        }
        struct task_warning *warning = &report->warnings[report->warning_count++];
        warning->operation = tag->operation;
        warning->statement = tag->statement;
        warning->down = tag->down;
        memcpy(warning->sqlstate, from->sqlstate, sizeof(warning->sqlstate));
        memcpy(warning->message, from->message, sizeof(warning->message));
    }
}

static void task_batch_send(struct task_batch *b)
{
    const struct pg_batch_report *answers = NULL;

    b->sent = b->tag_count;
    pg_batch_run(b->batch, &answers);
    task_batch_absorb(b, answers);
    task_looks_absorb(b, answers);
    task_batch_absorb_warnings(b, answers);
}

/* A point in the middle of the transaction at which a test build may die or stand still. */
void task_batch_cut(struct task_batch *b, const char *crash_name)
{
    if (b->splits && !b->report->failed && !b->report->lost) {
        task_batch_send(b);
        if (!b->report->failed && !b->report->lost) {
            crash_point(crash_name);
        }
    }
}

bool task_batch_is_broken(const struct task_batch *b)
{
    return b->report->failed || b->report->lost;
}

static void task_batch_set_settings(struct task_batch *b)
{
    const struct executor_options *options = b->order->options;
    const struct executor_task *task = b->order->task;
    struct arena *arena = &b->arena;
    bool asynchronous = b->order->asynchronous && !b->order->settle;

    b->settings[0] = options->database_mode ? NULL : task_text_identifier(arena, task->tenant);
    b->settings[1] = arena_printf(arena, "%" PRIu64 "ms", task->lock_timeout_ms);
    b->settings[2] =
        arena_printf(arena, "%" PRIu64 "ms", executor_task_statement_ms(task, options));
    b->settings[3] = asynchronous ? "off" : NULL;
}

void task_batch_add_settings_first(struct task_batch *b)
{
    task_batch_add_step(b, TASK_STEP_BEGIN, "BEGIN ISOLATION LEVEL READ COMMITTED");
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN }, task_settings_sql, b->settings,
                   TASK_SETTING_COUNT);
}

void task_batch_say(struct task_batch *b, enum task_step step, const struct task_words *words)
{
    task_batch_add(b, (struct task_tag){ .step = step }, words->sql, words->parameters,
                   words->count);
}

/* A task that was given out for this has a token above all that came before. One that is cancelled
 * fences its own earlier try out, which may only be about to begin: its data may still lie in the
 * buffers of a server that stands still. */
static void task_batch_add_settle(struct task_batch *b)
{
    task_batch_add_settings_first(b);
    task_batch_say(b, TASK_STEP_SETTLE, task_words_settle(&b->arena, b->order->task));
}

void task_batch_find_changed(struct task_batch *b)
{
    task_batch_say(b, TASK_STEP_CHANGED, task_words_changed(&b->arena, b->order->task));
    task_batch_send(b);
}

/* A lock that live traffic holds on a table is waited for in the middle, as for any script. */
static void task_batch_add_drop(struct task_batch *b)
{
    const struct executor_task *task = b->order->task;
    struct arena *arena = &b->arena;
    const char **p = arena_alloc_array(arena, 2 * (size_t)TASK_DROP_COUNT, sizeof(*p));

    p[0] = task->tenant;
    p[1] = prepared_set_model(task->set)->name;
    p[2] = arena_printf(arena, "%" PRIu64, task->token);
    p[3] = task->tenant;
    p[4] = task->rollout;
    p[5] = p[2];
    task_batch_add_settings_first(b);
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN }, task_drop_begin_sql, p,
                   TASK_DROP_COUNT);
    task_batch_cut(b, "after_begin");
    task_batch_add_step(b, TASK_STEP_END,
                        arena_printf(arena, "DROP SCHEMA IF EXISTS %s CASCADE", b->settings[0]));
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_END }, task_drop_end_sql, p + 3,
                   TASK_DROP_COUNT);
}

void task_batch_add_ledger(void *batch, enum task_step step, const char *sql,
                           const char *const *parameters, size_t parameter_count)
{
    task_batch_add(batch, (struct task_tag){ .step = step }, sql, parameters, parameter_count);
}

/* What a script set is put right before anything else runs: the next script of the tenant, and
 * task_end, want the role and the path that they know. */
static void task_batch_add_settings(struct task_batch *b)
{
    task_batch_add_step(b, TASK_STEP_END, "RESET SESSION AUTHORIZATION");
    task_batch_add_step(b, TASK_STEP_END, "RESET ROLE");
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_END }, task_settings_sql, b->settings,
                   TASK_SETTING_COUNT);
}

void task_batch_add_operation(struct task_batch *b, const struct prepared_operation *operation,
                              bool down)
{
    const struct prepared_file *file = down ? &operation->down : &operation->up;
    const struct operation_settings *settings =
        down ? &operation->operation->down_settings : &operation->operation->settings;
    bool own_settings = settings->lock_timeout_ms != 0 || settings->statement_timeout_ms != 0;

    task_hook_tell(b, operation->operation);
    task_looks_before(b, file);
    if (settings->lock_timeout_ms != 0) {
        task_batch_add_step(b, TASK_STEP_BEGIN,
                            arena_printf(&b->arena, "SET LOCAL lock_timeout = %" PRIu64,
                                         settings->lock_timeout_ms));
    }
    if (settings->statement_timeout_ms != 0) {
        task_batch_add_step(b, TASK_STEP_BEGIN,
                            arena_printf(&b->arena, "SET LOCAL statement_timeout = %" PRIu64,
                                         settings->statement_timeout_ms));
    }
    for (size_t i = 0; i < file->script.count; i++) {
        struct task_tag tag = { .step = TASK_STEP_SCRIPT,
                                .operation = operation,
                                .statement = &file->script.statements[i],
                                .down = down };

        task_batch_add(b, tag, tag.statement->text, NULL, 0);
        task_looks_after(b, &tag, file, i);
    }
    if (own_settings || file->changes_settings) {
        task_batch_add_settings(b);
    }
    task_looks_behind(b, operation, down);
}

void task_batch_add_mark(struct task_batch *b, size_t number)
{
    if (number <= TASK_MARKS_MAX) {
        task_batch_add_step(b, TASK_STEP_END, arena_printf(&b->arena, task_mark_format, number));
    }
}

/* Another row of the history begins here; the time of the first is taken with the beginning. Each
 * is a setting of its own, and the server sorts all of them whenever there is a new one: so not
 * every script of a very long way has its time. */
static void task_batch_mark(struct task_batch *b)
{
    b->rows++;
    if (b->rows > 1) {
        task_batch_add_mark(b, b->rows);
    }
}

/* The rollback of one migration, last operation first. */
static void task_batch_add_down(struct task_batch *b, size_t migration)
{
    const struct executor_task *task = b->order->task;
    const struct set *set = prepared_set_model(task->set);

    for (size_t o = set->migrations[migration].operation_count; o > 0; o--) {
        task_batch_add_operation(b, prepared_set_operation(task->set, migration, o - 1), true);
    }
}

static void task_batch_add_undo(struct task_batch *b)
{
    const struct task_undo *undo = b->order->undo;

    for (size_t i = 0; i < undo->count; i++) {
        task_batch_mark(b);
        task_batch_add_down(b, undo->migrations[i]);
    }
    if (undo->count > 0) {
        task_batch_add_step(b, TASK_STEP_END, "SET CONSTRAINTS ALL IMMEDIATE");
    }
}

static void task_batch_add_up(struct task_batch *b)
{
    const struct executor_task *task = b->order->task;
    const struct set *set = prepared_set_model(task->set);
    const struct plan *plan = b->order->plan;

    if (task_ledger_reads(task)) {
        task_ledger_read(task, &b->arena, task_batch_add_ledger, b);
        task_batch_send(b); /* the version that is written next follows from the answer */
        return;
    }
    task_ledger_check(task, plan->first, plan->count, task_text_start(task)[0] == '\0', &b->arena,
                      task_batch_add_ledger, b);
    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        task_batch_mark(b);
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            task_batch_add_operation(b, prepared_set_operation(task->set, m, o), false);
        }
    }
    if (task->mode == TASK_BASELINE || task_text_goes_further(task, plan)) {
        task_batch_mark(b);
    }
    for (size_t i = 0; i < b->repeats.count; i++) {
        task_batch_mark(b);
        task_batch_add_operation(b, prepared_set_repeatable(task->set, b->repeats.items[i]), false);
    }
    task_hook_add(b, SET_HOOK_AFTER_TENANT);
    /* Deferred constraints are checked here in both modes, so that a dry run sees what the commit
     * would see, under the tenant's own path. */
    if (task_hook_has_work(b)) {
        task_batch_add_step(b, TASK_STEP_END, "SET CONSTRAINTS ALL IMMEDIATE");
    }
}

/* Up, down, and compare. What follows is the way up as it always is. (Repeatable scripts have no
 * way back.) */
static void task_batch_add_rehearsal(struct task_batch *b)
{
    const struct plan *plan = b->order->plan;
    const struct executor_task *task = b->order->task;
    const struct set *set = prepared_set_model(task->set);
    const char **p = arena_alloc_array(&b->arena, 1, sizeof(*p));

    p[0] = b->order->options->database_mode ? "" : task->tenant;
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN }, task_rehearse_sql, p, 1);
    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            task_batch_add_operation(b, prepared_set_operation(task->set, m, o), false);
        }
    }
    task_batch_add_step(b, TASK_STEP_END, "SET CONSTRAINTS ALL IMMEDIATE");
    task_looks_end(b);
    for (size_t m = plan->first + plan->count; m > plan->first; m--) {
        task_batch_add_down(b, m - 1);
    }
    task_batch_add_step(b, TASK_STEP_END, "SET CONSTRAINTS ALL IMMEDIATE");
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_END }, task_compare_sql, p, 1);
}

static void task_batch_add_scripts(struct task_batch *b)
{
    const struct executor_task *task = b->order->task;

    if (b->order->undo != NULL) {
        task_batch_add_undo(b);
        return;
    }
    task_hook_add(b, SET_HOOK_BEFORE_TENANT);
    if (task->rehearse_rollback && task->mode == TASK_DRY_RUN && b->order->plan->count > 0) {
        task_batch_add_rehearsal(b);
    }
    task_batch_add_up(b);
}

static void task_batch_add_end(struct task_batch *b)
{
    const struct executor_options *options = b->order->options;
    const struct executor_task *task = b->order->task;
    const struct task_undo *undo = b->order->undo;
    const struct plan *plan = b->order->plan;
    struct arena *arena = &b->arena;
    struct executor_task told = *task;

    if (b->report->found_version[0] != '\0') {
        told.target = b->report->found_version; /* by another tool's table */
    }
    if (undo != NULL) {
        task_ledger_undo(task, undo->count == 0 ? 0 : undo->migrations[undo->count - 1],
                         undo->count, arena, task_batch_add_ledger, b);
        task_batch_say(b, TASK_STEP_END, task_words_undo_end(arena, options, task, undo));
        return;
    }
    task_ledger_write(task, plan->first, plan->count, arena, task_batch_add_ledger, b);
    task_batch_say(b, TASK_STEP_END, task_words_end(arena, options, &told, plan, &b->repeats));
    if (b->order->plan->repeatables) {
        task_batch_say(b, TASK_STEP_END, task_words_repeated(arena, task));
    }
}

static bool task_batch_looks(const struct executor_task *task)
{
    return task->mode == TASK_DRY_RUN && task->dry_run_step == DRY_RUN_STEP_LOOK;
}

static void task_batch_add_whole(struct task_batch *b)
{
    if (b->order->settle) {
        task_batch_add_settle(b);
        return;
    }
    if (b->order->task->mode == TASK_DROP) {
        task_batch_add_drop(b);
    } else {
        task_opening_add(b);
        if (task_batch_looks(b->order->task) && !task_batch_is_broken(b)) {
            task_opening_add_look(b);
            return;
        }
        if (!task_batch_is_broken(b)) {
            task_batch_add_scripts(b);
        }
        if (!task_batch_is_broken(b)) {
            task_batch_add_end(b);
            task_looks_bound(b);
        }
    }
    if (!task_batch_is_broken(b)) {
        task_batch_cut(b, "before_commit");
    }
}

void task_batch_run(struct pg_conn *conn, struct pg_batch *batch, const struct task_order *order,
                    struct task_outcome_report *ret_report)
{
    struct task_batch b = { .conn = conn,
                            .batch = batch,
                            .order = order,
                            .splits = task_batch_splits(),
                            .looks = { .each = true }, /* until it begins */
                            .report = ret_report };

    memset(ret_report, 0, sizeof(*ret_report));
    pg_conn_set_patience(conn, task_piece_patience_ms(order));
    crash_point("before_begin");
    task_batch_set_settings(&b);
    task_looks_fresh(&b);
    if (order->step != NULL) {
        task_piece_add(&b);
    } else {
        task_batch_add_whole(&b);
    }
    /* In segments of their own: COMMIT has to be answered whatever happened before (after a failure
     * it is the ROLLBACK, in the same round trip), and so has the cleaning. */
    if (order->step == NULL || order->step->closes) {
        pg_batch_end_segment(batch);
        task_batch_add_step(&b, TASK_STEP_COMMIT,
                            task_mode_is_dry(order->task->mode) || ret_report->failed ? "ROLLBACK"
                                                                                      : "COMMIT");
    }
    if (order->step == NULL) {
        pg_batch_end_segment(batch);
        for (size_t i = 0; i < task_clean_count(); i++) {
            task_batch_add_step(&b, TASK_STEP_CLEAN, task_clean_sql(i));
        }
    }
    if (!ret_report->lost && b.tag_count > b.sent) {
        task_batch_send(&b);
    }
    ret_report->repeated = b.repeats.count;
    pg_conn_set_patience(conn, PG_QUERY_MAX_MS);
    if (ret_report->committed) {
        crash_point("after_commit");
    }
    free(b.tags);
    arena_release(&b.arena);
}
