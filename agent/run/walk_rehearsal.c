/* walk_rehearsal.c - a walk in a dry run: one transaction, rolled back; see walk.h.
 *
 * All transactional SQL runs in its order. Of what cannot run in a transaction its runner says what
 * it can without leaving anything. */
#include <assert.h>
#include <string.h>

#include "agent/run/accident.h"
#include "agent/run/executor_notes.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_clean.h"
#include "agent/run/walk_parts.h"

bool walk_rehearse_piece(struct walk *walk, const struct step_order *piece)
{
    struct task_order order = { .options = walk->context->options,
                                .task = walk->task,
                                .plan = &walk->plan,
                                .log = walk->log,
                                .step = piece };

    task_batch_run(walk->context->link->conn, walk->context->link->batch, &order, &walk->report);
    walk_call_absorb(walk);
    walk->stamp = walk->report.stamp != 0 ? walk->report.stamp : walk->stamp;
    return !walk->report.failed && !walk->report.lost;
}

/* Why it may be that SQL has only missed what the rehearsal has not made; NULL: it has not. */
static const char *walk_rehearse_excuse(const struct walk *walk, const struct pg_error *error)
{
    static const char *const missing[] = { "42P01", "42703", "42704", "42883", "3F000" };
    struct arena *arena = &walk->task->arena;

    for (size_t i = 0; i < walk->unmade_count; i++) {
        if (strncmp(error->sqlstate, "42", 2) == 0 &&
            strstr(error->message, walk->unmade[i]) != NULL) {
            return arena_printf(arena, "made %s, which is made outside a transaction",
                                walk->unmade[i]);
        }
    }
    for (size_t i = 0; walk->hidden != NULL && i < COUNT_OF(missing); i++) {
        if (strcmp(error->sqlstate, missing[i]) == 0) {
            return arena_printf(arena, "let %s do its work (%s)", walk->hidden, error->message);
        }
    }
    if (walk->partial && strncmp(error->sqlstate, "23", 2) == 0) {
        return arena_printf(arena, "done more than the first chunk of a batch (%s)",
                            error->message);
    }
    return NULL;
}

/* From where SQL has missed something on, nothing more can be said without doing it. */
static bool walk_rehearse_is_blind(struct walk *walk, const struct task_outcome_report *report)
{
    struct runner_report words = { 0 };
    struct runner_call call = { .arena = &walk->task->arena, .operation = report->operation };
    const char *excuse = walk_rehearse_excuse(walk, &report->error);

    if (excuse == NULL) {
        return false;
    }
    runner_warn(&call, &words, TASK_CODE_SQL,
                "from here on it could not be rehearsed, because the dry run has not %s", excuse);
    words.warnings[0].statement = report->statement->number;
    words.warnings[0].line = report->statement->line;
    walk_call_warn(walk, &call, &words, TASK_CODE_NONE);
    return true;
}

enum walk_end walk_rehearse_refused(struct walk *walk)
{
    const struct task_outcome_report *report = &walk->report;

    if (report->lost || accident_is(&report->error) || report->operation == NULL) {
        return WALK_BROKEN;
    }
    if (walk_rehearse_is_blind(walk, report)) {
        walk->blind = true;
        return WALK_DONE;
    }
    task_answer_refused(walk->result, walk->task, walk->context->options->shard, report,
                        executor_notes_why(walk->context->queue, walk->context->worker));
    return WALK_ENDED;
}

enum walk_end walk_rehearse_runner(struct walk *walk, const struct migration *migration,
                                   const struct prepared_operation *operation, bool down)
{
    const struct runner *runner = runners_find(
        walk->runners, operation->operation, down && operation_has_rollback(operation->operation));
    struct runner_call call = walk_call_make(walk, migration, operation, NULL, down);
    struct runner_report report = { 0 };

    assert(runner != NULL);
    pg_conn_set_patience(call.conn, 0); /* as when it is run */
    bool passed = runner->dry_run == NULL || runner->dry_run(&call, &report);
    pg_conn_set_patience(call.conn, PG_QUERY_MAX_MS);
    walk_call_warn(walk, &call, &report, TASK_CODE_NONE);
    if (report.unmade != NULL && walk->unmade_count < WALK_UNMADE_MAX) {
        walk->unmade[walk->unmade_count++] = report.unmade;
    }
    walk->hidden = report.hidden != NULL ? report.hidden : walk->hidden;
    walk->partial = walk->partial || report.partial;
    if (passed) {
        return WALK_DONE;
    }
    if (report.interrupted) {
        walk_call_break(walk, &report);
        return WALK_BROKEN;
    }
    walk_call_refuse(walk, &call, &report);
    return WALK_ENDED;
}

