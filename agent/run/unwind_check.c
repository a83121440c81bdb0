#include "agent/run/unwind_check.h"

#include "agent/run/task_answer.h"

bool unwind_check_has_rollback(const struct runner_table *runners,
                               const struct operation *operation)
{
    if (operation_has_rollback(operation)) {
        return true;
    }
    const struct runner *runner = runners_find(runners, operation, false);

    return runner != NULL && runner->rollback != NULL && runner->undoes_alone;
}

bool unwind_check_rollback(const struct unwind_check *check,
                           const struct prepared_operation *operation, struct task_result *result)
{
    const struct operation *model = operation->operation;
    bool has_file = operation_has_rollback(model);
    const struct runner *runner = runners_find(check->runners, model, has_file);
    const struct runner_call call = { .options = check->options,
                                      .task = check->task,
                                      .operation = operation,
                                      .down = true,
                                      .arena = &check->task->arena };
    struct runner_report report = { 0 };

    if (!has_file || operation_is_transactional(model, true) || runner == NULL ||
        runner->check == NULL || runner->check(&call, &report)) {
        return true;
    }
    task_answer_fail(result, check->task, check->options->shard, TASK_FAILED,
                     report.problem.code == TASK_CODE_NONE ? TASK_CODE_RUNNER : report.problem.code,
                     "%s", report.problem.message);
    result->error.file = model->down_path;
    result->version = check->task->from;
    return false;
}

static bool unwind_check_runner(const struct unwind_check *check,
                                const struct prepared_operation *operation,
                                struct task_result *result)
{
    const struct operation *model = operation->operation;
    bool has_file = operation_has_rollback(model);

    if (has_file && operation->down.problem.kind != SQL_PROBLEM_NONE) {
        task_answer_problem(result, check->task, check->options->shard, operation, true);
        return false;
    }
    const struct runner *runner = runners_find(check->runners, model, has_file);
    if ((has_file && operation_is_transactional(model, true)) ||
        (runner != NULL && runner->rollback != NULL)) {
        return unwind_check_rollback(check, operation, result);
    }
    task_answer_fail(result, check->task, check->options->shard, TASK_FAILED, TASK_CODE_RUNNER,
                     "this agent cannot undo operations of the kind '%s' yet",
                     operation_kind_name(has_file ? model->down_kind : model->kind));
    result->error.file = has_file ? model->down_path : model->path;
    result->version = check->task->from;
    return false;
}

bool unwind_check_all(const struct unwind_check *check, const struct unwind_plan *plan,
                      struct task_result *result)
{
    struct lacking lacking = { 0 };

    for (size_t i = 0; i < plan->operation_count; i++) {
        const struct unwind_operation *operation = &plan->operations[i];
        const struct operation *model = operation->prepared->operation;

        if (!operation->nothing && !unwind_check_has_rollback(check->runners, model)) {
            lacking_add(&lacking, model);
        }
    }
    if (lacking.count > 0) {
        task_answer_lacking(result, check->task, check->options->shard, &lacking);
        return false;
    }
    for (size_t i = 0; i < plan->operation_count; i++) {
        const struct unwind_operation *operation = &plan->operations[i];

        if (!operation->nothing && !unwind_check_runner(check, operation->prepared, result)) {
            return false;
        }
    }
    return true;
}
