#include "agent/run/control_task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/keep/journal.h"
#include "agent/run/accident.h"
#include "agent/run/task_answer.h"
#include "common/core/crash.h"
#include "common/core/memory.h"
#include "common/model/plan.h"

enum {
    CONTROL_SETTING_COUNT = 8,
    CONTROL_BEGIN_COUNT = 6,
    CONTROL_END_COUNT = 10,
    CONTROL_FENCE_COUNT = 4,
};

/* The scripts know for whom they run by skein.tenant and skein.shard, which hooks of a rollout do
 * not have. */
static const char control_settings_sql[] =
    "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),"
    " set_config('skein.shard', $3, true), set_config('skein.tenant', $4, true),"
    " set_config('skein.rollout', $5, true), set_config('skein.set', $6, true),"
    " set_config('skein.to', $7, true), set_config('skein.hook', $8, true),"
    " set_config('standard_conforming_strings', 'on', true),"
    " set_config('client_min_messages', 'warning', true),"
    " set_config('synchronous_commit',"
    "   coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'local'), true)";
static const char control_begin_sql[] =
    "SELECT skein.control_begin($1, $2, $3, $4, $5, $6::bigint)";
static const char control_end_sql[] =
    "SELECT skein.control_end($1, $2, $3, $4, $5, $6::bigint, $7, $8, $9, $10)";
static const char control_done_sql[] =
    "SELECT c.operation, c.key FROM skein.control c WHERE c.tenant = $1 AND c.set_name = $2"
    " AND c.direction = 'up'";
static const char control_fence_sql[] = "SELECT skein.control_fence($1, $2, $3, $4::bigint)";

/* What a statement of the batch belongs to, by its tag. */
struct control_tag {
    const struct prepared_operation *operation; /* NULL: it is ours */
    const struct sql_statement *statement;
};

struct control_task {
    const struct control_task_options *options;
    struct worker_link *link;
    const struct control_run *run;
    const struct prepared_set *set;
    struct arena *arena;
    struct task_error *error;
    const char *tenant; /* shard/name; of a hook "/rollout", which no tenant is called */
    struct control_tag *tags;
    size_t tag_count, tag_capacity;
};

enum control_verdict { CONTROL_DONE, CONTROL_FAILED, CONTROL_AGAIN, CONTROL_NO_JOURNAL };

static void control_task_fail(struct control_task *t, enum task_code code, const char *message)
{
    t->error->code = code;
    t->error->message = arena_strdup(t->arena, message);
}

static void control_task_add(struct control_task *t, struct control_tag tag, const char *sql,
                             const char *const *parameters, size_t parameter_count)
{
    t->tags = memory_reserve(t->tags, t->tag_count, &t->tag_capacity, sizeof(*t->tags));
    t->tags[t->tag_count] = tag;
    pg_batch_add(t->link->batch, sql, parameters, parameter_count, t->tag_count);
    t->tag_count++;
}

static void control_task_add_own(struct control_task *t, const char *sql,
                                 const char *const *parameters, size_t parameter_count)
{
    control_task_add(t, (struct control_tag){ NULL, NULL }, sql, parameters, parameter_count);
}

static const char *control_task_number(struct control_task *t, uint64_t number)
{
    return arena_printf(t->arena, "%" PRIu64, number);
}

static void control_task_add_begin(struct control_task *t)
{
    const char **p = arena_alloc_array(t->arena, CONTROL_SETTING_COUNT, sizeof(*p));

    p[0] = arena_printf(t->arena, "%" PRIu64 "ms", t->run->call.lock_timeout_ms);
    p[1] = arena_printf(t->arena, "%" PRIu64 "ms", t->options->statement_timeout_ms);
    bool hook = t->run->hook[0] != '\0';

    p[2] = hook ? "" : t->run->shard;
    p[3] = hook ? "" : t->run->call.tenant;
    p[4] = t->run->call.rollout;
    p[5] = t->run->set;
    p[6] = t->run->target;
    p[7] = t->run->hook;
    control_task_add_own(t, "BEGIN ISOLATION LEVEL READ COMMITTED", NULL, 0);
    control_task_add_own(t, control_settings_sql, p, CONTROL_SETTING_COUNT);
}

static void control_task_add_settings(struct control_task *t,
                                      const struct operation_settings *settings)
{
    if (settings->lock_timeout_ms != 0) {
        control_task_add_own(
            t,
            arena_printf(t->arena, "SET LOCAL lock_timeout = %" PRIu64, settings->lock_timeout_ms),
            NULL, 0);
    }
    if (settings->statement_timeout_ms != 0) {
        control_task_add_own(t,
                             arena_printf(t->arena, "SET LOCAL statement_timeout = %" PRIu64,
                                          settings->statement_timeout_ms),
                             NULL, 0);
    }
}

