/* walk_rehearsal_back.c - a walk's dry run that rehearses the way back, too; see walk_parts.h.
 *
 * Up and down goes what is SQL in the tenant's transaction both ways, behind a savepoint; then the
 * schema has to be what it was. What is not is left out, both ways, and a warning names it: so SQL
 * that builds on it may fail here and says nothing about the migration. */
#include <stdlib.h>
#include <string.h>

#include "agent/run/accident.h"
#include "agent/run/task_answer.h"
#include "agent/run/walk_parts.h"

static const char walk_back_begin_sql[] = "SELECT skein.rehearsal_begin($1)";
static const char walk_back_compare_sql[] = "SELECT skein.rehearsal_compare($1)";

/* What the rehearsal is made of. */
struct walk_back {
    struct step_operation *up;     /* in their order */
    struct unwind_operation *down; /* the same, in the opposite one */
    size_t count;
    const char *left_out; /* the files, in words; "" for none */
    const struct step_operation *first_left;
};

static bool walk_back_say(struct walk *walk, const char *sql, bool with_schema)
{
    const char *schema[] = { walk->context->options->database_mode ? "" : walk->task->tenant };

    pg_batch_add(walk->context->link->batch, sql, with_schema ? schema : NULL, with_schema ? 1 : 0,
                 TASK_STEP_END);
    return walk_journal_send(walk, NULL);
}

static bool walk_back_piece(struct walk *walk, const struct step_order *piece)
{
    const struct task_order order = {
        .options = walk->context->options, .task = walk->task, .plan = &walk->plan, .step = piece
    };

    task_batch_run(walk->context->link->conn, walk->context->link->batch, &order, &walk->report);
    return !walk->report.failed && !walk->report.lost;
}

static void walk_back_collect(struct walk *walk, struct walk_back *back)
{
    struct arena *arena = &walk->task->arena;
    size_t most = walk->steps.operation_count;

    back->left_out = "";
    back->up = arena_alloc_array(arena, most + 1, sizeof(*back->up));
    back->down = arena_alloc_array(arena, most + 1, sizeof(*back->down));
    for (size_t i = 0; i < most; i++) {
        const struct step_operation *operation = &walk->steps.operations[i];
        const struct operation *model = operation->prepared->operation;

        if (operation_is_hook(model) || model->content.data == NULL) {
            continue; /* a hook, or what completes a migration: neither is undone */
        }
        if (operation_is_transactional(model, false) && operation_is_transactional(model, true)) {
            back->up[back->count++] = *operation;
            continue;
        }
        back->first_left = back->first_left == NULL ? operation : back->first_left;
        back->left_out = arena_printf(arena, "%s%s%s", back->left_out,
                                      back->left_out[0] == '\0' ? "" : ", ", model->path);
    }
    for (size_t i = 0; i < back->count; i++) {
        const struct step_operation *operation = &back->up[back->count - 1 - i];

        back->down[i] = (struct unwind_operation){ .migration = operation->migration,
                                                   .prepared = operation->prepared,
                                                   .from = walk->version,
                                                   .to = walk->version };
    }
}

static bool walk_back_and_forth(struct walk *walk, const struct walk_back *back)
{
    const struct step_order up = {
        .operations = back->up, .count = back->count, .from = walk->version, .rehearses = true
    };
    const struct step_order down = {
        .unwind = back->down, .count = back->count, .from = walk->version, .rehearses = true
    };

    return walk_back_say(walk, walk_back_begin_sql, true) && walk_back_piece(walk, &up) &&
           walk_back_say(walk, "SET CONSTRAINTS ALL IMMEDIATE", false) &&
           walk_back_piece(walk, &down) && walk_back_say(walk, walk_back_compare_sql, true);
}

static void walk_back_warn(struct walk *walk, const struct walk_back *back, const char *stumbled)
{
    struct runner_report words = { 0 };
    const struct runner_call call = { .arena = &walk->task->arena,
                                      .operation = back->first_left->prepared };

    runner_warn(&call, &words, TASK_CODE_ROLLBACK,
                "the way back was not rehearsed for %s, which does not run in the tenant's "
                "transaction%s%s",
                back->left_out,
                stumbled[0] == '\0' ? "" : "; what builds on it failed without it: ", stumbled);
    walk_call_warn(walk, &call, &words, TASK_CODE_NONE);
}

/* It failed: because something was left out? (A name, a row or a value that is not there.) */
static bool walk_back_is_blind(const struct walk *walk, const struct walk_back *back)
{
    const char *state = walk->report.error.sqlstate;

    return back->left_out[0] != '\0' && walk->report.operation != NULL &&
           (strncmp(state, "42", 2) == 0 || strncmp(state, "23", 2) == 0 ||
            strncmp(state, "3F", 2) == 0);
}

enum walk_end walk_rehearse_back(struct walk *walk)
{
    struct walk_back back = { 0 };
    const char *stumbled = "";

    walk_back_collect(walk, &back);
    if (!walk_back_say(walk, "SAVEPOINT skein_rehearsal", false)) {
        return WALK_BROKEN;
    }
    if (back.count > 0 && !walk_back_and_forth(walk, &back)) {
        bool ours = strncmp(walk->report.error.sqlstate, "SK021", 5) == 0;

        if (walk->report.lost || (!ours && accident_is(&walk->report.error)) ||
            (!ours && walk->report.operation == NULL)) {
            return WALK_BROKEN;
        }
        if (!walk_back_is_blind(walk, &back)) {
            task_answer_refused(
                walk->result, walk->task, walk->context->options->shard, &walk->report,
                executor_queue_is_cancelled(walk->context->queue, walk->context->worker));
            return WALK_ENDED;
        }
        stumbled = arena_strdup(&walk->task->arena, walk->report.error.message);
    }
    if (back.left_out[0] != '\0') {
        walk_back_warn(walk, &back, stumbled);
    }
    return walk_back_say(walk, "ROLLBACK TO SAVEPOINT skein_rehearsal", false) &&
                   walk_back_say(walk, "RELEASE SAVEPOINT skein_rehearsal", false)
               ? WALK_DONE
               : WALK_BROKEN;
}
