/* walk_unwind.c - what a rollout did to a tenant is undone, step by step; see walk.h.
 *
 * What if it dies? Each migration becomes half done before its first operation is undone, in one
 * transaction with the version; each operation's row goes away in the transaction that undoes it,
 * or in the one behind the runner that did. So the next try, going down or up, knows what is still
 * there. The last words (skein.unwind_finish) say that the rollout is undone. */
#include <assert.h>
#include <string.h>

#include "agent/run/accident.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_clean.h"
#include "agent/run/unwind_check.h"
#include "agent/run/walk_parts.h"
#include "common/core/crash.h"

static enum walk_end walk_unwind_transaction(struct walk *walk, const struct step *step)
{
    const struct unwind_operation *operations = &walk->unwind.operations[step->first];
    const struct step_order order = { .unwind = operations,
                                      .count = step->count,
                                      .from = walk->version,
                                      .opens = true,
                                      .closes = true };
    const struct task_order whole = {
        .options = walk->context->options, .task = walk->task, .plan = &walk->plan, .step = &order
    };
    const struct task_outcome_report *report = &walk->report;

    task_batch_run(walk->context->link->conn, walk->context->link->batch, &whole, &walk->report);
    walk_call_absorb(walk);
    if (report->committed) {
        walk->version = operations[step->count - 1].to;
        return WALK_DONE;
    }
    if (report->lost || accident_is(&report->error)) {
        return WALK_BROKEN;
    }
    if (report->failed) {
        task_answer_refused(
            walk->result, walk->task, walk->context->options->shard, report,
            executor_queue_is_cancelled(walk->context->queue, walk->context->worker));
    } else {
        task_answer_fail(walk->result, walk->task, walk->context->options->shard, TASK_FAILED,
                         TASK_CODE_TRANSACTION_CONTROL,
                         "the server rolled the transaction back at COMMIT");
    }
    walk->result->version = walk->version;
    return WALK_ENDED;
}

static enum walk_end walk_unwind_runner(struct walk *walk, const struct unwind_operation *operation)
{
    const struct operation *model = operation->prepared->operation;
    const struct runner *runner = runners_find(walk->runners, model, operation_has_rollback(model));
    struct runner_report report = { 0 };

    assert(runner != NULL && runner->rollback != NULL);
    if (operation->opens && !walk_unwind_open(walk, operation)) {
        return WALK_BROKEN;
    }
    crash_point("after_open");
    const struct step_known *row =
        step_plan_find(walk->known, walk->known_count, operation->migration->script, model->stem);
    struct runner_call call =
        walk_call_make(walk, operation->migration, operation->prepared, row, true);

    if (!walk_journal_guard(walk, operation->prepared, true) || !walk_journal_start(walk, &call)) {
        return WALK_BROKEN;
    }
    crash_point("after_start");
    pg_conn_set_patience(call.conn, 0); /* its statements may take any time */
    bool undone = runner->rollback(&call, &report);
    pg_conn_set_patience(call.conn, PG_QUERY_MAX_MS);
    walk_call_warn(walk, &call, &report, TASK_CODE_NONE);
    if (!undone && report.interrupted) {
        walk_call_break(walk, &report);
        return WALK_BROKEN;
    }
    if (!undone) {
        walk_call_refuse(walk, &call, &report);
        return WALK_ENDED;
    }
    crash_point("after_execute");
    return walk_journal_guard(walk, NULL, false) && walk_unwind_end(walk, operation, report.output)
               ? WALK_DONE
               : WALK_BROKEN;
}

/* The step's first operation tells which migration is half done by now. */
static enum walk_end walk_unwind_stop(struct walk *walk, const struct step *step, enum walk_end end)
{
    if (end == WALK_ENDED && walk_journal_read(walk)) {
        walk_name_rest(walk, walk->unwind.operations[step->first].migration);
    }
    return end;
}

static enum walk_end walk_unwind_go(struct walk *walk)
{
    const struct unwind_check check = { walk->context->options, walk->runners, walk->task };
    bool ended = false;

    if (!walk_journal_guard(walk, NULL, false) || !walk_unwind_look(walk, &ended)) {
        return WALK_BROKEN;
    }
    walk->looked = true;
    crash_point("after_look");
    if (ended || !unwind_check_all(&check, &walk->unwind, walk->result)) {
        walk->result->version = walk->version;
        return WALK_ENDED;
    }
    for (size_t i = 0; i < walk->unwind.step_count; i++) {
        const struct step *step = &walk->unwind.steps[i];

        if (!walk_may_go_on(walk)) {
            return walk_unwind_stop(walk, step, WALK_ENDED);
        }
        crash_point("before_undo");
        enum walk_end end = step->kind == STEP_TRANSACTION
                                ? walk_unwind_transaction(walk, step)
                                : walk_unwind_runner(walk, &walk->unwind.operations[step->first]);
        if (end != WALK_DONE) {
            return walk_unwind_stop(walk, step, end);
        }
        walk->advanced = true;
        crash_point("after_undo");
    }
    if (!walk_unwind_finish(walk)) {
        return WALK_BROKEN;
    }
    walk->version = walk->start;
    return WALK_DONE;
}

enum walk_end walk_unwind(struct walk *walk)
{
    walk->looked = false;
    walk->advanced = false;
    enum walk_end end = walk_unwind_go(walk);

    /* The guard ends with this, at the latest with the connection. */
    walk->report.clean = task_clean_run(walk->context->link->conn, walk->context->link->batch);
    return end;
}
