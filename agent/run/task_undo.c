#include "agent/run/task_undo.h"

#include <string.h>

#include "agent/run/task_text.h"

static const char task_undo_sql[] =
    "SELECT p.out_state, p.out_version, p.out_start, s.script,"
    " EXISTS (SELECT FROM skein.operation o WHERE o.tenant = $1 AND o.set_name = $2"
    "          AND NOT skein.is_hook(o.operation))"
    " FROM skein.undo_plan($1, $2, $3, $4) AS p"
    " LEFT JOIN LATERAL unnest(p.out_scripts) WITH ORDINALITY AS s(script, place) ON true"
    " ORDER BY s.place";

static const char task_undo_done_sql[] =
    "SELECT coalesce(t.undone = $3, false), coalesce(t.version, '') FROM skein.tenant t"
    " WHERE t.tenant = $1 AND t.set_name = $2";

enum { UNDO_STATE, UNDO_VERSION, UNDO_START, UNDO_SCRIPT, UNDO_HALF };

/* False: the set has no such script. */
static bool task_undo_find_script(const struct set *set, const char *script, size_t *ret_index)
{
    for (size_t i = set->migration_count; i > 0; i--) {
        if (strcmp(set->migrations[i - 1].script, script) == 0) {
            *ret_index = i - 1;
            return true;
        }
    }
    return false;
}

static bool task_undo_take_scripts(const struct pg_result *rows, struct executor_task *task,
                                   struct task_undo *undo, struct error *err)
{
    const struct set *set = prepared_set_model(task->set);
    size_t row_count = pg_result_row_count(rows);
    size_t *migrations = arena_alloc_array(&task->arena, row_count, sizeof(*migrations));
    const char **scripts = arena_alloc_array(&task->arena, row_count, sizeof(*scripts));

    for (size_t row = 0; row < row_count; row++) {
        const char *script = pg_result_text(rows, row, UNDO_SCRIPT);
        if (script == NULL) {
            continue; /* it has only moved the version */
        }
        if (!task_undo_find_script(set, script, &migrations[undo->count])) {
            return error_set(err, ERR_INVALID,
                             "the tenant's journal has the script '%s', which the set '%s' does "
                             "not have",
                             script, set->name);
        }
        scripts[undo->count] = arena_strdup(&task->arena, script);
        undo->count++;
    }
    undo->migrations = migrations;
    undo->scripts = scripts;
    return true;
}

bool task_undo_read(struct pg_conn *conn, const struct executor_options *options,
                    struct executor_task *task, struct task_undo *ret_undo,
                    struct pg_error *ret_words, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { task->tenant, prepared_set_model(task->set)->name, task->rollout,
                                 options->database_mode ? "" : task->tenant };
    struct task_undo undo = { 0 };

    if (!pg_query(conn, task_undo_sql, parameters, COUNT_OF(parameters), &rows, ret_words, err)) {
        return false;
    }
    undo.walks = pg_result_bool(rows, 0, UNDO_HALF);
    undo.is_mine = strcmp(pg_result_text(rows, 0, UNDO_STATE), "mine") == 0;
    undo.from = arena_strdup(&task->arena, pg_result_text(rows, 0, UNDO_VERSION));
    undo.start =
        undo.is_mine ? arena_strdup(&task->arena, pg_result_text(rows, 0, UNDO_START)) : undo.from;
    if (undo.is_mine && !task_undo_take_scripts(rows, task, &undo, err)) {
        return false;
    }
    const struct unwind_start start = { .version = undo.from,
                                        .target = undo.start,
                                        .migrations = undo.migrations,
                                        .count = undo.count };
    unwind_plan_make(&task->arena, task->set, &start, &undo.plan);
    undo.walks = undo.walks || !unwind_plan_is_simple(&start, &undo.plan);
    *ret_undo = undo;
    return true;
}

bool task_undo_is_done(struct pg_conn *conn, struct executor_task *task, bool *ret_done,
                       const char **ret_version, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { task->tenant, prepared_set_model(task->set)->name, task->rollout };

    if (!pg_query(conn, task_undo_done_sql, parameters, COUNT_OF(parameters), &rows, NULL, err)) {
        return false;
    }
    bool found = pg_result_row_count(rows) == 1;
    *ret_done = found && pg_result_bool(rows, 0, 0);
    *ret_version = found ? arena_strdup(&task->arena, pg_result_text(rows, 0, 1)) : "";
    return true;
}

void task_undo_history(struct arena *arena, const struct executor_task *task,
                       const struct task_undo *undo, struct task_undo_rows *ret_rows)
{
    const struct set *set = prepared_set_model(task->set);
    size_t count = undo->count;
    const char **versions = arena_alloc_array(arena, count + 1, sizeof(*versions));
    const char **scripts = arena_alloc_array(arena, count + 1, sizeof(*scripts));
    const char **checksums = arena_alloc_array(arena, count + 1, sizeof(*checksums));

    for (size_t i = 0; i < count; i++) {
        const struct migration *migration = &set->migrations[undo->migrations[i]];
        scripts[i] = migration->script;
        versions[i] = migration->version_text;
        checksums[i] = task_text_hex(arena, migration->checksum);
    }
    if (count == 0) {
        /* No script was run, so none is: a row says that the version went back. */
        scripts[0] = "";
        versions[0] = undo->from;
        checksums[0] = NULL;
        count = 1;
    }
    ret_rows->scripts = task_text_array(arena, scripts, count);
    ret_rows->versions = task_text_array(arena, versions, count);
    ret_rows->checksums = task_text_array(arena, checksums, count);
}
