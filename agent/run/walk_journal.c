/* walk_journal.c - what a walk says to the journal between its steps; see walk_parts.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/run/runner_step.h"
#include "agent/run/task_text.h"
#include "agent/run/task_ledger.h"
#include "agent/run/task_sql.h"
#include "agent/run/walk_parts.h"
#include "common/model/semver.h"

/* For the session, because what runs outside a transaction has no other place to take it from. */
#define WALK_SESSION                                                                               \
    "SELECT set_config('search_path', coalesce($1, current_setting('search_path')), false),"       \
    " set_config('lock_timeout', $2, false), set_config('statement_timeout', $3, false),"          \
    " set_config('standard_conforming_strings', 'on', false),"                                     \
    " set_config('client_min_messages', 'warning', false)"
static const char walk_session_sql[] = WALK_SESSION;
static const char walk_session_14_sql[] =
    WALK_SESSION ", set_config('client_connection_check_interval', '5s', false)";
static const char walk_guard_sql[] = "SELECT skein.walk_guard($1, $2)";
static const char walk_settings_sql[] = "SELECT " TASK_SETTINGS;
static const char walk_begin_sql[] =
    "SELECT skein.walk_begin($1, $2, $3, $4, $5, $6::text[], $7::bigint, $8, $9::text[],"
    " $10::text[])";
static const char walk_adopt_sql[] = "SELECT skein.task_adopt($1, $2, $3, $4, $5::bigint, $6, $7)";
static const char walk_unchanged_sql[] = "SELECT skein.walk_unchanged($1, $2, $3, $4, $5::bigint)";
static const char walk_rows_sql[] =
    "SELECT script, operation, state = 'done', direction = 'down', coalesce(position::text, ''),"
    " coalesce(undone::text, ''), rollout FROM skein.operation WHERE tenant = $1 AND set_name = $2";
static const char walk_begun_sql[] =
    "SELECT count(*) > 0 FROM skein.tenant"
    " WHERE tenant = $1 AND set_name = $2 AND rollout = $3 AND version IS NOT NULL";
static const char walk_start_sql[] =
    "SELECT skein.step_start($1, $2, $3, $4, $5::bigint, $6, $7, $8, $9, $10)";
static const char walk_fail_sql[] =
    "SELECT skein.step_failed($1, $2, $3, $4::bigint,"
    " jsonb_build_object('code', $5::text, 'message', $6::text, 'file', $7::text))";

enum {
    WALK_SESSION_COUNT = 3,
    WALK_GUARD_COUNT = 2,
    WALK_BEGIN_COUNT = 10,
    WALK_START_COUNT = 10,
    WALK_ADOPT_COUNT = 7,
    WALK_UNCHANGED_COUNT = 5,
    WALK_FAIL_COUNT = 7,
};

/* What a statement is for stands in its tag, as task_batch says it. */
bool walk_journal_send(struct walk *walk, const struct pg_batch_report **ret_answers)
{
    const struct pg_batch_report *answers = NULL;
    struct task_outcome_report *report = &walk->report;

    memset(report, 0, sizeof(*report));
    pg_batch_run(walk->context->link->batch, &answers);
    report->lost = answers->lost;
    report->failed = answers->failed;
    report->error = answers->error;
    if (answers->failed) {
        report->failed_step = (enum task_step)answers->items[answers->failed_index].tag;
    }
    if (ret_answers != NULL) {
        *ret_answers = answers;
    }
    return !report->failed && !report->lost;
}

static const char *walk_journal_schema(const struct walk *walk)
{
    return walk->context->options->database_mode ? "" : walk->task->tenant;
}