/* All of them: which of them have changed only the run asks. */
static bool walk_rehearse_repeatables(struct walk *walk)
{
    const struct set *set = prepared_set_model(walk->task->set);
    struct step_operation *operations =
        arena_alloc_array(&walk->task->arena, set->repeatable_count, sizeof(*operations));
    const struct step_order piece = { .operations = operations,
                                      .count = set->repeatable_count,
                                      .from = walk->version,
                                      .rehearses = true };

    for (size_t i = 0; i < set->repeatable_count; i++) {
        operations[i] =
            (struct step_operation){ .migration = &set->repeatables[i],
                                     .prepared = prepared_set_repeatable(walk->task->set, i),
                                     .last = true,
                                     .position = "" };
    }
    return walk_rehearse_piece(walk, &piece);
}

/* Its undoing has begun, and the walk will end that first: what there will be then nobody knows. */
static bool walk_rehearse_is_half_undone(struct walk *walk, const struct step_operation *operation)
{
    const struct step_known *row =
        step_plan_find(walk->known, walk->known_count, operation->migration->script,
                       operation->prepared->operation->stem);
    const struct runner_call call = { .arena = &walk->task->arena,
                                      .operation = operation->prepared };
    struct runner_report words = { 0 };

    if (row == NULL || !row->down || row->done) {
        return false;
    }
    runner_warn(&call, &words, TASK_CODE_ROLLBACK,
                "from here on it could not be rehearsed, because an earlier rollback was undoing "
                "this operation, and has yet to be ended");
    walk_call_warn(walk, &call, &words, TASK_CODE_NONE);
    walk->blind = true;
    return true;
}

static enum walk_end walk_rehearse_steps(struct walk *walk)
{
    struct step_order piece = { .from = walk->version, .opens = true, .rehearses = true };

    if (!walk_rehearse_piece(walk, &piece)) {
        return walk_rehearse_refused(walk);
    }
    piece.opens = false;
    enum walk_end back = walk->task->rehearse_rollback ? walk_rehearse_back(walk) : WALK_DONE;
    if (back != WALK_DONE) {
        return back;
    }
    for (size_t i = 0; i < walk->steps.step_count; i++) {
        const struct step *step = &walk->steps.steps[i];

        piece.operations = &walk->steps.operations[step->first];
        piece.count = step->count;
        if (step->kind == STEP_TRANSACTION && !walk_rehearse_piece(walk, &piece)) {
            return walk_rehearse_refused(walk);
        }
        if (step->kind == STEP_RUNNER) {
            const struct step_operation *operation = &walk->steps.operations[step->first];
            if (walk_rehearse_is_half_undone(walk, operation)) {
                return WALK_DONE;
            }
            enum walk_end end =
                walk_rehearse_runner(walk, operation->migration, operation->prepared, false);
            if (end != WALK_DONE) {
                return end;
            }
        }
    }
    if (walk->plan.repeatables && !walk_rehearse_repeatables(walk)) {
        return walk_rehearse_refused(walk);
    }
    piece = (struct step_order){ .from = walk->version, .closes = true, .rehearses = true };
    return walk_rehearse_piece(walk, &piece) ? WALK_DONE : WALK_BROKEN;
}

enum walk_end walk_rehearse(struct walk *walk)
{
    enum walk_end end = WALK_BROKEN;

    if (walk_journal_read(walk)) {
        walk_make_steps(walk);
        end = walk_rehearse_steps(walk);
    }
    walk->report.clean = task_clean_run(walk->context->link->conn, walk->context->link->batch);
    return end;
}