static void control_task_add_operation(struct control_task *t,
                                       const struct prepared_operation *operation, const char *key)
{
    const struct control_call *call = &t->run->call;
    const struct prepared_file *file = call->down ? &operation->down : &operation->up;
    const char **p = arena_alloc_array(t->arena, CONTROL_BEGIN_COUNT, sizeof(*p));

    p[0] = t->tenant;
    p[1] = t->run->set;
    p[2] = operation->operation->path;
    p[3] = key;
    p[4] = call->down ? "down" : "up";
    p[5] = control_task_number(t, call->token);
    control_task_add_own(t, control_begin_sql, p, CONTROL_BEGIN_COUNT);
    control_task_add_settings(t, call->down ? &operation->operation->down_settings
                                            : &operation->operation->settings);
    for (size_t i = 0; i < file->script.count; i++) {
        const struct control_tag tag = { operation, &file->script.statements[i] };

        control_task_add(t, tag, tag.statement->text, NULL, 0);
    }
    control_task_add_own(t, "RESET SESSION AUTHORIZATION", NULL, 0);
    control_task_add_own(t, "RESET ROLE", NULL, 0);
    control_task_add_own(t, "SET CONSTRAINTS ALL IMMEDIATE", NULL, 0);
}

static void control_task_add_end(struct control_task *t, const struct migration *migration,
                                 const struct prepared_operation *operation)
{
    const char **p = arena_alloc_array(t->arena, CONTROL_END_COUNT, sizeof(*p));
    char *hex = arena_alloc(t->arena, 2 * CHECKSUM_BYTES + 1);

    for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", operation->operation->checksum[i]);
    }
    p[0] = t->tenant;
    p[1] = t->run->set;
    p[2] = operation->operation->path;
    p[3] = t->run->call.key;
    p[4] = t->run->call.down ? "down" : "up";
    p[5] = control_task_number(t, t->run->call.token);
    p[6] = t->run->call.rollout;
    p[7] = t->options->agent;
    p[8] = migration->version_text;
    p[9] = hex;
    control_task_add_own(t, control_end_sql, p, CONTROL_END_COUNT);
}

/* ---- answers ---- */

static void control_task_refused(struct control_task *t, const struct pg_error *error,
                                 const struct control_tag *tag)
{
    bool ours = strncmp(error->sqlstate, "SK", 2) == 0;

    t->error->code = task_answer_code_of(error->sqlstate);
    t->error->message = arena_strdup(t->arena, error->message);
    t->error->hint = arena_strdup(t->arena, error->hint);
    if (ours) {
        return;
    }
    t->error->sqlstate = arena_strdup(t->arena, error->sqlstate);
    t->error->detail = arena_strdup(t->arena, error->detail);
    if (tag->operation != NULL) {
        const struct operation *operation = tag->operation->operation;

        t->error->file =
            arena_strdup(t->arena, t->run->call.down ? operation->down_path : operation->path);
        t->error->statement = tag->statement->number;
        t->error->line = sql_statement_line_at(tag->statement, error->position);
    }
}

static enum control_verdict control_task_judge(struct control_task *t,
                                               const struct pg_batch_report *answers)
{
    if (answers->lost) {
        control_task_fail(t, TASK_CODE_DATABASE_LOST, answers->error.message);
        return CONTROL_AGAIN; /* the journal knows whether it was done */
    }
    if (!answers->failed || answers->failed_index + 1 == answers->count) {
        return CONTROL_DONE; /* what the last one, DISCARD ALL, may have left is closed below */
    }
    const struct control_tag *tag = &t->tags[answers->items[answers->failed_index].tag];
    if (strcmp(answers->error.sqlstate, "SK007") == 0) {
        return CONTROL_DONE;
    }
    if (tag->operation == NULL && journal_is_missing(&answers->error)) {
        return CONTROL_NO_JOURNAL;
    }
    control_task_refused(t, &answers->error, tag);
    return accident_is(&answers->error) ? CONTROL_AGAIN : CONTROL_FAILED;
}

static enum control_verdict control_task_send(struct control_task *t, bool commits)
{
    const struct pg_batch_report *answers = NULL;

    pg_batch_end_segment(t->link->batch);
    control_task_add_own(t, commits ? "COMMIT" : "ROLLBACK", NULL, 0);
    pg_batch_end_segment(t->link->batch);
    control_task_add_own(t, "DISCARD ALL", NULL, 0);
    pg_batch_run(t->link->batch, &answers);
    enum control_verdict verdict = control_task_judge(t, answers);
    if (answers->items[answers->count - 1].step != PG_STEP_DONE) {
        worker_link_close(t->link);
    }
    t->tag_count = 0;
    return verdict;
}

/* ---- what is asked for ---- */

