#include "agent/run/runner_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/run/runner_step.h"
#include "agent/run/state_look.h"
#include "agent/run/state_rename.h"
#include "agent/run/state_sql.h"
#include "agent/run/state_team.h"
#include "agent/run/state_undo.h"
#include "agent/run/state_write.h"
#include "common/core/memory.h"

enum { RUNNER_STATE_POSITION_BYTES = 64 << 10 };

struct runner_state_run {
    const struct runner_call *call;
    struct runner_report *report;
    bool rehearses;
    struct state_sql sql;
    struct state_view view;
    struct state_team team;
    struct state_writer writer;
    struct state_position position; /* its streams live in `page` or in the call's arena */
    struct arena page;
    uint64_t total; /* streams, when it began */
};

static const struct set_state *runner_state_set(const struct runner_call *call)
{
    return call->operation->operation->state;
}

static void runner_state_release(struct runner_state_run *run)
{
    state_writer_close(&run->writer);
    state_team_close(&run->team);
    state_view_close(&run->view);
    arena_release(&run->page);
}

static uint64_t runner_state_done(const struct runner_state_run *run)
{
    return run->position.migrated + run->position.skipped + run->position.errors;
}

/* ---- what is told ---- */

static const char *runner_state_words(const struct runner_state_run *run)
{
    const struct state_position *position = &run->position;

    return arena_printf(
        run->call->arena,
        "%" PRIu64 " migrated, %" PRIu64 " skipped, %" PRIu64 " errors, %" PRIu64 " warnings",
        position->migrated, position->skipped, position->errors, position->warnings);
}

static void runner_state_progress(const struct runner_state_run *run)
{
    char words[PROGRESS_BYTES_MAX + 1];

    (void)snprintf(words, sizeof(words), "%.64s: %.160s", run->call->operation->operation->stem,
                   runner_state_words(run));
    run->call->progress(run->call->context, runner_state_done(run), run->total, words);
}

/* The streams that failed, as far as they were noted, and how many more there are. */
static void runner_state_tell(const struct runner_state_run *run)
{
    const struct state_position *position = &run->position;
    uint64_t rest = position->errors + position->warnings - position->note_count;

    for (size_t i = 0; i < position->note_count; i++) {
        const struct state_note *note = &position->notes[i];

        runner_warn(run->call, run->report, note->registry ? TASK_CODE_REGISTRY : TASK_CODE_RUNNER,
                    "stream '%.200s': %s", note->stream, note->words);
    }
    if (rest > 0) {
        runner_warn(run->call, run->report, TASK_CODE_RUNNER,
                    "and %" PRIu64 " more: of all streams %" PRIu64 " failed, and of %" PRIu64
                    " the registry entry was not rewritten",
                    rest, position->errors, position->warnings);
    }
}

/* ---- one page ---- */

/* The results of the streams that were wanted, in their places among those of the page; returns up
 * to where there is no gap. */
static size_t runner_state_place(const bool *wanted, size_t count,
                                 const struct state_result *folded, size_t folded_count,
                                 struct state_result *ret_results)
{
    size_t taken = 0;

    for (size_t i = 0; i < count; i++) {
        if (!wanted[i]) {
            ret_results[i] = (struct state_result){ .outcome = STATE_SKIPPED };
        } else if (taken == folded_count) {
            return i;
        } else {
            ret_results[i] = folded[taken++];
        }
    }
    return count;
}

static bool runner_state_fold(struct runner_state_run *run, const char *const *streams,
                              const bool *wanted, size_t count, struct state_result *ret_results,
                              size_t *ret_done)
{
    const char **some = arena_alloc_array(&run->page, count, sizeof(*some));
    struct state_result *folded = arena_alloc_array(&run->page, count, sizeof(*folded));
    size_t some_count = 0;
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        if (wanted[i]) {
            some[some_count++] = streams[i];
        }
    }
    if (some_count > 0 &&
        !state_team_fold(&run->team, some, some_count, folded, &done, run->report)) {
        return false;
    }
    *ret_done = runner_state_place(wanted, count, folded, done, ret_results);
    return true;
}

