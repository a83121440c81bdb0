#include "agent/run/runner_exec.h"

#include <string.h>

#include "agent/run/process.h"
#include "agent/run/process_words.h"
#include "agent/run/runner_process.h"
#include "agent/run/runner_step.h"
#include "common/core/clock.h"
#include "common/core/crash.h"
#include "common/pg/pg_conninfo.h"

/* A cancel does not stop an undoing: it is what the cancelled task is waited for. */
static bool runner_exec_may_go_on(void *context, uint64_t *ret_until_ms)
{
    const struct runner_call *call = context;
    bool cancelled = !call->down && call->is_cancelled(call->context);

    *ret_until_ms = call->lease_until == NULL ? UINT64_MAX : call->lease_until(call->context);
    return !cancelled && clock_monotonic_ms() < *ret_until_ms && pg_conn_is_there(call->conn);
}

/* Sessions that an earlier call of the program has opened may live on, and even be at work, when
 * the program is gone. This one would then not be alone. */
static bool runner_exec_end_sessions(const struct runner_call *call, struct runner_report *report)
{
    static const char sql[] =
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity"
        " WHERE application_name = $1 AND pid <> pg_catalog.pg_backend_pid()";
    const char *const parameters[] = { process_words_application(call) };
    uint64_t ends_ms = clock_monotonic_ms() + PROCESS_SWEEP_MAX_MS;

    for (;;) {
        CLEANUP(pg_result_free) struct pg_result *rows = NULL;
        struct pg_error words = { 0 };
        struct error err = { 0 };

        if (!pg_query(call->conn, sql, parameters, 1, &rows, &words, &err)) {
            return runner_fail_pg(call, &words, report);
        }
        if (pg_result_u64(rows, 0, 0) == 0) {
            return true;
        }
        if (clock_monotonic_ms() >= ends_ms) {
            return runner_fail(call, report, TASK_CODE_RUNNER,
                               "sessions that an earlier call of %s has opened do not end",
                               runner_process_of(call)->program);
        }
        (void)call->pause(call->context, PROCESS_TICK_MS);
    }
}

static bool runner_exec_run(const struct runner_call *call, const char *path,
                            struct runner_report *report)
{
    CLEANUP(process_output_release) struct process_output output = { 0 };
    const struct set_process *process = runner_process_of(call);
    struct process_order order = { .helper = call->options->helper,
                                   .words = process_words(call, path, process),
                                   .timeout_ms = process->timeout_ms,
                                   .may_go_on = runner_exec_may_go_on };
    struct process_end end;
    struct error err = { 0 };

    /* process_run asks it of the same call, which it does not change. */
    union {
        const struct runner_call *call;
        void *context;
    } mine = { .call = call };
    order.context = mine.context;
    if (!process_words_environment(call, process, &order.environment, &err)) {
        return runner_fail(call, report, TASK_CODE_RUNNER, "%s", err.message);
    }
    process_run(&order, &output, &end);
    crash_point("after_exec");
    report->output = process_output_text(&output, pg_conninfo_password(call->conn), call->arena);
    if (end.ending == PROCESS_ENDED && end.status == 0 && end.signal == 0) {
        return true;
    }
    (void)runner_process_judge(call, process->program, &end, report);
    if (end.ending != PROCESS_NOT_STARTED && !report->interrupted) {
        struct runner_report ignored = { 0 };

        (void)runner_exec_end_sessions(call, &ignored);
    }
    return false;
}

static bool runner_exec_check(const struct runner_call *call, struct runner_report *report)
{
    const char *path = NULL;

    return runner_process_check(call, &path, report);
}

static bool runner_exec_setup(const struct runner_call *call, struct runner_report *report)
{
    const char *path = NULL;

    return runner_process_check(call, &path, report) || runner_process_undo_nothing(call, report);
}

static bool runner_exec_execute(const struct runner_call *call, struct runner_report *report)
{
    const char *path = NULL;

    if (!runner_process_check(call, &path, report)) {
        return runner_process_undo_nothing(call, report);
    }
    /* From here on it is not known any more that nothing was done. */
    if (runner_process_is_nothing(call->position) && !runner_step_store(call, "{}", report)) {
        return false;
    }
    return (!call->started_before || runner_exec_end_sessions(call, report)) &&
           runner_exec_run(call, path, report);
}

static bool runner_exec_rollback(const struct runner_call *call, struct runner_report *report)
{
    const char *path = NULL;

    return runner_process_is_nothing(call->done) ||
           (runner_process_check(call, &path, report) && runner_exec_end_sessions(call, report) &&
            runner_exec_run(call, path, report));
}

static bool runner_exec_dry_run(const struct runner_call *call, struct runner_report *report)
{
    const char *path = NULL;

    report->hidden = runner_process_of(call)->program;
    return runner_process_check(call, &path, report) &&
           (!runner_process_of(call)->dry_run || runner_exec_run(call, path, report));
}

const struct runner runner_exec = {
    .kind = OPERATION_EXEC,
    .check = runner_exec_check,
    .setup = runner_exec_setup,
    .execute = runner_exec_execute,
    .rollback = runner_exec_rollback,
    .dry_run = runner_exec_dry_run,
};
