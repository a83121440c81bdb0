#include "agent/run/state_rename.h"

#include <string.h>

#include "agent/run/state_step.h"
#include "agent/run/task_text.h"
#include "common/core/crash.h"

struct state_rename_run {
    struct state_writer *writer;
    const struct state_link *link;
    struct arena *arena;
    const char *const *streams;
    size_t count;
    struct state_position *position;
    struct runner_report *report;
};

static void state_rename_note(const struct state_rename_run *run, size_t from, size_t to,
                              const char *words)
{
    for (size_t i = from; i < to; i++) {
        state_position_note(run->position, run->writer->call->arena, run->streams[i], words, true);
    }
}

/* Those that have no entry under their new name now: they had none under the old one. */
static enum state_tried state_rename_miss(const struct state_rename_run *run,
                                          const char *const parameters[2],
                                          struct pg_error *ret_error)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct runner_call *call = run->writer->call;
    struct error err = { 0 };

    if (!pg_query(state_link_conn(run->link, call), run->writer->sql->missing, parameters, 2, &rows,
                  ret_error, &err)) {
        (void)state_link_fail(call, run->link, ret_error, run->report);
        return STATE_TRIED_BROKEN;
    }
    for (size_t i = 0; i < pg_result_row_count(rows); i++) {
        state_position_note(run->position, call->arena, pg_result_text(rows, i, 0),
                            "it has no entry in the registry", true);
    }
    return STATE_TRIED;
}

static enum state_tried state_rename_few(const struct state_rename_run *run, size_t at,
                                         size_t count, struct pg_error *ret_error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct state_sql *sql = run->writer->sql;
    const char **targets = arena_alloc_array(&arena, count, sizeof(*targets));

    for (size_t i = 0; i < count; i++) {
        targets[i] = state_sql_target(sql, run->streams[at + i], &arena);
    }
    const char *const parameters[] = { task_text_array(&arena, run->streams + at, count),
                                       task_text_array(&arena, targets, count) };
    enum state_tried tried = state_step_try(run->writer->call, run->link, sql->rename, parameters,
                                            COUNT_OF(parameters), ret_error, run->report);

    return tried == STATE_TRIED ? state_rename_miss(run, parameters, ret_error) : tried;
}

/* In a transaction that is open. False: it is of no more use. */
static bool state_rename_all(const struct state_rename_run *run)
{
    const struct runner_call *call = run->writer->call;
    size_t most = run->count;
    size_t at = 0;

    while (at < run->count) {
        size_t count = most < run->count - at ? most : run->count - at;
        struct pg_error error = { 0 };
        enum state_tried tried = state_rename_few(run, at, count, &error);

        if (tried == STATE_TRIED_BROKEN) {
            return false;
        }
        bool stopped = tried == STATE_TRIED_REFUSED && strcmp(error.sqlstate, "57014") == 0 &&
                       call->why(call->context) != TASK_CODE_NONE;
        if (stopped) { /* to be tried again: no fault of any stream's */
            return state_link_fail(call, run->link, &error, run->report);
        }
        if (call->is_cancelled(call->context)) {
            return runner_fail(call, run->report, TASK_CODE_CANCELLED,
                               "cancelled between a page of streams and its registry entries");
        }
        if (tried == STATE_TRIED) {
            at += count;
            most = 2 * count;
        } else if (count > 1 && state_link_is_own(&error)) {
            most = count / 2;
        } else { /* its own fault; or anybody's, and then the others need not try */
            size_t to = state_link_is_own(&error) ? at + count : run->count;

            state_rename_note(run, at, to,
                              arena_printf(run->arena, "its registry entry: %s (%s)", error.message,
                                           error.sqlstate));
            at = to;
        }
    }
    return true;
}

static bool state_rename_here(const struct state_rename_run *run)
{
    const struct runner_call *call = run->writer->call;

    if (run->writer->rehearses) {
        return state_rename_all(run);
    }
    return (state_step_begin(call, run->report) && state_rename_all(run) &&
            state_step_commit(call, NULL, run->report)) ||
           state_step_abort(call, run->report);
}

/* Another database that is away is no reason to stop: the next page tries it again. */
static bool state_rename_elsewhere(const struct state_rename_run *run)
{
    const struct runner_call *call = run->writer->call;
    struct state_link *link = &run->writer->registry;
    struct runner_report why = { 0 };
    struct state_rename_run tries = *run;
    uint64_t warnings = run->position->warnings;

    tries.report = &why;
    if (link->conn == NULL || pg_conn_is_lost(link->conn)) {
        state_link_release(link);
        if (!state_link_open(call, run->writer->sql->registry_database, false, link, &why)) {
            state_rename_note(run, 0, run->count, why.problem.message);
            return true;
        }
    }
    if (state_step_open(call, link, &why) && state_rename_all(&tries) &&
        state_step_close(call, link, !run->writer->rehearses, &why)) {
        return true;
    }
    state_step_leave(link);
    if (call->is_cancelled(call->context)) {
        return runner_fail(call, run->report, TASK_CODE_CANCELLED,
                           "cancelled between a page of streams and its registry entries");
    }
    if (run->position->warnings == warnings) {
        state_rename_note(run, 0, run->count, why.problem.message);
    }
    return true;
}

bool state_rename(struct state_writer *writer, struct arena *arena, struct state_position *position,
                  struct runner_report *report)
{
    const struct state_rename_run run = { .writer = writer,
                                          .link = &writer->registry,
                                          .arena = arena,
                                          .streams = position->pending,
                                          .count = position->pending_count,
                                          .position = position,
                                          .report = report };

    if (position->pending_count == 0 || !state_writer_renames(writer)) {
        return true;
    }
    crash_point("state_before_rename");
    bool done = writer->sql->registry_database[0] != '\0' ? state_rename_elsewhere(&run)
                                                          : state_rename_here(&run);
    position->pending = NULL;
    position->pending_count = 0;
    crash_point("state_renamed");
    return done;
}
