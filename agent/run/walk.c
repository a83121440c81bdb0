#include "agent/run/walk.h"

#include <assert.h>
#include <string.h>

#include "agent/run/accident.h"
#include "agent/run/executor_notes.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_clean.h"
#include "agent/run/walk_parts.h"
#include "common/core/crash.h"

/* Why a statement was cancelled. */
static enum task_code walk_why(const struct walk *walk)
{
    return executor_notes_why(walk->context->queue, walk->context->worker);
}

/* Whether what has failed is worth undoing. What will be tried again goes on from here, and who is
 * fenced out may not touch the tenant any more. */
static bool walk_wants_undo(enum task_code code)
{
    static const enum task_code stay[] = { TASK_CODE_LOCK_TIMEOUT,  TASK_CODE_YIELDED,
                                           TASK_CODE_CANCELLED,     TASK_CODE_FENCED,
                                           TASK_CODE_VERSION_MOVED, TASK_CODE_TENANT_MISSING,
                                           TASK_CODE_DATABASE_LOST };

    for (size_t i = 0; i < COUNT_OF(stay); i++) {
        if (stay[i] == code) {
            return false;
        }
    }
    return true;
}

void walk_name_rest(struct walk *walk, const struct migration *migration)
{
    struct arena *arena = &walk->task->arena;
    struct task_error *error = &walk->result->error;
    const char *names = "";

    for (size_t i = 0; i < walk->known_count; i++) {
        if (strcmp(walk->known[i].script, migration->script) == 0 &&
            !step_known_is_hook(&walk->known[i])) {
            names = arena_printf(arena, "%s%s%s%s", names, names[0] == '\0' ? "" : ", ",
                                 walk->known[i].operation, walk->known[i].done ? "" : " (begun)");
        }
    }
    if (names[0] != '\0') {
        error->hint =
            arena_printf(arena,
                         "%s%sThe migration %s is half done, another try goes on from "
                         "there: %s",
                         error->hint, error->hint[0] == '\0' ? "" : " ", migration->script, names);
    }
}

/* The result has the failure of one of the migration's operations. */
static enum walk_end walk_fail(struct walk *walk, const struct step_operation *operation)
{
    struct runner_call call =
        walk_call_make(walk, operation->migration, operation->prepared, NULL, false);

    if (walk_wants_undo(walk->result->error.code)) {
        crash_point("before_undo");
        if (!walk_undo(walk, operation->migration) || !walk_journal_fail(walk, &call)) {
            return WALK_BROKEN;
        }
    }
    if (walk_journal_read(walk)) {
        walk_name_rest(walk, operation->migration);
    }
    return WALK_ENDED;
}

/* A step's transaction did not commit. */
static enum walk_end walk_transaction_failed(struct walk *walk, const struct step *step)
{
    struct task_outcome_report *report = &walk->report;

    if (report->lost || accident_is(&report->error)) {
        return WALK_BROKEN;
    }
    if (report->failed) {
        task_answer_refused(walk->result, walk->task, walk->context->options->shard, report,
                            walk_why(walk));
    } else {
        task_answer_fail(walk->result, walk->task, walk->context->options->shard, TASK_FAILED,
                         TASK_CODE_TRANSACTION_CONTROL,
                         "the server rolled the transaction back at COMMIT");
    }
    walk->result->version = walk->version;
    return walk_fail(walk, &walk->steps.operations[step->first]);
}

static enum walk_end walk_transaction(struct walk *walk, const struct step *step)
{
    struct step_order order = {
        .operations = &walk->steps.operations[step->first],
        .count = step->count,
        .from = walk->version,
        .to = step_order_version(walk->task, &walk->steps, step, walk->version),
        .opens = true,
        .closes = true,
    };
    struct task_order whole = {
        .options = walk->context->options, .task = walk->task, .plan = &walk->plan, .step = &order
    };

    task_batch_run(walk->context->link->conn, walk->context->link->batch, &whole, &walk->report);
    walk_call_absorb(walk);
    if (!walk->report.committed) {
        return walk_transaction_failed(walk, step);
    }
    walk->version = order.to;
    return WALK_DONE;
}

/* The operation of a step and what a runner has to say of it: setup and execute. */
static bool walk_perform(const struct runner *runner, const struct runner_call *call,
                         struct runner_report *report)
{
    if (runner->setup != NULL && !runner->setup(call, report)) {
        return false;
    }
    crash_point("after_setup");
    return runner->execute(call, report);
}

static enum walk_end walk_runner(struct walk *walk, const struct step *step)
{
    const struct step_operation *operation = &walk->steps.operations[step->first];
    const struct runner *runner =
        runners_find(walk->runners, operation->prepared->operation, false);
    const struct step_known *row =
        step_plan_find(walk->known, walk->known_count, operation->migration->script,
                       operation->prepared->operation->stem);
    /* A hook that is done, and is in the plan all the same, was another rollout's. */
    bool anew = row != NULL && row->done && operation_is_hook(operation->prepared->operation);
    struct runner_call call =
        walk_call_make(walk, operation->migration, operation->prepared, anew ? NULL : row, false);
    struct runner_report report = { 0 };

