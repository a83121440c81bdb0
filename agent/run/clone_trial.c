#include "agent/run/clone_trial.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/executor_queue.h"
#include "agent/run/task_answer.h"
#include "common/core/limits.h"
#include "common/model/duration.h"
#include "common/model/size_text.h"
#include "common/trace/trace_probe.h"

/* By the catalog, without a lock: pages as of the last VACUUM or ANALYZE. -1: never looked at. */
static const char clone_trial_size_sql[] =
    "SELECT greatest(sum(c.relpages), 0)::bigint * current_setting('block_size')::bigint"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'm') AND CASE"
    " WHEN strpos($2, '.') > 0 THEN n.nspname || '.' || c.relname = $2"
    " WHEN $1 = '' THEN c.relname = $2 AND n.nspname = 'public'"
    " ELSE c.relname = $2 AND n.nspname IN ($1, 'public') END";

/* The trial while it runs. */
struct clone_trial_walk {
    const struct clone_trial *trial;
    struct trace_probe *probe;
    const struct prepared_operation *operation;
    const struct sql_statement *statement;
};

static void clone_trial_add(struct executor_task *task, struct task_result *result,
                            const struct task_error *warning)
{
    if (result->warning_count >= SIZE_WARNINGS_MAX) {
        return;
    }
    struct task_error *all =
        arena_alloc_array(&task->arena, result->warning_count + 1, sizeof(*all));

    if (result->warning_count > 0) {
        memcpy(all, result->warnings, result->warning_count * sizeof(*all));
    }
    all[result->warning_count] = *warning;
    result->warnings = all;
    result->warning_count++;
}

static struct task_error clone_trial_words(struct executor_task *task, const char *shard,
                                           enum task_code code, const char *words)
{
    return (struct task_error){ .tenant = arena_printf(&task->arena, "%s/%s", shard, task->tenant),
                                .mode = task->mode,
                                .code = code,
                                .sqlstate = "",
                                .message = arena_strdup(&task->arena, words),
                                .detail = "",
                                .hint = "",
                                .file = "" };
}

void clone_trial_warn(struct executor_task *task, const char *shard, struct task_result *result,
                      const char *words)
{
    const struct task_error warning = clone_trial_words(task, shard, TASK_CODE_RUNNER, words);

    clone_trial_add(task, result, &warning);
}

static uint64_t clone_trial_size(const struct clone_trial_walk *walk, const char *relation)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct clone_trial *trial = walk->trial;
    const char *const parameters[] = { trial->schema, relation };
    struct error err = { 0 };

    if (!pg_query(trial->context->link->conn, clone_trial_size_sql, parameters,
                  COUNT_OF(parameters), &rows, NULL, &err) ||
        pg_result_text(rows, 0, 0) == NULL) {
        return 0; /* not known: the forecast says so by its size */
    }
    return pg_result_u64(rows, 0, 0);
}

/* The strongest lock that keeps others from the relation, or from any where it has none itself. */
static enum lint_mode clone_trial_lock(const struct trace_measure *measure, const char *relation)
{
    enum lint_mode own = LINT_NO_LOCK;
    enum lint_mode any = LINT_NO_LOCK;

    for (size_t i = 0; i < measure->lock_count; i++) {
        const struct trace_lock *lock = &measure->locks[i];

        any = !lock->index && lock->mode > any ? lock->mode : any;
        if (strcmp(lock->relation, relation) == 0 && lock->mode > own) {
            own = lock->mode;
        }
    }
    return own >= LINT_SHARE ? own : any;
}

/* "rewrites accounts (41 GB): estimated 7 min under ACCESS EXCLUSIVE" */
static void clone_trial_forecast(const struct clone_trial_walk *walk,
                                 const struct trace_measure *measure, const char *does,
                                 const char *relation, uint64_t bytes_per_s)
{
    const struct clone_trial *trial = walk->trial;
    uint64_t bytes = clone_trial_size(walk, relation);
    char size[SIZE_TEXT_BYTES];
    char took[DURATION_TEXT_BYTES];
    const char *words = arena_printf(&trial->task->arena, "%s %s (%s): estimated %s under %s", does,
                                     relation, size_text_format(bytes, size),
                                     duration_format_whole(bytes * 1000 / bytes_per_s, took),
                                     lint_mode_name(clone_trial_lock(measure, relation)));
    struct task_error warning =
        clone_trial_words(trial->task, trial->context->options->shard, TASK_CODE_LINT, words);

    warning.file = arena_strdup(&trial->task->arena, walk->operation->operation->path);
    warning.statement = walk->statement->number;
    warning.line = walk->statement->line;
    clone_trial_add(trial->task, trial->result, &warning);
}