/* search_path, lock_timeout and statement_timeout. */
static void walk_journal_settings(struct walk *walk, struct arena *arena,
                                  const struct operation_settings *own, const char **ret_settings)
{
    uint64_t lock_ms = walk->task->lock_timeout_ms;
    uint64_t statement_ms = executor_task_statement_ms(walk->task, walk->context->options);

    if (own != NULL && own->lock_timeout_ms != 0) {
        lock_ms = own->lock_timeout_ms;
    }
    if (own != NULL && own->statement_timeout_ms != 0) {
        statement_ms = own->statement_timeout_ms;
    }
    ret_settings[0] = walk->context->options->database_mode
                          ? NULL
                          : task_text_identifier(arena, walk->task->tenant);
    ret_settings[1] = arena_printf(arena, "%" PRIu64 "ms", lock_ms);
    ret_settings[2] = arena_printf(arena, "%" PRIu64 "ms", statement_ms);
}

bool walk_journal_guard(struct walk *walk, const struct prepared_operation *operation, bool down)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct pg_batch *batch = walk->context->link->batch;
    const struct operation_settings *own = NULL;
    const char *settings[WALK_SESSION_COUNT];
    const char *guard[WALK_GUARD_COUNT] = { walk->task->tenant,
                                            prepared_set_model(walk->task->set)->name };

    if (operation != NULL) {
        own = down ? &operation->operation->down_settings : &operation->operation->settings;
    }
    walk_journal_settings(walk, &arena, own, settings);
    if (operation != NULL && operation->operation->kind == OPERATION_PLUGIN &&
        own->lock_timeout_ms == 0) {
        /* It fails for good where a script would be tried again: it has its full time. */
        settings[1] = arena_printf(&arena, "%" PRIu64 "ms", walk->task->lock_timeout_full_ms);
    }
    pg_batch_add(batch, "RESET SESSION AUTHORIZATION", NULL, 0, TASK_STEP_BEGIN);
    pg_batch_add(batch, "RESET ROLE", NULL, 0, TASK_STEP_BEGIN);
    pg_batch_add(batch,
                 pg_conn_server_version(walk->context->link->conn) >= 140000 ? walk_session_14_sql
                                                                             : walk_session_sql,
                 settings, WALK_SESSION_COUNT, TASK_STEP_BEGIN);
    pg_batch_add(batch, walk_guard_sql, guard, WALK_GUARD_COUNT, TASK_STEP_BEGIN);
    return walk_journal_send(walk, NULL);
}

void walk_journal_keep(struct walk *walk, const struct pg_result *rows)
{
    struct arena *arena = &walk->task->arena;
    size_t count = pg_result_row_count(rows);

    walk->known = arena_alloc_array(arena, count + 1, sizeof(*walk->known));
    walk->known_count = count;
    for (size_t i = 0; i < count; i++) {
        walk->known[i] = (struct step_known){
            .script = arena_strdup(arena, pg_result_text(rows, i, 0)),
            .operation = arena_strdup(arena, pg_result_text(rows, i, 1)),
            .done = pg_result_bool(rows, i, 2),
            .down = pg_result_bool(rows, i, 3),
            .position = arena_strdup(arena, pg_result_text(rows, i, 4)),
            .undone = arena_strdup(arena, pg_result_text(rows, i, 5)),
            .rollout = arena_strdup(arena, pg_result_text(rows, i, 6)),
        };
    }
}

void walk_journal_add_rows(struct walk *walk, struct arena *arena)
{
    const char **p = arena_alloc_array(arena, WALK_GUARD_COUNT, sizeof(*p));

    p[0] = walk->task->tenant;
    p[1] = prepared_set_model(walk->task->set)->name;
    pg_batch_add(walk->context->link->batch, walk_rows_sql, p, WALK_GUARD_COUNT, TASK_STEP_BEGIN);
}

/* The versions on the way, at which an earlier try of this walk may have left the tenant. */
static const char *walk_journal_path(struct walk *walk, struct arena *arena)
{
    const struct set *set = prepared_set_model(walk->task->set);
    const struct plan *plan = &walk->plan;
    const char **versions = arena_alloc_array(arena, plan->count + 1, sizeof(*versions));

    for (size_t i = 0; i < plan->count; i++) {
        versions[i] = set->migrations[plan->first + i].version_text;
    }
    return task_text_array(arena, versions, plan->count);
}

