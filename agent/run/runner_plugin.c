#include "agent/run/runner_plugin.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/plugin_talk.h"
#include "agent/run/process_words.h"
#include "agent/run/runner_process.h"
#include "agent/run/runner_step.h"
#include "common/core/crash.h"

enum { RUNNER_PLUGIN_WORDS = 8 };

static const char runner_plugin_applied[] = "{\"applied\": true}";
static const char runner_plugin_undone[] = "{\"undone\": true}";

/* No lease here: what a plugin does counts only if the transaction commits, which the fence
 * decides. */
static bool runner_plugin_may_go_on(void *context, uint64_t *ret_until_ms)
{
    const struct plugin_talk *talk = context;
    const struct runner_call *call = talk->call;

    *ret_until_ms = UINT64_MAX;
    return (call->down || !call->is_cancelled(call->context)) && pg_conn_is_there(call->conn);
}

/* The words of a plugin's host: see helper_host.h. */
static const char *const *runner_plugin_words(const struct runner_call *call, const char *path)
{
    const struct set_process *process = runner_process_of(call);
    const char **words = arena_alloc_array(
        call->arena, RUNNER_PLUGIN_WORDS + process->argument_count + 1, sizeof(*words));

    words[0] = call->options->helper;
    words[1] = "host";
    words[2] = HELPER_PROTOCOL;
    words[3] = path;
    words[4] = call->task->tenant;
    words[5] = call->from;
    words[6] = call->task->target;
    words[7] = task_mode_is_dry(call->task->mode) ? "dry_run" : "run";
    for (size_t i = 0; i < process->argument_count; i++) {
        words[RUNNER_PLUGIN_WORDS + i] = process->arguments[i];
    }
    return words;
}

/* Calls the plugin's functions, inside the open transaction. False: the report says why. */
static bool runner_plugin_talk(const struct runner_call *call, const char *path,
                               struct runner_report *report)
{
    CLEANUP(process_output_release) struct process_output output = { 0 };
    struct plugin_talk talk = { .call = call,
                                .report = report,
                                .name = runner_process_of(call)->program };
    struct process_order order = { .helper = call->options->helper,
                                   .words = runner_plugin_words(call, path),
                                   .environment = process_words_host_environment(call),
                                   .timeout_ms = runner_process_of(call)->timeout_ms,
                                   .may_go_on = runner_plugin_may_go_on,
                                   .on_frame = plugin_talk_on_frame,
                                   .context = &talk };
    struct process_end end;

    process_run(&order, &output, &end);
    report->output = process_output_text(&output, "", call->arena);
    if (talk.failed || (talk.sql_failed && report->interrupted)) {
        return false;
    }
    if (talk.done && end.ending == PROCESS_ENDED && end.status == 0 && end.signal == 0) {
        return true;
    }
    if (end.ending == PROCESS_ENDED && end.status == 0 && end.signal == 0) {
        return runner_fail(call, report, TASK_CODE_RUNNER, "%s has ended its process", talk.name);
    }
    return runner_process_judge(call, talk.name, &end, report);
}

/* A statement of the plugin may take no longer than all of it. *ret_before_ms is what held before.
 */
static bool runner_plugin_limit(const struct runner_call *call, uint64_t timeout_ms,
                                uint64_t *ret_before_ms, struct runner_report *report)
{
    static const char sql[] =
        "SELECT s.setting, pg_catalog.set_config('statement_timeout', CASE WHEN s.setting::bigint"
        " BETWEEN 1 AND $1::bigint THEN s.setting ELSE $1::text END, true)"
        " FROM pg_catalog.pg_settings s WHERE s.name = 'statement_timeout'";
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error words = { 0 };
    struct error err = { 0 };
    const char *const parameters[] = { arena_printf(call->arena, "%" PRIu64, timeout_ms) };

    if (!pg_query(call->conn, sql, parameters, 1, &rows, &words, &err)) {
        return runner_fail_pg(call, &words, report);
    }
    *ret_before_ms = pg_result_u64(rows, 0, 0);
    return true;
}

