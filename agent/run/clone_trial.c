#include "agent/run/clone_trial.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/executor_notes.h"
#include "agent/run/executor_queue.h"
#include "agent/run/task_answer.h"
#include "common/core/limits.h"
#include "common/model/duration.h"
#include "common/model/size_text.h"
#include "common/sql/sql_text.h"
#include "common/trace/trace_probe.h"

/* By the catalog, without a lock: pages as of the last VACUUM or ANALYZE. -1: never looked at. */
static const char clone_trial_size_sql[] =
    "SELECT greatest(sum(c.relpages), 0)::bigint * current_setting('block_size')::bigint"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'm') AND CASE"
    " WHEN strpos($2, '.') > 0 THEN n.nspname || '.' || c.relname = $2"
    " WHEN $1 = '' THEN c.relname = $2 AND n.nspname = 'public'"
    " ELSE c.relname = $2 AND n.nspname IN ($1, 'public') END";

/* What roles, databases and their settings are written to: catalogs that all databases share. A
 * script that makes objects for their owners lets go of these at once. */
static const char clone_trial_shared_sql[] =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid()"
    " AND locktype = 'relation' AND database = 0 AND granted"
    " AND mode NOT IN ('AccessShareLock', 'RowShareLock'))";

/* The trial while it runs. */
struct clone_trial_walk {
    const struct clone_trial *trial;
    struct trace_probe *probe;
    const struct prepared_operation *operation;
    const struct sql_statement *statement;
    bool transactional; /* the statement is in a transaction */
    bool blind;         /* something before it was not done here, or may be done otherwise there */
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

static void clone_trial_find(const struct clone_trial_walk *walk,
                             const struct trace_measure *measure, const char *does,
                             const char *relation, uint64_t bytes_per_s)
{
    struct clone_report *report = walk->trial->report;
    struct arena *arena = &walk->trial->task->arena;

    if (report->finding_count < CLONE_FINDINGS_MAX) {
        report->findings[report->finding_count++] = (struct clone_finding){
            .does = does, /* constant, as is the lock */
            .relation = arena_strdup(arena, relation),
            .lock = lint_mode_name(clone_trial_lock(measure, relation)),
            .file = arena_strdup(arena, walk->operation->operation->path),
            .statement = walk->statement->number,
            .line = walk->statement->line,
            .bytes_per_s = bytes_per_s,
        };
    }
}

static void clone_trial_look(const struct clone_trial_walk *walk,
                             const struct trace_measure *measure)
{
    if (!measure->grows) {
        return;
    }
    for (size_t i = 0; i < measure->rewrite_count; i++) {
        clone_trial_find(walk, measure, "rewrites", measure->rewrites[i],
                         FORECAST_REWRITE_BYTES_PER_S);
    }
    for (size_t i = 0; i < measure->scan_count; i++) {
        bool rewritten = false;

        for (size_t r = 0; r < measure->rewrite_count; r++) {
            rewritten = rewritten || strcmp(measure->scans[i], measure->rewrites[r]) == 0;
        }
        if (!rewritten) {
            clone_trial_find(
                walk, measure, measure->rebuilds ? "builds an index of" : "reads all of",
                measure->scans[i],
                measure->rebuilds ? FORECAST_REWRITE_BYTES_PER_S : FORECAST_READ_BYTES_PER_S);
        }
    }
}

static uint64_t clone_trial_size(const struct clone_trial *trial, const char *relation)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { trial->schema, relation };
    struct error err = { 0 };

    if (!pg_query(trial->context->link->conn, clone_trial_size_sql, parameters,
                  COUNT_OF(parameters), &rows, NULL, &err) ||
        pg_result_text(rows, 0, 0) == NULL) {
        return 0; /* not known: the forecast says so by its size */
    }
    return pg_result_u64(rows, 0, 0);
}

/* "rewrites accounts (41 GB): estimated 7 min under ACCESS EXCLUSIVE" */
void clone_trial_tell(const struct clone_trial *trial)
{
    for (size_t i = 0; i < trial->report->finding_count; i++) {
        const struct clone_finding *finding = &trial->report->findings[i];
        uint64_t bytes = clone_trial_size(trial, finding->relation);
        char size[SIZE_TEXT_BYTES];
        char took[DURATION_TEXT_BYTES];
        const char *words = arena_printf(
            &trial->task->arena, "%s %s (%s): estimated %s under %s", finding->does,
            finding->relation, size_text_format(bytes, size),
            duration_format_whole(bytes * 1000 / finding->bytes_per_s, took), finding->lock);
        struct task_error warning =
            clone_trial_words(trial->task, trial->context->options->shard, TASK_CODE_LINT, words);

        warning.file = finding->file;
        warning.statement = finding->statement;
        warning.line = finding->line;
        clone_trial_add(trial->task, trial->result, &warning);
    }
}

/* Whether every tenant with this schema would be refused the same, whatever its rows: what is
 * missing from a catalog or there already, of a statement that names only what a copy has. */
static bool clone_trial_is_certain(const struct clone_trial_walk *walk,
                                   const struct pg_error *words)
{
    if (walk->transactional || walk->blind || walk->operation == NULL || walk->statement == NULL ||
        walk->operation->up.opaque || strncmp(words->sqlstate, "42", 2) != 0 ||
        strcmp(words->sqlstate, "42501") == 0) {
        return false;
    }
    const struct sql_loose *loose = &walk->operation->up.loose[walk->statement->number - 1];
    const char *schema = loose->schema == NULL ? "" : loose->schema;

    return loose->kind != SQL_LOOSE_TRANSACTION && loose->kind != SQL_LOOSE_AGAIN &&
           (schema[0] == '\0' || walk->trial->schema[0] == '\0' ||
            strcmp(schema, walk->trial->schema) == 0);
}

