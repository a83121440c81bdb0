#include "agent/run/task_answer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/core/error.h"

/* The SQLSTATEs that mean something to a rollout; SK... are raised by the journal's functions. */
static const struct {
    const char *sqlstate;
    enum task_code code;
    enum task_outcome outcome;
} task_answer_codes[] = {
    { "SK001", TASK_CODE_TENANT_MISSING, TASK_SKIPPED },
    { "SK002", TASK_CODE_FENCED, TASK_FAILED },
    { "SK003", TASK_CODE_VERSION_MOVED, TASK_FAILED },
    { "SK004", TASK_CODE_UNMANAGED, TASK_FAILED },
    { "SK005", TASK_CODE_CHECKSUM_MISMATCH, TASK_FAILED },
    { "SK006", TASK_CODE_TRANSACTION_CONTROL, TASK_FAILED },
    { "SK008", TASK_CODE_UP_TO_DATE, TASK_SKIPPED },
    { "SK009", TASK_CODE_TENANT_EXISTS, TASK_FAILED },
    { "SK010", TASK_CODE_TENANT_REFUSED, TASK_FAILED },
    { "SK020", TASK_CODE_VERSION_MOVED, TASK_SKIPPED },
    { "SK021", TASK_CODE_ROLLBACK, TASK_FAILED },
    { "SK030", TASK_CODE_LEDGER, TASK_FAILED },
    { "SK060", TASK_CODE_LINT, TASK_FAILED },
    { "SK040", TASK_CODE_STALE, TASK_FAILED },
    { "55P03", TASK_CODE_LOCK_TIMEOUT, TASK_FAILED },
};

enum task_code task_answer_code_of(const char *sqlstate)
{
    for (size_t i = 0; i < COUNT_OF(task_answer_codes); i++) {
        if (strcmp(sqlstate, task_answer_codes[i].sqlstate) == 0) {
            return task_answer_codes[i].code;
        }
    }
    return TASK_CODE_SQL;
}

struct task_result *task_answer_new(struct executor_task *task)
{
    struct task_result *result = arena_alloc(&task->arena, sizeof(*result));

    *result = (struct task_result){ .rollout = task->rollout,
                                    .mode = task->mode,
                                    .tenant = task->tenant,
                                    .token = task->token,
                                    .version = "" };
    result->error = (struct task_error){ .tenant = task->tenant,
                                         .mode = task->mode,
                                         .sqlstate = "",
                                         .message = "",
                                         .detail = "",
                                         .hint = "",
                                         .file = "" };
    return result;
}

void task_answer_succeed(struct task_result *result, const struct executor_task *task,
                         size_t scripts)
{
    result->outcome = TASK_SUCCEEDED;
    result->scripts = (uint32_t)scripts;
    result->version = task_mode_is_dry(task->mode) ? task->from : task->target;
    result->repeatables = task->repeatables;
    if ((task->mode == TASK_RUN || task->mode == TASK_CREATE) &&
        plan_takes_repeatables(prepared_set_model(task->set), task->target)) {
        result->repeatables = prepared_set_model(task->set)->repeatables_digest;
    }
}

static void task_answer_set(struct task_result *result, struct executor_task *task,
                            const char *shard, enum task_outcome outcome, enum task_code code)
{
    assert(code != TASK_CODE_NONE);
    result->outcome = outcome;
    result->error.code = code;
    result->error.tenant = arena_printf(&task->arena, "%s/%s", shard, task->tenant);
}

void task_answer_fail(struct task_result *result, struct executor_task *task, const char *shard,
                      enum task_outcome outcome, enum task_code code, const char *format, ...)
{
    struct error sentence = { 0 };
    va_list arguments;

    va_start(arguments, format);
    (void)error_set_v(&sentence, ERR_INTERNAL, format, arguments);
    va_end(arguments);
    task_answer_set(result, task, shard, outcome, code);
    result->error.message = arena_strdup(&task->arena, sentence.message);
}

static const char *task_answer_hint(const struct pg_error *error, enum task_mode mode,
                                    enum task_code code)
{
    if (code == TASK_CODE_SQL && mode == TASK_DRY_RUN && strcmp(error->sqlstate, "57014") == 0) {
        return "How long a statement may take in a dry run says dry-run-statement-ms of the agent; "
               "a script that needs more begins with: -- skein:statement_timeout 1h. "
               "--dry-run clone tries it on an empty copy.";
    }
    if (error->hint[0] == '\0' && strcmp(error->sqlstate, "25001") == 0) {
        return "A statement that cannot run in a transaction needs a script of its own, which "
               "begins with: -- skein:transaction none";
    }
    return error->hint;
}

static void task_answer_place(struct task_result *result, struct executor_task *task,
                              const struct task_outcome_report *report)
{
    if (report->operation == NULL) {
        return;
    }
    const struct operation *operation = report->operation->operation;
    result->error.file =
        arena_strdup(&task->arena, report->down ? operation->down_path : operation->path);
    result->error.statement = report->statement->number;
    result->error.line = sql_statement_line_at(report->statement, report->error.position);
}

