#include "agent/run/runner_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/accident.h"
#include "agent/run/loose_repair.h"
#include "agent/run/loose_wait.h"
#include "agent/run/runner_step.h"
#include "common/core/crash.h"
#include "common/sql/sql_text.h"

/* How far a script is. */
struct runner_sql_place {
    size_t done;    /* statements */
    bool under_way; /* the next one may have run, wholly or in part */
};

enum { RUNNER_SQL_POSITION_BYTES = 64 };

/* As the database writes it back. */
static struct runner_sql_place runner_sql_read(const char *position)
{
    static const char key[] = "\"done\": ";
    const char *found = strstr(position, key);

    return (struct runner_sql_place){
        .done = found == NULL ? 0 : strtoul(found + sizeof(key) - 1, NULL, 10),
        .under_way = strstr(position, "\"under_way\": true") != NULL,
    };
}

static void runner_sql_write(struct runner_sql_place place,
                             char ret_position[RUNNER_SQL_POSITION_BYTES])
{
    (void)snprintf(ret_position, RUNNER_SQL_POSITION_BYTES, "{\"done\": %zu, \"under_way\": %s}",
                   place.done, place.under_way ? "true" : "false");
}

bool runner_sql_is_untouched(const char *position)
{
    struct runner_sql_place place = runner_sql_read(position);

    return place.done == 0 && !place.under_way;
}

static const struct prepared_file *runner_sql_file(const struct runner_call *call)
{
    return call->down ? &call->operation->down : &call->operation->up;
}

static bool runner_sql_store(const struct runner_call *call, struct runner_sql_place place,
                             struct runner_report *report)
{
    char position[RUNNER_SQL_POSITION_BYTES];

    runner_sql_write(place, position);
    return runner_step_store(call, position, report);
}

/* Where a statement failed; the position counts in the statement as it was sent. */
static bool runner_sql_fail(const struct runner_call *call, const struct sql_statement *statement,
                            const struct pg_error *error, struct runner_report *report)
{
    if (error != NULL) {
        (void)runner_fail_pg(call, error, report);
    }
    report->problem.statement = statement->number;
    report->problem.line =
        error == NULL ? statement->line : sql_statement_line_at(statement, error->position);
    return false;
}

/* With the note that it is done, in one transaction: exactly once. */
static bool runner_sql_transact(const struct runner_call *call,
                                const struct sql_statement *statement,
                                struct runner_sql_place after, struct runner_report *report)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct pg_batch_report *answers = NULL;
    char position[RUNNER_SQL_POSITION_BYTES];
    enum { TAG_OURS, TAG_STATEMENT };

    runner_sql_write(after, position);
    runner_step_add_begin(call, &arena, call->batch, TAG_OURS);
    pg_batch_add(call->batch, statement->text, NULL, 0, TAG_STATEMENT);
    /* Whatever the statement has set: the journal is ours. */
    pg_batch_add(call->batch, "RESET SESSION AUTHORIZATION", NULL, 0, TAG_OURS);
    pg_batch_add(call->batch, "RESET ROLE", NULL, 0, TAG_OURS);
    runner_step_add_position(call, &arena, call->batch, position, TAG_OURS);
    pg_batch_end_segment(call->batch);
    runner_step_add_commit(call->batch, TAG_OURS);
    pg_batch_run(call->batch, &answers);
    if (answers->lost) {
        return runner_fail_pg(call, &answers->error, report);
    }
    if (answers->failed) {
        bool ours = answers->items[answers->failed_index].tag == TAG_OURS;

        return ours ? runner_fail_pg(call, &answers->error, report)
                    : runner_sql_fail(call, statement, &answers->error, report);
    }
    const char *tag = pg_result_tag(answers->items[answers->count - 1].result);
    return strcmp(tag, "COMMIT") == 0 ||
           runner_fail(call, report, TASK_CODE_TRANSACTION_CONTROL,
                       "the server rolled the transaction back at COMMIT");
}

/* A statement that blocks nobody may wait for its locks as long as it takes: a lock_timeout in its
 * middle would only leave it half done. Nor does the agent's general limit of a statement's time
 * hold for what may well take hours; the script's own does. */
static bool runner_sql_set_patience(const struct runner_call *call, const struct sql_loose *loose,
                                    struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct operation *operation = call->operation->operation;
    const struct operation_settings *own =
        call->down ? &operation->down_settings : &operation->settings;
    uint64_t lock_ms =
        own->lock_timeout_ms != 0 ? own->lock_timeout_ms : call->task->lock_timeout_ms;
    const char *parameters[] = {
        arena_printf(call->arena, "%" PRIu64 "ms", loose->gentle ? 0 : lock_ms),
        arena_printf(call->arena, "%" PRIu64 "ms", own->statement_timeout_ms),
    };
    struct pg_error words = { 0 };
    struct error err = { 0 };

    return pg_query(call->conn,
                    "SELECT set_config('lock_timeout', $1, false),"
                    " set_config('statement_timeout', $2, false)",
                    parameters, COUNT_OF(parameters), &rows, &words, &err) ||
           runner_fail_pg(call, &words, report);
}

/* It has failed: what it left is cleaned up at once, unless somebody wants us to stop, or nothing
 * can be said to the server; then the next try does it. */
static bool runner_sql_after_failure(const struct runner_call *call,
                                     const struct sql_statement *statement,
                                     const struct sql_loose *loose, const struct pg_error *error,
                                     struct runner_report *report)
{
    struct runner_report cleaning = { 0 };

