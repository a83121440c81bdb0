/* walk_undo.c - a migration that failed in its middle is undone; see walk_parts.h.
 *
 * What the journal has rows of is what is left: whatever ran in the transaction that failed was
 * undone by that. A rollback that begins is written down first (but for one in a transaction, which
 * is all or nothing), so that a try after a crash finishes it before it goes up again. */
#include <string.h>

#include "agent/run/accident.h"
#include "agent/run/runner_sql.h"
#include "agent/run/task_answer.h"
#include "agent/run/walk_parts.h"
#include "common/core/crash.h"

/* How the rollback of one operation went. */
enum walk_undo_end {
    WALK_UNDO_DONE,
    WALK_UNDO_NONE,   /* there is no rollback: it stays as it is */
    WALK_UNDO_FAILED, /* the problem is in the runner's report */
    WALK_UNDO_BROKEN,
};

static enum walk_undo_end walk_undo_transaction(struct walk *walk, const struct runner_call *call,
                                                struct runner_report *ret_report)
{
    struct step_operation operation = { .migration = call->migration, .prepared = call->operation };
    struct step_order order = { .operations = &operation,
                                .count = 1,
                                .from = walk->version,
                                .to = walk->version,
                                .opens = true,
                                .closes = true,
                                .down = true };
    struct task_order whole = {
        .options = walk->context->options, .task = walk->task, .plan = &walk->plan, .step = &order
    };
    struct task_outcome_report *report = &walk->report;

    task_batch_run(call->conn, call->batch, &whole, report);
    walk_call_absorb(walk);
    if (report->committed) {
        return WALK_UNDO_DONE;
    }
    if (report->lost || !report->failed || accident_is(&report->error)) {
        return WALK_UNDO_BROKEN;
    }
    (void)runner_fail_pg(call, &report->error, ret_report);
    if (report->statement != NULL) {
        ret_report->problem.statement = report->statement->number;
        ret_report->problem.line = sql_statement_line_at(report->statement, report->error.position);
    }
    return WALK_UNDO_FAILED;
}

/* The operation is undone. */
static bool walk_undo_mark(struct walk *walk, const struct runner_call *call)
{
    struct step_operation operation = { .migration = call->migration, .prepared = call->operation };
    struct step_order order = { .operations = &operation,
                                .count = 1,
                                .from = walk->version,
                                .to = walk->version,
                                .down = true };

    return walk_journal_guard(walk, NULL, false) && walk_journal_end(walk, call, &order);
}

static enum walk_undo_end walk_undo_runner(struct walk *walk, const struct runner *runner,
                                           const struct runner_call *call,
                                           struct runner_report *ret_report)
{
    if (!walk_journal_guard(walk, call->operation, true) || !walk_journal_start(walk, call)) {
        return WALK_UNDO_BROKEN;
    }
    crash_point("after_start");
    pg_conn_set_patience(call->conn, 0);
    bool undone = runner->rollback(call, ret_report);
    pg_conn_set_patience(call->conn, PG_QUERY_MAX_MS);
    if (!undone) {
        if (ret_report->interrupted) {
            walk_call_break(walk, ret_report);
        }
        return ret_report->interrupted ? WALK_UNDO_BROKEN : WALK_UNDO_FAILED;
    }
    return walk_undo_mark(walk, call) ? WALK_UNDO_DONE : WALK_UNDO_BROKEN;
}

/* What rolls an operation back: the runner of the `.down` file's kind, or its own if that works
 * without one. */
static enum walk_undo_end walk_undo_operation(struct walk *walk, const struct runner_call *call,
                                              const struct step_known *row,
                                              struct runner_report *ret_report)
{
    /* A script that has begun, but none of its statements: there is nothing to undo. */
    bool untouched = call->operation->operation->kind == OPERATION_SQL && !row->done &&
                     !row->down && runner_sql_is_untouched(row->position);
    const struct operation *operation = call->operation->operation;
    bool has_file = operation->down_path != NULL;

    if (untouched) {
        return walk_undo_mark(walk, call) ? WALK_UNDO_DONE : WALK_UNDO_BROKEN;
    }
    if (has_file && call->operation->down.problem.kind != SQL_PROBLEM_NONE) {
        (void)runner_fail(call, ret_report, TASK_CODE_RUNNER, "%s",
                          call->operation->down.problem.error.message);
        ret_report->problem.line = call->operation->down.problem.line;
        return WALK_UNDO_FAILED;
    }
    if (has_file && operation_is_transactional(operation, true)) {
        return walk_undo_transaction(walk, call, ret_report);
    }
    const struct runner *runner = runners_find(walk->runners, operation, has_file);

    if (runner == NULL || runner->rollback == NULL || (!has_file && !runner->undoes_alone)) {
        return WALK_UNDO_NONE;
    }
    return walk_undo_runner(walk, runner, call, ret_report);
}

bool walk_undo(struct walk *walk, const struct migration *migration)
{
    const struct set *set = prepared_set_model(walk->task->set);
    size_t index = (size_t)(migration - set->migrations);

    if (!walk_journal_read(walk)) {
        return false;
    }
    for (size_t o = migration->operation_count; o > 0; o--) {
        const struct prepared_operation *operation =
            prepared_set_operation(walk->task->set, index, o - 1);
        const struct step_known *row = step_plan_find(
            walk->known, walk->known_count, migration->script, operation->operation->stem);
        struct runner_report report = { 0 };

        if (row == NULL) {
            continue; /* never begun, or rolled back with its transaction */
        }
        struct runner_call call = walk_call_make(walk, migration, operation, row, true);
        enum walk_undo_end end = walk_undo_operation(walk, &call, row, &report);
        walk_call_warn(walk, &call, &report,
                       end == WALK_UNDO_FAILED ? TASK_CODE_ROLLBACK : TASK_CODE_NONE);
        if (end == WALK_UNDO_BROKEN) {
            return false;
        }
        crash_point("after_undo");
    }
    return true;
}

bool walk_undo_finish(struct walk *walk, bool *ret_ended)
{
    const struct set *set = prepared_set_model(walk->task->set);
    bool undone = false;

    *ret_ended = false;
    for (size_t i = 0; i < walk->known_count; i++) {
        const struct step_known *row = &walk->known[i];
        const struct migration *migration =
            row->down && !row->done ? set_find_script(set, row->script) : NULL;

        for (size_t o = 0; migration != NULL && o < migration->operation_count; o++) {
            const struct prepared_operation *operation =
                prepared_set_operation(walk->task->set, (size_t)(migration - set->migrations), o);
            struct runner_report report = { 0 };

            if (strcmp(operation->operation->stem, row->operation) != 0) {
                continue;
            }
            struct runner_call call = walk_call_make(walk, migration, operation, row, true);
            enum walk_undo_end end = walk_undo_operation(walk, &call, row, &report);
            if (end == WALK_UNDO_FAILED) {
                walk_call_refuse(walk, &call, &report);
                walk->result->error.code = TASK_CODE_ROLLBACK;
                *ret_ended = true;
            }
            if (end == WALK_UNDO_BROKEN || end == WALK_UNDO_FAILED) {
                return false;
            }
            undone = undone || end == WALK_UNDO_DONE;
        }
    }
    return !undone || walk_journal_read(walk);
}