/* Whether it may do one thing or another by what rows there are: on the copy there are none. */
static bool clone_trial_may_choose(const struct sql_statement *statement)
{
    static const char *const words[] = { "DO", "CALL", "SELECT", "WITH", "EXECUTE" };
    struct sql_text text = { .data = statement->text, .size = strlen(statement->text) };
    struct sql_token first = sql_text_next(&text);
    bool found = false;

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        found = found || sql_token_is(first, words[i]);
    }
    return found;
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
        task_answer_refused(trial->result, trial->task, shard, &report,
                            executor_notes_why(trial->context->queue, trial->context->worker));
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

static void clone_trial_pass_over(struct clone_trial_walk *walk, const char *why)
{
    const struct clone_trial *trial = walk->trial;

    walk->blind = true;
    clone_trial_warn(
        trial->task, trial->context->options->shard, trial->result,
        arena_printf(&trial->task->arena, "%s %s", walk->operation->operation->path, why));
}

static bool clone_trial_begin(struct clone_trial_walk *walk)
{
    struct pg_error none = { 0 };
    struct error err = { 0 };

    return clone_trial_say(walk, "BEGIN") &&
           (trace_probe_begin(walk->probe, &err) || clone_trial_refuse(walk, &none, &err));
}

/* A role that was made here would be there for all, and the tenant's own try would find it. */
static bool clone_trial_commit(struct clone_trial_walk *walk)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (!pg_query(walk->trial->conn, clone_trial_shared_sql, NULL, 0, &rows, &words, &err)) {
        return clone_trial_refuse(walk, &words, &err);
    }
    if (pg_result_bool(rows, 0, 0)) {
        clone_trial_pass_over(walk, "was rolled back on the copy: it changes what all databases of "
                                    "the server share");
        return clone_trial_say(walk, "ROLLBACK");
    }
    return clone_trial_say(walk, "COMMIT");
}

static bool clone_trial_statement(struct clone_trial_walk *walk)
{
    const struct clone_trial *trial = walk->trial;
    struct trace_measure measure = { 0 };
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (executor_queue_is_cancelled(trial->context->queue, trial->context->worker)) {
        task_answer_fail(trial->result, trial->task, trial->context->options->shard, TASK_FAILED,
                         TASK_CODE_CANCELLED, "cancelled");
        return false;
    }
    if (!trace_probe_run(walk->probe, walk->statement->text, walk->transactional, &measure, &words,
                         &err)) {
        trial->report->certain = clone_trial_is_certain(walk, &words);
        return clone_trial_refuse(walk, &words, &err);
    }
    clone_trial_look(walk, &measure);
    walk->blind = walk->blind || clone_trial_may_choose(walk->statement);
    return true;
}

static bool clone_trial_transaction(struct clone_trial_walk *walk,
                                    const struct sql_statement *statements, size_t count)
{
    walk->statement = &statements[0];
    walk->transactional = true;
    if (!clone_trial_begin(walk)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        walk->statement = &statements[i];
        if (!clone_trial_statement(walk)) {
            return false;
        }
    }
    return clone_trial_commit(walk);
}

/* Outside of a transaction; but what can run in one does so, as in the run. */
static bool clone_trial_loose(struct clone_trial_walk *walk, const struct prepared_file *file)
{
    for (size_t i = 0; i < file->script.count; i++) {
        struct pg_error none = { 0 };
        struct error err = { 0 };

        if (file->loose[i].kind == SQL_LOOSE_TRANSACTION) {
            if (!clone_trial_transaction(walk, &file->script.statements[i], 1)) {
                return false;
            }
            continue;
        }
        walk->statement = &file->script.statements[i];
        walk->transactional = false;
        if (!trace_probe_begin(walk->probe, &err)) {
            return clone_trial_refuse(walk, &none, &err);
        }
        if (!clone_trial_statement(walk)) {
            return false;
        }
    }
    return true;
}

/* Each script is a transaction of its own, unless it says that it is none. */
static bool clone_trial_operation(struct clone_trial_walk *walk,
                                  const struct prepared_operation *operation)
{
    const struct operation *about = operation->operation;

    walk->operation = operation;
    walk->statement = NULL;
    if (about->kind != OPERATION_SQL || about->settings.control_scope) {
        clone_trial_pass_over(walk, "was not tried: on a copy only SQL is");
        return true;
    }
    if (operation->up.script.count == 0) {
        return true;
    }
    bool done = about->settings.transaction
                    ? clone_trial_transaction(walk, operation->up.script.statements,
                                              operation->up.script.count)
                    : clone_trial_loose(walk, &operation->up);
    walk->blind = walk->blind || operation->up.opaque;
    return done;
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
    const struct prepared_set *set = trial->task->set;
    bool hooked = prepared_set_hook(set, SET_HOOK_BEFORE_TENANT) != NULL;
    bool unread = prepared_set_lint(set)->statement_count == 0;
    struct clone_trial_walk walk = { .trial = trial, .blind = hooked || unread };
    struct pg_error none = { 0 };
    struct error err = { 0 };

    walk.probe = trace_probe_new(trial->conn, trial->schema, &trial->task->arena);
    bool done = trace_probe_start(walk.probe, &err) ? clone_trial_all(&walk)
                                                    : clone_trial_refuse(&walk, &none, &err);
    trace_probe_free(&walk.probe);
    trial->report->passed = done;
    return done;
}