    (void)runner_sql_fail(call, statement, error, report);
    if (report->interrupted || report->problem.code == TASK_CODE_CANCELLED) {
        return false;
    }
    enum loose_state state = loose_repair(call, loose, &cleaning);
    if (state == LOOSE_DONE) {
        *report = (struct runner_report){ 0 };
        return true; /* a detach that only had to be finished */
    }
    if (state == LOOSE_FAILED && cleaning.interrupted) {
        *report = cleaning;
    } else if (state == LOOSE_FAILED) {
        runner_warn(call, report, TASK_CODE_SQL, "what the statement left was not cleaned up: %s",
                    cleaning.problem.message);
    }
    return false;
}

static bool runner_sql_run_bare(const struct runner_call *call,
                                const struct sql_statement *statement,
                                const struct sql_loose *loose, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (!runner_sql_set_patience(call, loose, report)) {
        return false;
    }
    call->progress(call->context, statement->number - 1, runner_sql_file(call)->script.count,
                   call->operation->operation->path);
    crash_point("before_bare");
    call->insist(call->context, loose->gentle); /* half done it is worth nothing */
    bool done = pg_query(call->conn, statement->text, NULL, 0, &rows, &words, &err);
    call->insist(call->context, false);
    crash_point("after_bare");
    return done || runner_sql_after_failure(call, statement, loose, &words, report);
}

static bool runner_sql_bare(const struct runner_call *call, const struct sql_statement *statement,
                            const struct sql_loose *loose, struct runner_sql_place *place,
                            struct runner_report *report)
{
    enum loose_state state = place->under_way ? loose_repair(call, loose, report)
                                              : loose_repair_look(call, loose, report);

    if (state == LOOSE_FAILED || state == LOOSE_TAKEN) {
        return runner_sql_fail(call, statement, NULL, report);
    }
    if (state == LOOSE_AGAIN && !loose_wait_look(call, loose, report)) {
        return runner_sql_fail(call, statement, NULL, report);
    }
    if (state == LOOSE_AGAIN && !place->under_way) {
        place->under_way = true;
        if (!runner_sql_store(call, *place, report)) {
            return false;
        }
    }
    if (state == LOOSE_AGAIN && !runner_sql_run_bare(call, statement, loose, report)) {
        return false;
    }
    place->done++;
    place->under_way = false;
    return runner_sql_store(call, *place, report);
}

static bool runner_sql_execute(const struct runner_call *call, struct runner_report *report)
{
    const struct prepared_file *file = runner_sql_file(call);
    struct runner_sql_place place = runner_sql_read(call->position);

    while (place.done < file->script.count) {
        const struct sql_statement *statement = &file->script.statements[place.done];
        const struct sql_loose *loose = &file->loose[place.done];

        if (call->is_cancelled(call->context)) {
            return runner_fail(call, report, TASK_CODE_CANCELLED,
                               "cancelled between two statements");
        }
        if (loose->kind == SQL_LOOSE_TRANSACTION) {
            struct runner_sql_place after = { .done = place.done + 1 };

            if (!runner_sql_transact(call, statement, after, report)) {
                return false;
            }
            place = after;
        } else if (!runner_sql_bare(call, statement, loose, &place, report)) {
            return false;
        }
    }
    return true;
}

/* The statement without the word CONCURRENTLY. */
static const char *runner_sql_plain(const struct runner_call *call, const char *sql)
{
    struct sql_text text = { .data = sql, .size = strlen(sql) };

    for (;;) {
        struct sql_token token = sql_text_next(&text);

        if (token.kind == SQL_TOKEN_END) {
            return sql;
        }
        if (sql_token_is(token, "CONCURRENTLY")) {
            size_t before = (size_t)(token.data - sql);

            return arena_printf(call->arena, "%.*s%s", (int)before, sql, token.data + token.size);
        }
    }
}

static bool runner_sql_rehearse_one(const struct runner_call *call,
                                    const struct sql_statement *statement,
                                    const struct sql_loose *loose, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *sql = statement->text;
    struct pg_error words = { 0 };
    struct error err = { 0 };
    uint64_t bytes = 0;

    if (loose->kind != SQL_LOOSE_TRANSACTION &&
        !loose_repair_rehearse(call, loose, &bytes, report)) {
        return runner_sql_fail(call, statement, NULL, report);
    }
    if (loose->kind == SQL_LOOSE_CREATE_INDEX && bytes > REHEARSAL_INDEX_BYTES_MAX) {
        report->unmade = loose->other;
        return true;
    }
    /* On a small table the index is made for a moment: so what needs it is rehearsed too, and
     * whether it can be unique is known. */
    if (loose->kind == SQL_LOOSE_CREATE_INDEX) {
        sql = runner_sql_plain(call, sql);
    } else if (loose->kind != SQL_LOOSE_TRANSACTION) {
        return true;
    }
    return pg_query(call->conn, sql, NULL, 0, &rows, &words, &err) ||
           runner_sql_fail(call, statement, &words, report);
}

static bool runner_sql_rehearse(const struct runner_call *call, struct runner_report *report)
{
    const struct prepared_file *file = runner_sql_file(call);

    for (size_t i = 0; i < file->script.count; i++) {
        if (!runner_sql_rehearse_one(call, &file->script.statements[i], &file->loose[i], report)) {
            return false;
        }
    }
    return true;
}

const struct runner runner_sql = { .kind = OPERATION_SQL,
                                   .execute = runner_sql_execute,
                                   .rollback = runner_sql_execute,
                                   .dry_run = runner_sql_rehearse };