/* An unmanaged tenant is recorded first, where the rollout wants that. */
static void walk_journal_add_adopt(struct walk *walk, struct arena *arena)
{
    const struct executor_task *task = walk->task;
    const char **p = arena_alloc_array(arena, WALK_ADOPT_COUNT, sizeof(*p));

    p[0] = task->tenant;
    p[1] = prepared_set_model(task->set)->name;
    p[2] = task->rollout;
    p[3] = walk->context->options->agent;
    p[4] = arena_printf(arena, "%" PRIu64, task->token);
    p[5] = walk_journal_schema(walk);
    p[6] = task->baseline;
    pg_batch_add(walk->context->link->batch, walk_adopt_sql, p, WALK_ADOPT_COUNT, TASK_STEP_BEGIN);
}

void walk_journal_add_begin(struct walk *walk, struct arena *arena)
{
    const char **settings = arena_alloc_array(arena, TASK_SETTING_COUNT, sizeof(*settings));

    memset(settings, 0, TASK_SETTING_COUNT * sizeof(*settings));
    walk_journal_settings(walk, arena, NULL, settings);
    pg_batch_add(walk->context->link->batch, "BEGIN ISOLATION LEVEL READ COMMITTED", NULL, 0,
                 TASK_STEP_BEGIN);
    pg_batch_add(walk->context->link->batch, walk_settings_sql, settings, TASK_SETTING_COUNT,
                 TASK_STEP_BEGIN);
}

static void walk_journal_add_unchanged(struct walk *walk, struct arena *arena)
{
    const struct executor_task *task = walk->task;
    const char **p = arena_alloc_array(arena, WALK_UNCHANGED_COUNT, sizeof(*p));

    p[0] = task->tenant;
    p[1] = prepared_set_model(task->set)->name;
    p[2] = task_text_start(task);
    p[3] = walk_journal_schema(walk);
    p[4] = arena_printf(arena, "%" PRIu64, task->stamp);
    pg_batch_add(walk->context->link->batch, walk_unchanged_sql, p, WALK_UNCHANGED_COUNT,
                 TASK_STEP_BEGIN);
}

bool walk_journal_look(struct walk *walk)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct executor_task *task = walk->task;
    const struct set *set = prepared_set_model(task->set);
    struct pg_batch *batch = walk->context->link->batch;
    const struct pg_batch_report *answers = NULL;
    struct task_text_rows applied = { .scripts = "{}", .checksums = "{}" };
    const char *from = walk->version[0] != '\0' ? walk->version : task_text_start(task);

    if (from[0] != '\0') {
        task_text_applied(&arena, set, from, &applied);
    }
    const char *p[WALK_BEGIN_COUNT] = { task->tenant,
                                        set->name,
                                        task->rollout,
                                        from,
                                        task->target,
                                        walk_journal_path(walk, &arena),
                                        arena_printf(&arena, "%" PRIu64, task->token),
                                        walk_journal_schema(walk),
                                        applied.scripts,
                                        applied.checksums };
    walk_journal_add_begin(walk, &arena);
    if (task->baseline[0] != '\0') {
        walk_journal_add_adopt(walk, &arena);
    }
    pg_batch_add(batch, walk_begin_sql, p, WALK_BEGIN_COUNT, TASK_STEP_BEGIN);
    if (task->stamp != 0) {
        walk_journal_add_unchanged(walk, &arena);
    }
    const char *who[] = { task->tenant, set->name, task->rollout };
    pg_batch_add(batch, walk_begun_sql, who, COUNT_OF(who), TASK_STEP_BEGIN);
    walk_journal_add_rows(walk, &arena);
    pg_batch_end_segment(batch);
    pg_batch_add(batch, "COMMIT", NULL, 0, TASK_STEP_COMMIT);
    if (!walk_journal_send(walk, &answers)) {
        return false;
    }
    const struct pg_batch_item *last = &answers->items[answers->count - 1]; /* COMMIT */
    const struct pg_batch_item *reached = task->stamp != 0 ? &last[-4] : &last[-3];
    walk->version = arena_strdup(&walk->task->arena, pg_result_text(reached->result, 0, 0));
    walk->begun = pg_result_bool(last[-2].result, 0, 0);
    walk_journal_keep(walk, last[-1].result);
    return true;
}