/* Folds and writes what stands behind the position. *ret_more: there was something. */
static bool runner_state_page(struct runner_state_run *run, bool *ret_more)
{
    struct arena arena = { 0 };
    const char **streams = NULL;
    bool *wanted = NULL;
    size_t count = 0;
    size_t done = 0;
    bool read = state_look_page(&run->view, run->call, &run->sql, run->position.after,
                                run->sql.set->page, &arena, &streams, &wanted, &count, run->report);

    run->position.after = arena_strdup(&arena, run->position.after);
    arena_release(&run->page); /* that of the page before */
    run->page = arena;
    *ret_more = read && count > 0;
    if (!*ret_more) {
        return read;
    }
    struct state_result *results = arena_alloc_array(&run->page, count, sizeof(*results));
    return runner_state_fold(run, streams, wanted, count, results, &done) &&
           state_writer_page(&run->writer, streams, results, done, &run->page, &run->position,
                             run->report) &&
           state_rename(&run->writer, &run->page, &run->position, run->report);
}

static bool runner_state_store(const struct runner_state_run *run,
                               const struct state_position *position)
{
    CLEANUP(buf_release) struct buf text = { .size_max = RUNNER_STATE_POSITION_BYTES };

    state_position_put(position, &text);
    return runner_step_store(run->call, buf_text(&text), run->report);
}

/* More have failed than the author allows. The next try begins at the first stream again: then
 * whatever was wrong with them may be right. */
static bool runner_state_give_up(struct runner_state_run *run)
{
    const struct state_position beginning = { .after = "" };

    if (!run->rehearses && !runner_state_store(run, &beginning)) {
        return false;
    }
    runner_state_tell(run);
    return runner_fail(run->call, run->report, TASK_CODE_RUNNER,
                       "%" PRIu64 " streams have failed, and max_errors is %" PRIu64,
                       run->position.errors, run->sql.set->max_errors);
}

static bool runner_state_may_go_on(struct runner_state_run *run)
{
    if (run->position.errors > run->sql.set->max_errors) {
        return runner_state_give_up(run);
    }
    return !run->call->is_cancelled(run->call->context) ||
           runner_fail(run->call, run->report, TASK_CODE_CANCELLED,
                       "cancelled after %" PRIu64 " streams, which stay done",
                       runner_state_done(run));
}

/* ---- the runner ---- */

/* All that is needed before the first stream. */
static bool runner_state_begin(struct runner_state_run *run)
{
    const struct runner_call *call = run->call;
    struct runner_report looked = { 0 }; /* setup, or the dry run, has told what there is to warn */
    struct error err = { 0 };
    bool by_stream = false;

    if (!state_position_parse(call->position, call->arena, &run->position, &err)) {
        return runner_fail(call, run->report, TASK_CODE_RUNNER, "%s", err.message);
    }
    if (!state_look(&run->view, call, &run->sql, &by_stream,
                    run->rehearses ? run->report : &looked)) {
        run->report->problem = run->rehearses ? run->report->problem : looked.problem;
        run->report->interrupted = run->report->interrupted || looked.interrupted;
        return false;
    }
    if (!state_look_count(&run->view, call, &run->sql, &run->total, run->report)) {
        return false;
    }
    uint64_t enough = run->total / STATE_STREAMS_PER_WORKER + 1;
    size_t workers = enough < run->sql.set->workers ? (size_t)enough : run->sql.set->workers;

    run->total += runner_state_done(run);
    return state_team_open(&run->team, call, &run->sql, workers, run->rehearses, run->report) &&
           state_writer_open(&run->writer, call, &run->sql, by_stream, run->rehearses, run->report);
}

static bool runner_state_all(struct runner_state_run *run)
{
    bool more = true;

    /* What the try before could not end any more. */
    if (!state_rename(&run->writer, &run->page, &run->position, run->report)) {
        return false;
    }
    while (more) {
        if (!runner_state_may_go_on(run) || !runner_state_page(run, &more)) {
            return false;
        }
        runner_state_progress(run);
    }
    if (!runner_state_store(run, &run->position)) {
        return false;
    }
    runner_state_tell(run);
    run->report->output = runner_state_words(run);
    return true;
}