static const struct prepared_operation *control_task_find(const struct control_task *t,
                                                          const struct migration **ret_migration)
{
    const struct set *set = prepared_set_model(t->set);

    for (int h = 0; t->run->hook[0] != '\0' && h < SET_HOOK_COUNT; h++) {
        if (set->hooks[h] != NULL && strcmp(set_hook_name((enum set_hook)h), t->run->hook) == 0) {
            *ret_migration = set->hooks[h];
            return prepared_set_hook(t->set, (enum set_hook)h);
        }
    }
    for (size_t m = 0; m < set->migration_count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            const struct operation *operation = &set->migrations[m].operations[o];

            if (operation->settings.control_scope &&
                strcmp(operation->path, t->run->call.file) == 0) {
                *ret_migration = &set->migrations[m];
                return prepared_set_operation(t->set, m, o);
            }
        }
    }
    return NULL;
}

static bool control_task_can_run(struct control_task *t, const struct prepared_operation *operation)
{
    const struct prepared_file *file = t->run->call.down ? &operation->down : &operation->up;

    if (file->problem.kind == SQL_PROBLEM_NONE) {
        return true;
    }
    control_task_fail(t, TASK_CODE_RUNNER, file->problem.error.message);
    t->error->file = arena_strdup(t->arena, operation->operation->path);
    t->error->statement = file->problem.statement;
    t->error->line = file->problem.line;
    return false;
}

/* The key under which the operation is done for the tenant; NULL: it is not. */
static const char *control_task_key(const struct pg_result *done, const char *path)
{
    for (size_t i = 0; i < pg_result_row_count(done); i++) {
        if (strcmp(pg_result_text(done, i, 0), path) == 0) {
            return pg_result_text(done, i, 1);
        }
    }
    return NULL;
}

/* What is in the batch was not sent. */
static enum control_verdict control_task_give_up(struct control_task *t)
{
    t->tag_count = 0;
    worker_link_close(t->link);
    return CONTROL_FAILED;
}

/* What is done for the tenant, back to the operation that was named, in one transaction. */
static enum control_verdict control_task_rehearse_down(struct control_task *t,
                                                       const struct pg_result *done)
{
    const struct set *set = prepared_set_model(t->set);
    bool reached = false;

    control_task_add_begin(t);
    for (size_t m = set->migration_count; m > 0 && !reached; m--) {
        for (size_t o = set->migrations[m - 1].operation_count; o > 0 && !reached; o--) {
            const struct prepared_operation *operation =
                prepared_set_operation(t->set, m - 1, o - 1);
            const char *path = operation->operation->path;
            const char *key = control_task_key(done, path);

            reached = strcmp(path, t->run->call.file) == 0;
            if (key == NULL || !operation->operation->settings.control_scope) {
                continue;
            }
            if (operation->operation->down_path == NULL) {
                control_task_fail(t, TASK_CODE_ROLLBACK, "the operation has no .down");
                t->error->file = arena_strdup(t->arena, path);
                return control_task_give_up(t);
            }
            if (!control_task_can_run(t, operation)) {
                return control_task_give_up(t);
            }
            control_task_add_operation(t, operation, arena_strdup(t->arena, key));
        }
    }
    return control_task_send(t, false);
}

/* All of the plan in one transaction, since one may build on another. The first migration may be
 * half done: what was done of it is left out. */
static enum control_verdict control_task_rehearse(struct control_task *t)
{
    CLEANUP(pg_result_free) struct pg_result *done = NULL;
    const struct set *set = prepared_set_model(t->set);
    const struct plan_start start = { .from = t->run->call.from, .baseline = "" };
    const char *who[] = { t->tenant, t->run->set };
    struct pg_error words = { 0 };
    struct error err = { 0 };
    struct plan plan;

    if (!pg_query(t->link->conn, control_done_sql, who, COUNT_OF(who), &done, &words, &err)) {
        control_task_fail(t, TASK_CODE_DATABASE_LOST, err.message);
        return journal_is_missing(&words) ? CONTROL_NO_JOURNAL : CONTROL_AGAIN;
    }
    if (t->run->call.down) {
        return control_task_rehearse_down(t, done);
    }
    plan_make(set, &start, t->run->target, &plan);
    control_task_add_begin(t);
    for (size_t m = plan.first; m < plan.first + plan.count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            const struct prepared_operation *operation = prepared_set_operation(t->set, m, o);

            if (!operation->operation->settings.control_scope ||
                (m == plan.first && control_task_key(done, operation->operation->path) != NULL)) {
                continue;
            }
            if (!control_task_can_run(t, operation)) {
                return control_task_give_up(t);
            }
            control_task_add_operation(t, operation, t->run->call.key);
        }
    }
    return control_task_send(t, false);
}

