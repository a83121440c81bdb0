#include "agent/run/runner_step.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/task_sql.h"
#include "agent/run/task_text.h"

static const char runner_step_begin_sql[] =
    "SELECT " TASK_SETTINGS ", skein.step_begin($5, $6, $7, $8::bigint, $9)";
static const char runner_step_begin_14_sql[] =
    "SELECT " TASK_SETTINGS TASK_SETTINGS_14 ", skein.step_begin($5, $6, $7, $8::bigint, $9)";
static const char runner_step_position_sql[] =
    "SELECT skein.step_position($1, $2, $3, $4, $5, $6::jsonb, $7::bigint)";

enum { RUNNER_STEP_BEGIN_COUNT = TASK_SETTING_COUNT + 5, RUNNER_STEP_POSITION_COUNT = 7 };

void runner_step_add_begin(const struct runner_call *call, struct arena *arena,
                           struct pg_batch *batch, size_t tag)
{
    const struct operation *operation = call->operation->operation;
    const struct operation_settings *own =
        call->down ? &operation->down_settings : &operation->settings;
    const struct executor_task *task = call->task;
    bool database_mode = call->options->database_mode;
    const char **p = arena_alloc_array(arena, RUNNER_STEP_BEGIN_COUNT, sizeof(*p));

    p[0] = database_mode ? NULL : task_text_identifier(arena, task->tenant);
    p[1] = arena_printf(arena, "%" PRIu64 "ms",
                        own->lock_timeout_ms != 0 ? own->lock_timeout_ms : task->lock_timeout_ms);
    p[2] = arena_printf(arena, "%" PRIu64 "ms",
                        own->statement_timeout_ms != 0
                            ? own->statement_timeout_ms
                            : executor_task_statement_ms(task, call->options));
    p[3] = NULL;
    p[4] = task->tenant;
    p[5] = prepared_set_model(task->set)->name;
    p[6] = call->from;
    p[7] = arena_printf(arena, "%" PRIu64, task->token);
    p[8] = database_mode ? "" : task->tenant;
    pg_batch_add(batch, "BEGIN ISOLATION LEVEL READ COMMITTED", NULL, 0, tag);
    pg_batch_add(batch,
                 pg_conn_server_version(call->conn) >= 140000 ? runner_step_begin_14_sql
                                                              : runner_step_begin_sql,
                 p, RUNNER_STEP_BEGIN_COUNT, tag);
}

void runner_step_add_position(const struct runner_call *call, struct arena *arena,
                              struct pg_batch *batch, const char *position, size_t tag)
{
    const char **p = arena_alloc_array(arena, RUNNER_STEP_POSITION_COUNT, sizeof(*p));

    p[0] = call->task->tenant;
    p[1] = prepared_set_model(call->task->set)->name;
    p[2] = call->migration->script;
    p[3] = call->operation->operation->stem;
    p[4] = call->down ? "down" : "up";
    p[5] = arena_strdup(arena, position);
    p[6] = arena_printf(arena, "%" PRIu64, call->task->token);
    pg_batch_add(batch, runner_step_position_sql, p, RUNNER_STEP_POSITION_COUNT, tag);
}

void runner_step_add_commit(struct pg_batch *batch, size_t tag)
{
    pg_batch_add(batch, "COMMIT", NULL, 0, tag);
}

bool runner_step_store(const struct runner_call *call, const char *position,
                       struct runner_report *report)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct pg_batch_report *answers = NULL;

    runner_step_add_begin(call, &arena, call->batch, 0);
    runner_step_add_position(call, &arena, call->batch, position, 0);
    pg_batch_end_segment(call->batch);
    runner_step_add_commit(call->batch, 0);
    pg_batch_run(call->batch, &answers);
    if (answers->failed || answers->lost) {
        return runner_fail_pg(call, &answers->error, report);
    }
    return true;
}
