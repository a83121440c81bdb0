/* walk_unwind_rehearsal.c - the dry run of a walk that goes down; see walk.h.
 *
 * One transaction, rolled back: all transactional rollbacks run in their order, of the others their
 * runner says what it can without leaving anything. The control database rehearses all of its
 * rollbacks at once, since one may build on another. */
#include <assert.h>

#include "agent/run/task_answer.h"
#include "agent/run/task_clean.h"
#include "agent/run/unwind_check.h"
#include "agent/run/walk_parts.h"

static enum walk_end walk_unwind_rehearse_transaction(struct walk *walk, const struct step *step)
{
    const struct step_order piece = { .unwind = &walk->unwind.operations[step->first],
                                      .count = step->count,
                                      .from = walk->version,
                                      .rehearses = true };

    return walk_rehearse_piece(walk, &piece) ? WALK_DONE : walk_rehearse_refused(walk);
}

/* Of the scope control: the last one that would be undone, for which the others are undone first;
 * NULL for the others. */
static const struct unwind_operation *
walk_unwind_rehearsed(const struct walk *walk, const struct unwind_operation *operation)
{
    const struct unwind_plan *plan = &walk->unwind;
    const struct unwind_operation *first = NULL;
    const struct unwind_operation *last = NULL;

    if (!operation->prepared->operation->settings.control_scope) {
        return operation;
    }
    for (size_t i = 0; i < plan->operation_count; i++) {
        if (plan->operations[i].prepared->operation->settings.control_scope) {
            first = first == NULL ? &plan->operations[i] : first;
            last = &plan->operations[i];
        }
    }
    return first == operation ? last : NULL;
}

static enum walk_end walk_unwind_rehearse_steps(struct walk *walk)
{
    for (size_t i = 0; i < walk->unwind.step_count; i++) {
        const struct step *step = &walk->unwind.steps[i];
        const struct unwind_operation *operation =
            step->kind == STEP_TRANSACTION
                ? NULL
                : walk_unwind_rehearsed(walk, &walk->unwind.operations[step->first]);
        enum walk_end end = WALK_DONE;

        if (step->kind == STEP_TRANSACTION) {
            end = walk_unwind_rehearse_transaction(walk, step);
        } else if (operation != NULL) {
            end = walk_rehearse_runner(walk, operation->migration, operation->prepared, true);
        }
        if (end != WALK_DONE || walk->blind) {
            return end;
        }
    }
    return WALK_DONE;
}

enum walk_end walk_unwind_rehearse(struct walk *walk)
{
    const struct unwind_check check = { walk->context->options, walk->runners, walk->task };
    enum walk_end end = WALK_BROKEN;
    bool ended = false;

    if (walk_unwind_look(walk, &ended)) {
        end = ended || !unwind_check_all(&check, &walk->unwind, walk->result)
                  ? WALK_ENDED
                  : walk_unwind_rehearse_steps(walk);
        walk->result->version = walk->version;
    }
    walk->report.clean = task_clean_run(walk->context->link->conn, walk->context->link->batch);
    return end;
}