/* A hook is rehearsed alone: whatever the tenants' operations do comes behind it. */
static enum control_verdict control_task_rehearse_hook(struct control_task *t)
{
    const struct migration *migration = NULL;
    const struct prepared_operation *operation = control_task_find(t, &migration);

    if (operation == NULL) {
        control_task_fail(t, TASK_CODE_RUNNER, "the set has no such hook");
        return CONTROL_FAILED;
    }
    if (!control_task_can_run(t, operation)) {
        return CONTROL_FAILED;
    }
    control_task_add_begin(t);
    control_task_add_operation(t, operation, t->run->call.key);
    return control_task_send(t, false);
}

static enum control_verdict control_task_perform(struct control_task *t)
{
    const struct migration *migration = NULL;
    const struct prepared_operation *operation = control_task_find(t, &migration);
    const char *fence[CONTROL_FENCE_COUNT] = { t->tenant, t->run->set, t->run->call.file,
                                               control_task_number(t, t->run->call.token) };

    if (operation == NULL) {
        control_task_fail(t, TASK_CODE_RUNNER,
                          "the set has no such operation of the scope control");
        return CONTROL_FAILED;
    }
    if (t->run->call.down && operation->operation->down_path == NULL) {
        control_task_fail(t, TASK_CODE_ROLLBACK, "the operation has no .down");
        return CONTROL_FAILED;
    }
    if (!control_task_can_run(t, operation)) {
        return CONTROL_FAILED;
    }
    if (t->run->call.down) {
        control_task_add_begin(t);
        control_task_add_own(t, control_fence_sql, fence, CONTROL_FENCE_COUNT);
        enum control_verdict fenced = control_task_send(t, true);
        if (fenced != CONTROL_DONE) {
            return fenced;
        }
    }
    crash_point("control_before_begin");
    control_task_add_begin(t);
    control_task_add_operation(t, operation, t->run->call.key);
    control_task_add_end(t, migration, operation);
    enum control_verdict verdict = control_task_send(t, true);
    crash_point("control_after_commit");
    return verdict;
}

static enum control_verdict control_task_try(struct control_task *t)
{
    struct error err = { 0 };

    if (!worker_link_open(t->link, t->run->database, &err)) {
        bool may_come_back = err.code == ERR_UNAVAILABLE || err.code == ERR_LIMIT;

        control_task_fail(t, may_come_back ? TASK_CODE_DATABASE_LOST : TASK_CODE_RUNNER,
                          err.message);
        return may_come_back ? CONTROL_AGAIN : CONTROL_FAILED;
    }
    bool rehearses = t->run->call.mode == TASK_DRY_RUN;
    enum control_verdict verdict = !rehearses                ? control_task_perform(t)
                                   : t->run->hook[0] != '\0' ? control_task_rehearse_hook(t)
                                                             : control_task_rehearse(t);
    if (verdict == CONTROL_NO_JOURNAL) {
        if (journal_ensure(t->link->conn, &err)) {
            return CONTROL_AGAIN;
        }
        control_task_fail(t, TASK_CODE_RUNNER, err.message);
        return CONTROL_FAILED;
    }
    return verdict;
}

void control_task_run(const struct control_task_options *options, struct worker_link *link,
                      const struct control_run *run, const struct prepared_set *set,
                      struct arena *arena, struct task_error *ret_error)
{
    struct control_task t = { .options = options,
                              .link = link,
                              .run = run,
                              .set = set,
                              .arena = arena,
                              .error = ret_error,
                              .tenant = arena_printf(arena, "%s/%s",
                                                     run->hook[0] == '\0' ? run->shard : "",
                                                     run->call.tenant) };
    const char *subject =
        run->hook[0] == '\0' ? t.tenant : arena_printf(arena, "hooks/%s", run->hook);
    const struct task_error nothing = { .tenant = subject,
                                        .mode = run->call.mode,
                                        .sqlstate = "",
                                        .message = "",
                                        .detail = "",
                                        .hint = "",
                                        .file = "" };
    uint64_t pause_ms = TASK_BACKOFF_MIN_MS;

    for (unsigned i = 0; i < TASK_ATTEMPTS_MAX; i++) {
        *ret_error = nothing;
        enum control_verdict verdict = control_task_try(&t);
        if (link->conn != NULL && pg_conn_is_lost(link->conn)) {
            worker_link_close(link);
        }
        if (verdict == CONTROL_DONE) {
            *ret_error = nothing;
        }
        if (verdict != CONTROL_AGAIN || !options->pause(options->context, pause_ms)) {
            break;
        }
        pause_ms = pause_ms < TASK_BACKOFF_MAX_MS / 2 ? 2 * pause_ms : TASK_BACKOFF_MAX_MS;
    }
    free(t.tags);
}
