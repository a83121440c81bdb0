#include "agent/run/task_measure.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/measure_compare.h"
#include "agent/run/task_answer.h"
#include "agent/run/worker_link.h"

static const char task_measure_names_sql[] =
    "SELECT relation, name, kind, file, coalesce(owner, 0) FROM skein.measure_named($1::oid[], $2)";

/* The relations that were there before, with their names. False: they cannot be read. */
static bool task_measure_names(struct pg_conn *conn, const struct executor_options *options,
                               struct executor_task *task, const struct measure_log *log,
                               struct measure_live **ret_live, size_t *ret_count)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { measure_log_relations(log, &task->arena),
                                       options->database_mode ? "" : task->tenant };
    struct error err = { 0 };

    *ret_live = NULL;
    *ret_count = 0;
    if (strcmp(parameters[0], "{}") == 0) {
        return true;
    }
    if (!pg_query(conn, task_measure_names_sql, parameters, COUNT_OF(parameters), &rows, NULL,
                  &err)) {
        return false;
    }
    *ret_count = pg_result_row_count(rows);
    *ret_live = arena_alloc_array(&task->arena, *ret_count, sizeof(**ret_live));
    for (size_t i = 0; i < *ret_count; i++) {
        (*ret_live)[i] = (struct measure_live){
            .oid = pg_result_u64(rows, i, 0),
            .name = arena_strdup(&task->arena, pg_result_text(rows, i, 1)),
            .kind = pg_result_text(rows, i, 2)[0],
            .file = pg_result_u64(rows, i, 3),
            .of = pg_result_u64(rows, i, 4),
        };
    }
    return true;
}

/* "3.25 s" */
static const char *task_measure_seconds(struct arena *arena, uint64_t us)
{
    return us < 1000000
               ? arena_printf(arena, "%" PRIu64 " ms", us / 1000)
               : arena_printf(arena, "%" PRIu64 ".%02" PRIu64 " s", us / 1000000, us / 10000 % 100);
}

/* The statement that took the lock, or the longest under it. */
static void task_measure_check_budget(const struct executor_options *options,
                                      struct executor_task *task, struct task_result *result)
{
    const struct task_measure *measure = result->measure;
    struct arena *arena = &task->arena;

    if (task->lock_budget_ms == 0 || measure->blocked_us <= 1000 * task->lock_budget_ms ||
        measure->worst_count == 0) {
        return;
    }
    const struct measured_statement *longest = &measure->worst[0];
    for (size_t i = 1; i < measure->worst_count; i++) {
        longest = measure->worst[i].took_us > longest->took_us ? &measure->worst[i] : longest;
    }
    task_answer_fail(result, task, options->shard, TASK_FAILED, TASK_CODE_LINT,
                     "%s would be locked against writers for %s, more than the lock budget of %s; "
                     "this statement alone takes %s",
                     measure->blocked_relation, task_measure_seconds(arena, measure->blocked_us),
                     task_measure_seconds(arena, 1000 * task->lock_budget_ms),
                     task_measure_seconds(arena, longest->took_us));
    result->version = task->from;
    result->error.file = longest->file;
    result->error.statement = longest->statement;
    result->error.line = longest->line;
    const char *fix =
        measure_compare_fix(prepared_set_lint(task->set), longest->file, longest->statement);
    if (fix[0] != '\0') {
        result->error.hint = fix;
        return;
    }
    result->error.hint = "Do the long work before the lock is taken, or in a migration of its own "
                         "that takes none: skein lint names the safe way";
}

static void task_measure_warn(const struct executor_options *options, struct executor_task *task,
                              const struct measure_compare *compare, struct task_result *result)
{
    size_t before = result->warning_count;
    struct task_error *all =
        arena_alloc_array(&task->arena, before + compare->warning_count, sizeof(*all));

    if (compare->warning_count == 0) {
        return;
    }
    for (size_t i = 0; i < before; i++) {
        all[i] = result->warnings[i];
    }
    for (size_t i = 0; i < compare->warning_count; i++) {
        all[before + i] = compare->warnings[i];
        all[before + i].mode = task->mode;
        all[before + i].tenant = arena_printf(&task->arena, "%s/%s", options->shard, task->tenant);
    }
    result->warnings = all;
    result->warning_count = before + compare->warning_count;
}

bool task_measure_tell(struct task_context *context, struct executor_task *task,
                       const struct measure_log *log, struct task_result *result)
{
    const struct executor_options *options = context->options;
    struct pg_conn *conn = context->link->conn;
    struct measure_live *live = NULL;
    size_t count = 0;
    bool unsure = false;

    if (task->mode != TASK_DRY_RUN || result->outcome != TASK_SUCCEEDED || log->count == 0 ||
        conn == NULL || !task_measure_names(conn, options, task, log, &live, &count)) {
        return true; /* a connection that is lost is seen by whoever uses it next */
    }
    struct measure_compare compare = { .foreseen = prepared_set_lint(task->set),
                                       .live = live,
                                       .live_count = count,
                                       .arena = &task->arena };
    struct task_measure *measure =
        measure_read(log, live, count, measure_compare_visit, &compare, &task->arena, &unsure);
    if (unsure) {
        prepared_set_surprise(task->set);
        /* Before version 15 a session cannot be told to forget what it has counted. */
        if (pg_conn_server_version(conn) < 150000) {
            worker_link_close(context->link);
        }
        return false;
    }
    result->measure = measure;
    task_measure_warn(options, task, &compare, result);
    if (result->measure != NULL) {
        task_measure_check_budget(options, task, result);
    }
    return true;
}
