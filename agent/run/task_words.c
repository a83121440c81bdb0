#include "agent/run/task_words.h"

#include <inttypes.h>

static struct task_words *task_words_new(struct arena *arena, const char *sql, size_t count)
{
    struct task_words *words = arena_alloc(arena, sizeof(*words));

    words->sql = sql;
    words->count = count;
    return words;
}

static const char *task_words_number(struct arena *arena, uint64_t number)
{
    return arena_printf(arena, "%" PRIu64, number);
}

const struct task_words *task_words_settle(struct arena *arena, const struct executor_task *task)
{
    struct task_words *words = task_words_new(
        arena, "SELECT out_version, out_rollout FROM skein.task_settle($1, $2, $3::bigint)", 3);

    words->parameters[0] = task->tenant;
    words->parameters[1] = prepared_set_model(task->set)->name;
    words->parameters[2] =
        task_words_number(arena, task->token + (task->mode == TASK_SETTLE ? 0 : 1));
    return words;
}

const struct task_words *task_words_adopt(struct arena *arena,
                                          const struct executor_options *options,
                                          const struct executor_task *task)
{
    struct task_words *words =
        task_words_new(arena, "SELECT skein.task_adopt($1, $2, $3, $4, $5::bigint, $6, $7)", 7);

    words->parameters[0] = task->tenant;
    words->parameters[1] = prepared_set_model(task->set)->name;
    words->parameters[2] = task->rollout;
    words->parameters[3] = options->agent;
    words->parameters[4] = task_words_number(arena, task->token);
    words->parameters[5] = options->database_mode ? "" : task->tenant;
    words->parameters[6] = task->baseline;
    return words;
}

const struct task_words *task_words_create(struct arena *arena, const struct executor_task *task)
{
    struct task_words *words =
        task_words_new(arena,
                       "SELECT skein.task_create($1, $2, $3, $4, $5::bigint, $6, $7::text[],"
                       " $8::text[])",
                       8);
    struct task_text_labels labels = { 0 };

    words->parameters[0] = task->tenant;
    words->parameters[1] = prepared_set_model(task->set)->name;
    words->parameters[2] = task->rollout;
    words->parameters[3] = task->target;
    words->parameters[4] = task_words_number(arena, task->token);
    words->parameters[5] = task->tenant;
    task_text_labels(arena, &task->labels, &labels);
    words->parameters[6] = labels.keys;
    words->parameters[7] = labels.values;
    return words;
}

const struct task_words *task_words_changed(struct arena *arena, const struct executor_task *task)
{
    const struct set *set = prepared_set_model(task->set);
    struct task_words *words = task_words_new(
        arena, "SELECT skein.repeatables_changed($1, $2, $3::text[], $4::text[])", 4);
    struct task_text_rows all = { 0 };

    task_text_repeatables(arena, set, &all);
    words->parameters[0] = task->tenant;
    words->parameters[1] = set->name;
    words->parameters[2] = all.scripts;
    words->parameters[3] = all.checksums;
    return words;
}

const struct task_words *task_words_repeated(struct arena *arena, const struct executor_task *task)
{
    const struct set *set = prepared_set_model(task->set);
    struct task_words *words = task_words_new(
        arena,
        "UPDATE skein.tenant SET repeatables = $3::bigint WHERE tenant = $1 AND set_name = $2", 3);

    words->parameters[0] = task->tenant;
    words->parameters[1] = set->name;
    words->parameters[2] = task_words_number(arena, set->repeatables_digest);
    return words;
}

const struct task_words *task_words_end(struct arena *arena, const struct executor_options *options,
                                        const struct executor_task *task, const struct plan *plan,
                                        const struct task_repeats *repeats)
{
    struct task_words *words = task_words_new(
        arena,
        "SELECT skein.task_end($1, $2, $3, $4, $5, $6, $7::bigint, $8::text[], $9::text[],"
        " $10::text[], $11::text[])",
        11);
    struct task_text_rows rows = { 0 };

    task_text_history(arena, task, plan, repeats, &rows);
    words->parameters[0] = task->tenant;
    words->parameters[1] = prepared_set_model(task->set)->name;
    words->parameters[2] = task->rollout;
    words->parameters[3] = options->agent;
    words->parameters[4] = task_text_start(task);
    words->parameters[5] = task->target;
    words->parameters[6] = task_words_number(arena, task->token);
    words->parameters[7] = rows.scripts;
    words->parameters[8] = rows.versions;
    words->parameters[9] = rows.directions;
    words->parameters[10] = rows.checksums;
    return words;
}

const struct task_words *task_words_undo_end(struct arena *arena,
                                             const struct executor_options *options,
                                             const struct executor_task *task,
                                             const struct task_undo *undo)
{
    struct task_words *words =
        task_words_new(arena,
                       "SELECT skein.undo_end($1, $2, $3, $4, $5, $6, $7::bigint, $8, $9::text[],"
                       " $10::text[], $11::text[])",
                       11);
    struct task_undo_rows rows = { 0 };

    task_undo_history(arena, task, undo, &rows);
    words->parameters[0] = task->tenant;
    words->parameters[1] = prepared_set_model(task->set)->name;
    words->parameters[2] = task->rollout;
    words->parameters[3] = options->agent;
    words->parameters[4] = undo->from;
    words->parameters[5] = undo->start;
    words->parameters[6] = task_words_number(arena, task->token);
    words->parameters[7] = options->database_mode ? "" : task->tenant;
    words->parameters[8] = rows.scripts;
    words->parameters[9] = rows.versions;
    words->parameters[10] = rows.checksums;
    return words;
}