bool walk_journal_read(struct walk *walk)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct pg_batch_report *answers = NULL;

    walk_journal_add_rows(walk, &arena);
    if (!walk_journal_send(walk, &answers)) {
        return false;
    }
    walk_journal_keep(walk, answers->items[0].result);
    return true;
}

/* COMMIT in a segment of its own, so that a failed transaction is closed by it. */
static bool walk_journal_commit(struct walk *walk)
{
    struct pg_batch *batch = walk->context->link->batch;

    pg_batch_end_segment(batch);
    runner_step_add_commit(batch, TASK_STEP_COMMIT);
    return walk_journal_send(walk, NULL);
}

bool walk_journal_start(struct walk *walk, const struct runner_call *call)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct migration *migration = call->migration;
    const char *p[WALK_START_COUNT] = {
        walk->task->tenant,
        prepared_set_model(walk->task->set)->name,
        walk->task->rollout,
        walk->context->options->agent,
        arena_printf(&arena, "%" PRIu64, walk->task->token),
        migration->script,
        migration->version_text,
        task_text_hex(&arena, migration->checksum),
        call->operation->operation->stem,
        call->down ? "down" : "up",
    };

    runner_step_add_begin(call, &arena, call->batch, TASK_STEP_END);
    pg_batch_add(call->batch, walk_start_sql, p, WALK_START_COUNT, TASK_STEP_END);
    return walk_journal_commit(walk);
}

/* The table of another tool hears of it in the same transaction. */
static void walk_journal_add(void *batch, enum task_step step, const char *sql,
                             const char *const *parameters, size_t parameter_count)
{
    pg_batch_add(batch, sql, parameters, parameter_count, (size_t)step);
}

bool walk_journal_end(struct walk *walk, const struct runner_call *call,
                      const struct step_order *step)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *p[STEP_ORDER_PARAMETERS_MAX] = { 0 };
    size_t count = 0;

    size_t first = 0;
    size_t completed = 0;

    runner_step_add_begin(call, &arena, call->batch, TASK_STEP_END);
    step_order_completes(call->task, step, &first, &completed);
    if (!step->down && completed > 0) {
        bool fresh = step->from[0] == '\0';

        task_ledger_check(call->task, first, completed, fresh, &arena, walk_journal_add,
                          call->batch);
        task_ledger_write(call->task, first, completed, &arena, walk_journal_add, call->batch);
    }
    const char *sql = step_order_end(&arena, call->options, call->task, step, p, &count);
    pg_batch_add(call->batch, sql, p, count, TASK_STEP_END);
    return walk_journal_commit(walk);
}

bool walk_journal_fail(struct walk *walk, const struct runner_call *call)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct task_error *error = &walk->result->error;
    const char *p[WALK_FAIL_COUNT] = {
        walk->task->tenant,
        prepared_set_model(walk->task->set)->name,
        call->migration->script,
        arena_printf(&arena, "%" PRIu64, walk->task->token),
        task_code_name(error->code),
        error->message,
        error->file,
    };

    runner_step_add_begin(call, &arena, call->batch, TASK_STEP_END);
    pg_batch_add(call->batch, walk_fail_sql, p, WALK_FAIL_COUNT, TASK_STEP_END);
    return walk_journal_commit(walk);
}