void task_answer_refused(struct task_result *result, struct executor_task *task, const char *shard,
                         const struct task_outcome_report *report, enum task_code why)
{
    const struct pg_error *error = &report->error;
    enum task_outcome outcome = TASK_FAILED;
    enum task_code code = TASK_CODE_SQL;
    /* One of ours stands for the task; but a statement of a script ran into SK060. */
    bool ours = strncmp(error->sqlstate, "SK", 2) == 0 && strcmp(error->sqlstate, "SK060") != 0;

    for (size_t i = 0; i < COUNT_OF(task_answer_codes); i++) {
        if (strcmp(error->sqlstate, task_answer_codes[i].sqlstate) == 0) {
            code = task_answer_codes[i].code;
            outcome = task_answer_codes[i].outcome;
        }
    }
    if (code == TASK_CODE_SQL &&
        (report->failed_step == TASK_STEP_FOUND || report->failed_step == TASK_STEP_LEDGER)) {
        code = TASK_CODE_LEDGER; /* such as: there is no such table */
    }
    if (why != TASK_CODE_NONE && strcmp(error->sqlstate, "57014") == 0) {
        code = why;
    }
    task_answer_set(result, task, shard, outcome, code);
    result->error.message = arena_strdup(&task->arena, error->message);
    result->error.hint = arena_strdup(&task->arena, task_answer_hint(error, task->mode, code));
    if (task->mode == TASK_CREATE && !task->staged && code != TASK_CODE_TENANT_EXISTS) {
        result->error.hint =
            arena_printf(&task->arena,
                         "%s%sNothing is left of the tenant: what was made of it was "
                         "removed again.",
                         result->error.hint, result->error.hint[0] == '\0' ? "" : " ");
    }
    if (ours) {
        /* The detail of these is the version that was found. */
        bool has_version = code == TASK_CODE_VERSION_MOVED || code == TASK_CODE_UP_TO_DATE;

        result->version = has_version ? arena_strdup(&task->arena, error->detail) : "";
        if (code == TASK_CODE_ROLLBACK) {
            result->error.detail = arena_strdup(&task->arena, error->detail);
            result->version = task->from;
        }
    } else {
        result->error.sqlstate = arena_strdup(&task->arena, error->sqlstate);
        result->error.detail = arena_strdup(&task->arena, error->detail);
        result->version = task->from; /* all was rolled back */
        task_answer_place(result, task, report);
    }
}

void task_answer_warn(struct task_result *result, struct executor_task *task, const char *shard,
                      const struct task_outcome_report *report)
{
    struct arena *arena = &task->arena;
    struct task_error *warnings =
        arena_alloc_array(arena, report->warning_count, sizeof(*warnings));

    for (size_t i = 0; i < report->warning_count; i++) {
        const struct task_warning *from = &report->warnings[i];
        warnings[i] = (struct task_error){
            .tenant = arena_printf(arena, "%s/%s", shard, task->tenant),
            .mode = task->mode,
            .code = TASK_CODE_SQL,
            .sqlstate = arena_strdup(arena, from->sqlstate),
            .message = arena_strdup(arena, from->message),
            .detail = "",
            .hint = "",
            .file = arena_strdup(arena, from->down ? from->operation->operation->down_path
                                                   : from->operation->operation->path),
            .statement = from->statement->number,
            .line = from->statement->line,
        };
    }
    result->warnings = warnings;
    result->warning_count = report->warning_count;
}

void task_answer_problem(struct task_result *result, struct executor_task *task, const char *shard,
                         const struct prepared_operation *operation, bool down)
{
    const struct prepared_file *file = down ? &operation->down : &operation->up;
    const struct sql_problem *problem = &file->problem;
    enum task_code code = problem->kind == SQL_PROBLEM_TRANSACTION_CONTROL
                              ? TASK_CODE_TRANSACTION_CONTROL
                              : TASK_CODE_RUNNER;

    if (problem->kind == SQL_PROBLEM_SYNTAX) {
        code = TASK_CODE_SQL;
    }
    task_answer_fail(result, task, shard, TASK_FAILED, code, "%s", problem->error.message);
    result->error.sqlstate = code == TASK_CODE_SQL ? "42601" : "";
    result->error.file = arena_strdup(&task->arena, down ? operation->operation->down_path
                                                         : operation->operation->path);
    result->error.statement = problem->statement;
    result->error.line = problem->line;
    result->version = task->from;
}

void task_answer_lacking(struct task_result *result, struct executor_task *task, const char *shard,
                         const struct lacking *lacking)
{
    char words[LACKING_BYTES];

    lacking_words(lacking, words);
    task_answer_fail(result, task, shard, TASK_FAILED, TASK_CODE_ROLLBACK,
                     "%s: add one, and publish the set again", words);
    result->error.file = arena_strdup(&task->arena, lacking->first[0]->path);
    result->version = task->from;
}