static void clone_trial_tell(const struct clone_trial_walk *walk,
                             const struct trace_measure *measure)
{
    if (!measure->grows) {
        return;
    }
    for (size_t i = 0; i < measure->rewrite_count; i++) {
        clone_trial_forecast(walk, measure, "rewrites", measure->rewrites[i],
                             FORECAST_REWRITE_BYTES_PER_S);
    }
    for (size_t i = 0; i < measure->scan_count; i++) {
        bool rewritten = false;

        for (size_t r = 0; r < measure->rewrite_count; r++) {
            rewritten = rewritten || strcmp(measure->scans[i], measure->rewrites[r]) == 0;
        }
        if (!rewritten) {
            clone_trial_forecast(
                walk, measure, measure->rebuilds ? "builds an index of" : "reads all of",
                measure->scans[i],
                measure->rebuilds ? FORECAST_REWRITE_BYTES_PER_S : FORECAST_READ_BYTES_PER_S);
        }
    }
}

/* The server has refused it, or the copy's connection broke. */
static bool clone_trial_refuse(const struct clone_trial_walk *walk, const struct pg_error *words,
                               const struct error *err)
{
    const struct clone_trial *trial = walk->trial;
    const char *shard = trial->context->options->shard;
    const struct task_outcome_report report = { .failed = true,
                                                .failed_step = TASK_STEP_SCRIPT,
                                                .operation = walk->operation,
                                                .statement = walk->statement,
                                                .error = *words };

    if (words->sqlstate[0] == '\0') {
        task_answer_fail(trial->result, trial->task, shard, TASK_FAILED, TASK_CODE_DATABASE_LOST,
                         "the copy of the tenant: %s", err->message);
    } else {
        task_answer_refused(trial->result, trial->task, shard, &report, false);
        trial->result->error.hint = "That was on an empty copy of the tenant.";
    }
    return false;
}

static bool clone_trial_say(const struct clone_trial_walk *walk, const char *sql)
{
    struct pg_error words = { 0 };
    struct error err = { 0 };

    return pg_script(walk->trial->conn, sql, &words, &err) ||
           clone_trial_refuse(walk, &words, &err);
}

static bool clone_trial_statements(struct clone_trial_walk *walk, const struct sql_script *script,
                                   bool transactional)
{
    const struct clone_trial *trial = walk->trial;

    for (size_t i = 0; i < script->count; i++) {
        struct trace_measure measure = { 0 };
        struct pg_error words = { 0 };
        struct error err = { 0 };

        walk->statement = &script->statements[i];
        if (executor_queue_is_cancelled(trial->context->queue, trial->context->worker)) {
            task_answer_fail(trial->result, trial->task, trial->context->options->shard,
                             TASK_FAILED, TASK_CODE_CANCELLED, "cancelled");
            return false;
        }
        if ((!transactional && !trace_probe_begin(walk->probe, &err)) ||
            !trace_probe_run(walk->probe, walk->statement->text, transactional, &measure, &words,
                             &err)) {
            return clone_trial_refuse(walk, &words, &err);
        }
        clone_trial_tell(walk, &measure);
    }
    return true;
}

/* Each script is a transaction of its own, unless it says that it is none. */
static bool clone_trial_operation(struct clone_trial_walk *walk,
                                  const struct prepared_operation *operation)
{
    const struct operation *about = operation->operation;
    struct pg_error none = { 0 };
    struct error err = { 0 };

    walk->operation = operation;
    walk->statement = NULL;
    if (about->kind != OPERATION_SQL || about->settings.control_scope) {
        clone_trial_warn(walk->trial->task, walk->trial->context->options->shard,
                         walk->trial->result,
                         arena_printf(&walk->trial->task->arena,
                                      "%s was not tried: on a copy only SQL is", about->path));
        return true;
    }
    if (operation->up.script.count == 0) {
        return true;
    }
    if (!about->settings.transaction) {
        return clone_trial_statements(walk, &operation->up.script, false);
    }
    walk->statement = &operation->up.script.statements[0];
    return clone_trial_say(walk, "BEGIN") &&
           (trace_probe_begin(walk->probe, &err) || clone_trial_refuse(walk, &none, &err)) &&
           clone_trial_statements(walk, &operation->up.script, true) &&
           clone_trial_say(walk, "COMMIT");
}

static bool clone_trial_all(struct clone_trial_walk *walk)
{
    const struct clone_trial *trial = walk->trial;
    const struct set *set = prepared_set_model(trial->task->set);
    const struct plan *plan = trial->plan;

    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            if (!clone_trial_operation(walk, prepared_set_operation(trial->task->set, m, o))) {
                return false;
            }
        }
    }
    for (size_t i = 0; plan->repeatables && i < set->repeatable_count; i++) {
        if (!clone_trial_operation(walk, prepared_set_repeatable(trial->task->set, i))) {
            return false;
        }
    }
    return true;
}

bool clone_trial_run(const struct clone_trial *trial)
{
    struct clone_trial_walk walk = { .trial = trial };
    struct pg_error none = { 0 };
    struct error err = { 0 };

    walk.probe = trace_probe_new(trial->conn, trial->schema, &trial->task->arena);
    bool done = trace_probe_start(walk.probe, &err) ? clone_trial_all(&walk)
                                                    : clone_trial_refuse(&walk, &none, &err);
    trace_probe_free(&walk.probe);
    return done;
}