    assert(runner != NULL);
    if (!walk_journal_guard(walk, operation->prepared, false) || !walk_journal_start(walk, &call)) {
        return WALK_BROKEN;
    }
    crash_point("after_start");
    pg_conn_set_patience(call.conn, 0); /* its statements may take any time */
    /* What a program or a plugin does cannot be begun again whenever somebody waits for it. */
    executor_notes_insist(walk->context->queue, walk->context->worker,
                          runner->kind == OPERATION_EXEC || runner->kind == OPERATION_PLUGIN);
    bool performed = walk_perform(runner, &call, &report);
    pg_conn_set_patience(call.conn, PG_QUERY_MAX_MS);
    executor_notes_insist(walk->context->queue, walk->context->worker, false);
    walk_call_warn(walk, &call, &report, TASK_CODE_NONE);
    if (!performed && report.interrupted) {
        walk_call_break(walk, &report);
        return WALK_BROKEN;
    }
    if (!performed) {
        walk_call_refuse(walk, &call, &report);
        return walk_fail(walk, operation);
    }
    crash_point("after_execute");
    struct step_order order = {
        .operations = operation,
        .count = 1,
        .from = walk->version,
        .to = step_order_version(walk->task, &walk->steps, step, walk->version),
        .note = report.output,
    };
    if (!walk_journal_guard(walk, NULL, false) || !walk_journal_end(walk, &call, &order)) {
        return WALK_BROKEN;
    }
    walk->version = order.to;
    return WALK_DONE;
}

void walk_make_steps(struct walk *walk)
{
    const struct step_start start = { .known = walk->known,
                                      .known_count = walk->known_count,
                                      .rollout = walk->task->rollout,
                                      .target = walk->task->target,
                                      .begun = walk->begun };

    step_plan_make(&walk->task->arena, walk->task->set, &walk->plan, &start, &walk->steps);
}

/* From the version that the journal says to the target, without what is done. */
static bool walk_plan(struct walk *walk)
{
    const struct set *set = prepared_set_model(walk->task->set);

    const struct plan_start start = { .from = walk->version,
                                      .baseline = "",
                                      .repeatables = walk->task->repeatables };

    plan_make(set, &start, walk->task->target, &walk->plan);
    walk_make_steps(walk);
    if (walk->plan.code != TASK_CODE_NONE || walk->steps.step_count == 0) {
        task_answer_fail(walk->result, walk->task, walk->context->options->shard, TASK_FAILED,
                         TASK_CODE_VERSION_MOVED,
                         "the journal says that the tenant is at %.80s, from where nothing leads "
                         "to %.80s",
                         walk->version, walk->task->target);
        walk->result->version = walk->version;
        return false;
    }
    return true;
}

bool walk_may_go_on(struct walk *walk)
{
    if (executor_queue_wait_lease(walk->context->queue, walk->context->worker)) {
        return true;
    }
    task_answer_fail(walk->result, walk->task, walk->context->options->shard, TASK_FAILED,
                     TASK_CODE_CANCELLED, "cancelled between two of its steps");
    walk->result->version = walk->version;
    return false;
}

/* The repeatable scripts that have changed, in a transaction of their own, once the tenant is where
 * they belong. As often as it takes: what they have done they do not do again. */
static enum walk_end walk_repeat(struct walk *walk)
{
    struct executor_task task = *walk->task; /* borrows all of it */
    const struct plan plan = { .repeatables = true };
    const struct task_order order = { .options = walk->context->options,
                                      .task = &task,
                                      .plan = &plan };

    task.from = task.target;
    task.baseline = "";
    task.stamp = 0; /* since its dry run the walk itself has changed the schema */
    task_batch_run(walk->context->link->conn, walk->context->link->batch, &order, &walk->report);
    walk_call_absorb(walk);
    if (walk->report.committed) {
        walk->repeated = walk->report.repeated;
        return WALK_DONE;
    }
    if (walk->report.lost || !walk->report.failed || accident_is(&walk->report.error)) {
        return WALK_BROKEN;
    }
    task_answer_refused(walk->result, walk->task, walk->context->options->shard, &walk->report,
                        walk_why(walk));
    walk->result->version = walk->task->target;
    return WALK_ENDED;
}

static enum walk_end walk_go(struct walk *walk)
{
    bool ended = false;

    if (!walk_journal_guard(walk, NULL, false)) {
        return WALK_BROKEN;
    }
    if (!walk_journal_look(walk)) {
        /* All of its steps are done; what comes behind them may not be. */
        bool arrived = strcmp(walk->report.error.sqlstate, "SK007") == 0;

        return arrived && walk->plan.repeatables ? walk_repeat(walk) : WALK_BROKEN;
    }
    walk->looked = true;
    crash_point("after_look");
    if (!walk_undo_finish(walk, &ended)) {
        return ended ? WALK_ENDED : WALK_BROKEN;
    }
    if (!walk_plan(walk)) {
        return WALK_ENDED;
    }
    for (size_t i = 0; i < walk->steps.step_count; i++) {
        const struct step *step = &walk->steps.steps[i];

        if (!walk_may_go_on(walk)) {
            return WALK_ENDED;
        }
        crash_point("before_step");
        enum walk_end end =
            step->kind == STEP_TRANSACTION ? walk_transaction(walk, step) : walk_runner(walk, step);
        if (end != WALK_DONE) {
            return end;
        }
        walk->advanced = true;
        crash_point("after_step");
    }
    return walk->plan.repeatables ? walk_repeat(walk) : WALK_DONE;
}

enum walk_end walk_run(struct walk *walk)
{
    walk->looked = false;
    walk->advanced = false;
    enum walk_end end = walk_go(walk);

    /* The guard ends with this, at the latest with the connection. */
    walk->report.clean = task_clean_run(walk->context->link->conn, walk->context->link->batch);
    return end;
}