static bool runner_state_execute(const struct runner_call *call, struct runner_report *report)
{
    CLEANUP(runner_state_release)
    struct runner_state_run run = { .call = call, .report = report };

    state_sql_make(runner_state_set(call), call->task->tenant, call->arena, &run.sql);
    return state_view_open(&run.view, call, &run.sql, report) && runner_state_begin(&run) &&
           runner_state_all(&run);
}

/* What the agent's configuration has to allow. */
static bool runner_state_check(const struct runner_call *call, struct runner_report *report)
{
    struct state_program program;
    struct state_sql sql;

    state_sql_make(runner_state_set(call), call->task->tenant, call->arena, &sql);
    return state_link_check(call, sql.events_database, report) &&
           state_link_check(call, sql.snapshots_database, report) &&
           state_link_check(call, sql.registry_database, report) &&
           (call->down || sql.set->program == NULL || state_program_make(call, &program, report));
}

static bool runner_state_look(const struct runner_call *call, const struct state_sql *sql,
                              struct runner_report *report)
{
    CLEANUP(state_view_close) struct state_view view = { 0 };
    bool by_stream = false;

    return state_view_open(&view, call, sql, report) &&
           state_look(&view, call, sql, &by_stream, report) &&
           (!sql->set->rollback || state_look_untouched(&view, call, sql, report));
}

/* A position is there as soon as everything was found to be right, and before anything is written:
 * without one there is nothing to undo, and what has the new prefix is not ours. */
static bool runner_state_setup(const struct runner_call *call, struct runner_report *report)
{
    CLEANUP(buf_release) struct buf text = { .size_max = RUNNER_STATE_POSITION_BYTES };
    const struct state_position beginning = { .after = "" };
    struct state_sql sql;

    if (call->position[0] != '\0') {
        return true;
    }
    state_sql_make(runner_state_set(call), call->task->tenant, call->arena, &sql);
    state_position_put(&beginning, &text);
    return runner_state_check(call, report) && runner_state_look(call, &sql, report) &&
           runner_step_store(call, buf_text(&text), report);
}

static bool runner_state_rollback(const struct runner_call *call, struct runner_report *report)
{
    struct state_sql sql;

    if (call->done[0] == '\0') {
        return true;
    }
    state_sql_make(runner_state_set(call), call->task->tenant, call->arena, &sql);
    return state_undo(call, &sql, report);
}

/* The first page, which is folded and written as in the run, and taken back. */
static bool runner_state_dry_run(const struct runner_call *call, struct runner_report *report)
{
    CLEANUP(runner_state_release)
    struct runner_state_run run = { .call = call, .report = report, .rehearses = true };
    bool more = false;

    state_sql_make(runner_state_set(call), call->task->tenant, call->arena, &run.sql);
    if (call->down) {
        return state_undo_rehearse(call, &run.sql, report);
    }
    if (!state_view_open(&run.view, call, &run.sql, report) || !runner_state_begin(&run) ||
        (run.sql.set->rollback && !state_look_untouched(&run.view, call, &run.sql, report)) ||
        !runner_state_page(&run, &more) || !runner_state_may_go_on(&run)) {
        return false;
    }
    runner_state_progress(&run);
    runner_state_tell(&run);
    report->partial = runner_state_done(&run) < run.total;
    report->output = arena_printf(call->arena, "%" PRIu64 " streams; of the first %" PRIu64 ": %s",
                                  run.total, runner_state_done(&run), runner_state_words(&run));
    return true;
}

const struct runner runner_state = { .kind = OPERATION_STATE,
                                     .check = runner_state_check,
                                     .setup = runner_state_setup,
                                     .execute = runner_state_execute,
                                     .rollback = runner_state_rollback,
                                     .dry_run = runner_state_dry_run };
