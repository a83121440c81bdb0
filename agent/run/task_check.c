#include "agent/run/task_check.h"

#include "agent/run/step_plan.h"
#include "agent/run/task_answer.h"
#include "agent/run/unwind_check.h"

/* Whether this agent runs operations of that kind; else the result says so. */
static bool task_check_runner(const struct task_check *check, struct task_result *result,
                              const struct prepared_operation *operation)
{
    enum operation_kind kind = operation->operation->kind;

    if (operation_is_transactional(operation->operation, false) ||
        runners_find(check->runners, operation->operation, false) != NULL) {
        return true;
    }
    task_answer_fail(result, check->task, check->options->shard, TASK_FAILED, TASK_CODE_RUNNER,
                     "this agent cannot run operations of the kind '%s' yet",
                     operation_kind_name(kind));
    result->error.file = operation->operation->path;
    result->version = check->task->from;
    return false;
}

static bool task_check_hook(const struct task_check *check, struct task_result *result,
                            enum set_hook hook)
{
    const struct prepared_operation *operation = prepared_set_hook(check->task->set, hook);

    if (operation == NULL) {
        return true;
    }
    if (operation->up.problem.kind != SQL_PROBLEM_NONE) {
        task_answer_problem(result, check->task, check->options->shard, operation, false);
        return false;
    }
    return task_check_runner(check, result, operation);
}

bool task_check(const struct task_check *check, struct task_result *result)
{
    const struct set *set = prepared_set_model(check->task->set);
    const char *shard = check->options->shard;
    const struct unwind_check backwards = { check->options, check->runners, check->task };
    struct lacking lacking = { 0 };

    if (!task_check_hook(check, result, SET_HOOK_BEFORE_TENANT) ||
        !task_check_hook(check, result, SET_HOOK_AFTER_TENANT)) {
        return false;
    }

    for (size_t m = check->plan->first; m < check->plan->first + check->plan->count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            const struct prepared_operation *operation =
                prepared_set_operation(check->task->set, m, o);

            if (operation->up.problem.kind == SQL_PROBLEM_NONE &&
                !task_check_runner(check, result, operation)) {
                return false;
            }
            if (operation->up.problem.kind != SQL_PROBLEM_NONE) {
                task_answer_problem(result, check->task, shard, operation, false);
                return false;
            }
            if (!unwind_check_rollback(&backwards, operation, result)) {
                return false;
            }
            if (check->rehearses_rollback &&
                !unwind_check_has_rollback(check->runners, operation->operation)) {
                lacking_add(&lacking, operation->operation);
            }
            if (check->rehearses_rollback && operation->down.problem.kind != SQL_PROBLEM_NONE) {
                task_answer_problem(result, check->task, shard, operation, true);
                return false;
            }
        }
    }
    if (lacking.count > 0) {
        task_answer_lacking(result, check->task, shard, &lacking);
        return false;
    }
    for (size_t r = 0; check->plan->repeatables && r < set->repeatable_count; r++) {
        const struct prepared_operation *operation = prepared_set_repeatable(check->task->set, r);

        if (operation->up.problem.kind != SQL_PROBLEM_NONE) {
            task_answer_problem(result, check->task, shard, operation, false);
            return false;
        }
    }
    return true;
}