/* As it was, for what follows in the dry run's transaction. */
static bool runner_plugin_unlimit(const struct runner_call *call, uint64_t before_ms,
                                  struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error words = { 0 };
    struct error err = { 0 };
    const char *const parameters[] = { arena_printf(call->arena, "%" PRIu64, before_ms) };

    return pg_query(call->conn, "SELECT pg_catalog.set_config('statement_timeout', $1, true)",
                    parameters, 1, &rows, &words, &err) ||
           runner_fail_pg(call, &words, report);
}

static bool runner_plugin_send(const struct runner_call *call, struct runner_report *report)
{
    const struct pg_batch_report *answers = NULL;

    pg_batch_run(call->batch, &answers);
    return (!answers->failed && !answers->lost) || runner_fail_pg(call, &answers->error, report);
}

static bool runner_plugin_commit(const struct runner_call *call, const char *position,
                                 struct runner_report *report)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct pg_batch_report *answers = NULL;

    runner_step_add_position(call, &arena, call->batch, position, 0);
    pg_batch_end_segment(call->batch);
    runner_step_add_commit(call->batch, 0);
    pg_batch_run(call->batch, &answers);
    if (answers->failed || answers->lost) {
        return runner_fail_pg(call, &answers->error, report);
    }
    return strcmp(pg_result_tag(answers->items[answers->count - 1].result), "COMMIT") == 0 ||
           runner_fail(call, report, TASK_CODE_TRANSACTION_CONTROL,
                       "the server rolled the plugin's transaction back at COMMIT");
}

static void runner_plugin_abort(const struct runner_call *call, struct runner_report *report)
{
    struct error err = { 0 };

    if (!pg_script(call->conn, "ROLLBACK", NULL, &err)) {
        report->interrupted = true;
    }
}

/* In a transaction of its own, which stores `position` too. */
static bool runner_plugin_perform(const struct runner_call *call, const char *position,
                                  struct runner_report *report)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *path = NULL;
    uint64_t before_ms = 0;

    if (!runner_process_check(call, &path, report)) {
        return false;
    }
    runner_step_add_begin(call, &arena, call->batch, 0);
    if (!runner_plugin_send(call, report) ||
        !runner_plugin_limit(call, runner_process_of(call)->timeout_ms, &before_ms, report) ||
        !runner_plugin_talk(call, path, report)) {
        runner_plugin_abort(call, report);
        return false;
    }
    crash_point("before_plugin_commit");
    if (!runner_plugin_commit(call, position, report)) {
        runner_plugin_abort(call, report);
        return false;
    }
    crash_point("after_plugin_commit");
    return true;
}

static bool runner_plugin_check(const struct runner_call *call, struct runner_report *report)
{
    const char *path = NULL;

    return runner_process_check(call, &path, report);
}

static bool runner_plugin_setup(const struct runner_call *call, struct runner_report *report)
{
    const char *path = NULL;

    return runner_process_check(call, &path, report) || runner_process_undo_nothing(call, report);
}

static bool runner_plugin_execute(const struct runner_call *call, struct runner_report *report)
{
    if (strstr(call->position, "\"applied\"") != NULL) {
        return true; /* the try before has committed */
    }
    if (runner_plugin_perform(call, runner_plugin_applied, report)) {
        return true;
    }
    return report->interrupted ? false : runner_process_undo_nothing(call, report);
}

static bool runner_plugin_rollback(const struct runner_call *call, struct runner_report *report)
{
    return runner_process_is_nothing(call->done) || strstr(call->position, "\"undone\"") != NULL ||
           runner_plugin_perform(call, runner_plugin_undone, report);
}

/* Inside the dry run's transaction. */
static bool runner_plugin_dry_run(const struct runner_call *call, struct runner_report *report)
{
    const char *path = NULL;
    uint64_t before_ms = 0;

    return runner_process_check(call, &path, report) &&
           runner_plugin_limit(call, runner_process_of(call)->timeout_ms, &before_ms, report) &&
           runner_plugin_talk(call, path, report) && runner_plugin_unlimit(call, before_ms, report);
}

const struct runner runner_plugin = {
    .kind = OPERATION_PLUGIN,
    .check = runner_plugin_check,
    .setup = runner_plugin_setup,
    .execute = runner_plugin_execute,
    .rollback = runner_plugin_rollback,
    .dry_run = runner_plugin_dry_run,
};
