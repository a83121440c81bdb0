#include "agent/run/runner_process.h"

#include <assert.h>
#include <string.h>

#include "agent/run/process_allow.h"
#include "agent/run/runner_step.h"

static const char runner_process_nothing[] = "{\"nothing\": true}";

const struct set_process *runner_process_of(const struct runner_call *call)
{
    const struct operation *operation = call->operation->operation;
    const struct set_process *process = call->down ? operation->down_process : operation->process;

    assert(process != NULL);
    return process;
}

static bool runner_process_allow(const struct runner_call *call, enum operation_kind kind,
                                 const struct set_process *process, const char **ret_path,
                                 struct error *err)
{
    const struct executor_options *options = call->options;

    return kind == OPERATION_PLUGIN
               ? process_allow_plugin(options, process->program, call->arena, ret_path, err)
               : process_allow_program(options, process->program, call->arena, ret_path, err);
}

bool runner_process_check(const struct runner_call *call, const char **ret_path,
                          struct runner_report *report)
{
    const struct operation *operation = call->operation->operation;
    const struct set_process *process = runner_process_of(call);
    const char *ignored = NULL;
    struct error err = { 0 };

    if (!runner_process_allow(call, call->down ? operation->down_kind : operation->kind, process,
                              ret_path, &err)) {
        return runner_fail(call, report, TASK_CODE_RUNNER, "%s", err.message);
    }
    if (!call->down && operation->down_process != NULL && operation->down_process != process &&
        !runner_process_allow(call, operation->down_kind, operation->down_process, &ignored,
                              &err)) {
        (void)runner_fail(call, report, TASK_CODE_RUNNER, "%s", err.message);
        report->problem.file = operation->down_path;
        return false;
    }
    if (call->options->helper == NULL || call->options->helper[0] == '\0') {
        return runner_fail(call, report, TASK_CODE_RUNNER,
                           "the agent of shard '%s' has no skein-helper beside it, which runs "
                           "programs and plugins",
                           call->options->shard);
    }
    return true;
}

static bool runner_process_judge_end(const struct runner_call *call, const char *what,
                                     const struct process_end *end, const char *said,
                                     struct runner_report *report)
{
    const char *colon = said[0] == '\0' ? "" : ": ";

    if (end->signal != 0) {
        return runner_fail(call, report, TASK_CODE_RUNNER, "%s was ended by signal %d (%s)%s%s",
                           what, end->signal, strsignal(end->signal), colon, said);
    }
    return runner_fail(call, report, TASK_CODE_RUNNER, "%s ended with exit status %d%s%s", what,
                       end->status, colon, said);
}

bool runner_process_judge(const struct runner_call *call, const char *what,
                          const struct process_end *end, struct runner_report *report)
{
    uint64_t timeout_ms = runner_process_of(call)->timeout_ms;

    switch (end->ending) {
    case PROCESS_ENDED:
        return runner_process_judge_end(
            call, what, end, process_output_last_line(report->output, call->arena), report);
    case PROCESS_NOT_STARTED:
        return runner_fail(call, report, TASK_CODE_RUNNER, "%s could not be started: %s", what,
                           end->words);
    case PROCESS_TIMED_OUT:
        return runner_fail(call, report, TASK_CODE_RUNNER,
                           "%s did not end within its timeout of %llu.%03llu s, and was ended",
                           what, (unsigned long long)(timeout_ms / 1000),
                           (unsigned long long)(timeout_ms % 1000));
    case PROCESS_LOST:
        return runner_fail(call, report, TASK_CODE_RUNNER, "%s was ended: %s", what, end->words);
    case PROCESS_STOPPED:
        break;
    }
    if (pg_conn_is_lost(call->conn)) {
        report->interrupted = true;
        return runner_fail(call, report, TASK_CODE_DATABASE_LOST,
                           "%s was ended, because the connection that guards the tenant is lost",
                           what);
    }
    return runner_fail(call, report, TASK_CODE_CANCELLED, "cancelled: %s was ended", what);
}

bool runner_process_undo_nothing(const struct runner_call *call, struct runner_report *report)
{
    struct runner_report stored = { 0 };

    if (!runner_step_store(call, runner_process_nothing, &stored)) {
        report->interrupted = report->interrupted || stored.interrupted;
    }
    return false;
}

bool runner_process_is_nothing(const char *position)
{
    return strstr(position, "\"nothing\"") != NULL;
}
