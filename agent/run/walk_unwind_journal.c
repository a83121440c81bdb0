/* walk_unwind_journal.c - what a walk that goes down says to the journal; see walk_parts.h. */
#include <string.h>

#include "agent/run/runner_step.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_ledger.h"
#include "agent/run/unwind_words.h"
#include "agent/run/walk_parts.h"

static struct unwind_speaker walk_unwind_speaker(const struct walk *walk, struct arena *arena)
{
    return (struct unwind_speaker){ arena, walk->context->options, walk->task };
}

static void walk_unwind_say(struct walk *walk, const struct task_words *words, enum task_step step)
{
    pg_batch_add(walk->context->link->batch, words->sql, words->parameters, words->count,
                 (size_t)step);
}

/* False: the set has no such script; the result says so. */
static bool walk_unwind_find(struct walk *walk, const char *script, size_t *ret_index)
{
    const struct set *set = prepared_set_model(walk->task->set);
    const struct migration *migration = set_find_script(set, script);

    if (migration == NULL) {
        task_answer_fail(walk->result, walk->task, walk->context->options->shard, TASK_FAILED,
                         TASK_CODE_ROLLBACK,
                         "the tenant's journal has the script '%s', which the set '%s' does not "
                         "have",
                         script, set->name);
        walk->result->version = walk->version;
        return false;
    }
    *ret_index = (size_t)(migration - set->migrations);
    return true;
}

static bool walk_unwind_plan(struct walk *walk, const struct pg_result *rows)
{
    struct arena *arena = &walk->task->arena;
    size_t row_count = pg_result_row_count(rows);
    size_t *migrations = arena_alloc_array(arena, row_count, sizeof(*migrations));
    const char *half = pg_result_text(rows, 0, UNWIND_COLUMN_HALF);
    struct unwind_start start = { .version = walk->version,
                                  .target = walk->start,
                                  .migrations = migrations,
                                  .has_half = half[0] != '\0',
                                  .known = walk->known,
                                  .known_count = walk->known_count };

    if (start.has_half && !walk_unwind_find(walk, half, &start.half)) {
        return false;
    }
    for (size_t row = 0; row < row_count; row++) {
        const char *script = pg_result_text(rows, row, UNWIND_COLUMN_SCRIPT);

        if (script == NULL) {
            continue; /* the one row of none */
        }
        if (!walk_unwind_find(walk, script, &migrations[start.count])) {
            return false;
        }
        start.count++;
    }
    unwind_plan_make(arena, walk->task->set, &start, &walk->unwind);
    return true;
}

bool walk_unwind_look(struct walk *walk, bool *ret_ended)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct unwind_speaker speaker = walk_unwind_speaker(walk, &arena);
    const struct pg_batch_report *answers = NULL;
    struct pg_batch *batch = walk->context->link->batch;
    bool commits = walk->task->mode == TASK_ROLLBACK;

    *ret_ended = false;
    walk_journal_add_begin(walk, &arena);
    walk_unwind_say(walk, unwind_words_begin(&speaker), TASK_STEP_BEGIN);
    walk_journal_add_rows(walk, &arena);
    if (commits) {
        pg_batch_end_segment(batch);
        pg_batch_add(batch, "COMMIT", NULL, 0, TASK_STEP_COMMIT);
    }
    if (!walk_journal_send(walk, &answers)) {
        return false;
    }
    const struct pg_batch_item *last = &answers->items[answers->count - (commits ? 2 : 1)];
    const struct pg_result *rows = last[-1].result;

    walk_journal_keep(walk, last->result);
    walk->version =
        arena_strdup(&walk->task->arena, pg_result_text(rows, 0, UNWIND_COLUMN_VERSION));
    walk->start = arena_strdup(&walk->task->arena, pg_result_text(rows, 0, UNWIND_COLUMN_START));
    *ret_ended = !walk_unwind_plan(walk, rows);
    return true;
}

/* A transaction of the walk's with one thing to say, in its words. */
static bool walk_unwind_transact(struct walk *walk, struct arena *arena,
                                 const struct runner_call *call, const struct task_words *words)
{
    struct pg_batch *batch = walk->context->link->batch;

    runner_step_add_begin(call, arena, batch, TASK_STEP_END);
    walk_unwind_say(walk, words, TASK_STEP_END);
    pg_batch_end_segment(batch);
    runner_step_add_commit(batch, TASK_STEP_COMMIT);
    return walk_journal_send(walk, NULL);
}

/* The table of another tool hears of it in the same transaction. */
static void walk_unwind_add_ledger(void *batch, enum task_step step, const char *sql,
                                   const char *const *parameters, size_t parameter_count)
{
    pg_batch_add(batch, sql, parameters, parameter_count, (size_t)step);
}

bool walk_unwind_open(struct walk *walk, const struct unwind_operation *operation)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct unwind_speaker speaker = walk_unwind_speaker(walk, &arena);
    const struct runner_call call =
        walk_call_make(walk, operation->migration, operation->prepared, NULL, true);
    const struct set *set = prepared_set_model(walk->task->set);
    struct pg_batch *batch = walk->context->link->batch;

    runner_step_add_begin(&call, &arena, batch, TASK_STEP_END);
    walk_unwind_say(walk, unwind_words_open(&speaker, operation), TASK_STEP_END);
    task_ledger_undo(walk->task, (size_t)(operation->migration - set->migrations), 1, &arena,
                     walk_unwind_add_ledger, batch);
    pg_batch_end_segment(batch);
    runner_step_add_commit(batch, TASK_STEP_COMMIT);
    if (!walk_journal_send(walk, NULL)) {
        return false;
    }
    walk->version = operation->to;
    return walk_journal_read(walk);
}

bool walk_unwind_end(struct walk *walk, const struct unwind_operation *operation, const char *note)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct unwind_speaker speaker = walk_unwind_speaker(walk, &arena);
    const struct runner_call call =
        walk_call_make(walk, operation->migration, operation->prepared, NULL, true);

    return walk_unwind_transact(walk, &arena, &call, unwind_words_end(&speaker, operation, note));
}

bool walk_unwind_finish(struct walk *walk)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct unwind_speaker speaker = walk_unwind_speaker(walk, &arena);
    struct pg_batch *batch = walk->context->link->batch;
    const struct task_words *words = unwind_words_finish(&speaker, walk->version);
    const struct unwind_operation *any =
        walk->unwind.operation_count == 0 ? NULL : &walk->unwind.operations[0];

    if (any != NULL) {
        const struct runner_call call =
            walk_call_make(walk, any->migration, any->prepared, NULL, true);

        return walk_unwind_transact(walk, &arena, &call, words);
    }
    walk_journal_add_begin(walk, &arena);
    walk_unwind_say(walk, words, TASK_STEP_END);
    pg_batch_end_segment(batch);
    runner_step_add_commit(batch, TASK_STEP_COMMIT);
    return walk_journal_send(walk, NULL);
}
