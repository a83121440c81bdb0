/* cmd_rollout.c - starting rollouts and pressing their buttons. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/core/clock.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_rollout_show.h"
#include "coordinator/cli/command.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/rollout_shape.h"
#include "coordinator/cli/watch.h"
#include "coordinator/cli/watch_draw.h"

enum { ROLLOUT_KEY_BYTES = 16, ROLLOUT_SENTENCE_BYTES = 4096 };

/* The same request sent twice starts one rollout: the answer may be lost, the key is not. */
json_t *cmd_rollout_new_key(void)
{
    unsigned char bytes[ROLLOUT_KEY_BYTES];
    char text[2 * ROLLOUT_KEY_BYTES + 1];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        abort(); /* up to 256 bytes it never gives less, nor fails, once the system is up */
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return json_string(text);
}

/* "3" or "2%". */
static bool cmd_rollout_put_budget(const struct cli *cli, json_t *request)
{
    const char *text = cli->options.max_failures;
    char *end = NULL;

    if (text[0] == '\0') {
        return true;
    }
    unsigned long value = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (end != NULL && strcmp(end, "%") == 0 && value <= 100) {
        json_object_set_new(request, "max_failures_percent", json_integer((json_int_t)value));
        return true;
    }
    if (end != NULL && *end == '\0' && value <= UINT32_MAX) {
        json_object_set_new(request, "max_failures", json_integer((json_int_t)value));
        return true;
    }
    (void)cli_usage(cli, "--max-failures: '%s' is neither a number nor a percentage such as 2%%",
                    text);
    return false;
}

/* No limit at all is what --allow-large asks for, too. */
static void cmd_rollout_put_sizes(const struct cli_options *options, uint64_t limit_bytes,
                                  json_t *request)
{
    bool off = options->size_limit[0] != '\0' && limit_bytes == 0;

    json_object_set_new(request, "size_limit_bytes", json_integer((json_int_t)limit_bytes));
    json_object_set_new(request, "allow_large", json_boolean(options->allow_large || off));
}

static bool cmd_rollout_wants_reason(const struct cli_options *options)
{
    return strcmp(options->dry_run_mode, "off") == 0 && options->reason[0] == '\0';
}

/* The audit events keep that somebody was asked. */
static void cmd_rollout_put_dry_run(const struct cli_options *options, json_t *request)
{
    json_object_set_new(request, "dry_run", json_string(options->dry_run_mode));
    if (cmd_rollout_wants_reason(options)) {
        json_object_set_new(request, "reason", json_string("confirmed: no dry run"));
    }
}

/* NULL after saying why. */
static json_t *cmd_rollout_make_request(const struct cli *cli)
{
    const struct cli_options *options = &cli->options;
    uint64_t lock_timeout_ms = 0;
    uint64_t size_limit_bytes = 0;
    uint64_t patience_ms = 0;
    uint64_t lock_budget_ms = 0;

    if (options->wait && options->detach) {
        (void)cli_usage(cli, "--wait and --detach exclude each other");
        return NULL;
    }
    if (!cli_duration(cli, "lock-timeout", options->lock_timeout, 0, &lock_timeout_ms) ||
        !cli_size(cli, "size-limit", options->size_limit, 0, &size_limit_bytes) ||
        !cli_duration(cli, "lock-budget", options->lock_budget, 0, &lock_budget_ms) ||
        !cli_duration(cli, "patience", options->patience, 0, &patience_ms)) {
        return NULL;
    }
    json_t *request = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:I, s:I, s:s, s:o, s:s, s:s}", "set",
        cli->arguments[0], "target", options->to, "selector", options->tenants, "policy",
        options->policy, "concurrency", (json_int_t)options->concurrency, "concurrency_per_shard",
        (json_int_t)options->concurrency_per_shard, "dry_run_only", options->dry_run_only ? 1 : 0,
        "rehearse_rollback", options->rehearse_rollback ? 1 : 0, "lock_timeout_ms",
        (json_int_t)lock_timeout_ms, "patience_ms", (json_int_t)patience_ms, "reason",
        options->reason, "idempotency_key", cmd_rollout_new_key(), "kind", "migrate",
        "baseline_unmanaged", options->baseline_unmanaged);
    cmd_rollout_put_dry_run(options, request);
    cmd_rollout_put_sizes(options, size_limit_bytes, request);
    json_object_set_new(request, "lock_budget_ms", json_integer((json_int_t)lock_budget_ms));
    if (!cmd_rollout_put_budget(cli, request)) {
        json_decref(request);
        return NULL;
    }
    return request;
}

/* Behind start, resume and the like with --wait. */
static int cmd_rollout_wait(struct cli *cli, const char *id, bool goes_back)
{
    const bool live = cli->format == OUTPUT_TABLE && cli->terminal;
    const struct watch_request request = { .id = id,
                                           .view = live ? WATCH_LIVE : WATCH_QUIET,
                                           .until_settled = true };
    json_t *last = NULL;

    int code = watch_run(cli, &request, &last);
    if (goes_back && last != NULL && strcmp(field_text(last, "phase"), "ROLLED_BACK") == 0) {
        code = EXIT_CODE_DONE; /* that is what was asked for */
    }
    if (last != NULL && cli->format != OUTPUT_TABLE) {
        output_json(cli->format, last);
    }
    json_decref(last);
    return code;
}

/* Nobody goes without a dry run by accident. */
static int cmd_rollout_confirm_off(struct cli *cli)
{
    if (!cmd_rollout_wants_reason(&cli->options)) {
        return EXIT_CODE_DONE;
    }
    if (cli->options.dry_run_only) {
        return cli_usage(cli, "--dry-run off tries nothing, so --dry-run-only has nothing to do");
    }
    return cli_confirm(cli, "Change the tenants of %s without a dry run?", cli->arguments[0]);
}

int cmd_rollout_start(struct cli *cli)
{
    int confirmed = cmd_rollout_confirm_off(cli);
    json_t *request = confirmed == EXIT_CODE_DONE ? cmd_rollout_make_request(cli) : NULL;
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    if (request == NULL) {
        return confirmed == EXIT_CODE_DONE ? EXIT_CODE_USAGE : confirmed;
    }
    bool started =
        call_unary(&cli->caller, "StartRollout", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!started) {
        return cli_fail(cli, &end, &err);
    }
    const char *id = field_text(response, "id");
    int code = EXIT_CODE_DONE;
    if (cli->format == OUTPUT_TABLE) {
        (void)printf("%s\n", id);
        (void)fflush(stdout);
    }
    if (cli->options.wait) {
        code = cmd_rollout_wait(cli, id, false);
    } else if (cli->format == OUTPUT_TABLE) {
        output_say("%s to %s is on its way; follow it: skein rollout watch %s",
                   field_text(response, "set"), field_text(response, "target"), id);
    } else {
        json_t *shaped = rollout_shape(response);
        output_json(cli->format, shaped);
        json_decref(shaped);
    }
    json_decref(response);
    return code;
}

static void cmd_rollout_say_state(const struct cli *cli, const json_t *rollout)
{
    CLEANUP(buf_release) struct buf line = { .size_max = ROLLOUT_SENTENCE_BYTES };

    if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, rollout);
        return;
    }
    buf_printf(&line, "%s ", field_text(rollout, "id"));
    watch_draw_headline(rollout, &cli->style, clock_wall_ms(), &line);
    buf_puts(&line, "\n");
    output_text(&line);
}

/* Pausing and aborting twice is as good as once. Resuming and retrying are refused the second time,
 * which would be the wrong answer to somebody whose first one was lost. */
static int cmd_rollout_change(struct cli *cli, const char *method, enum call_repeat repeat)
{
    json_t *request =
        json_pack("{s:s, s:s}", "id", cli->arguments[0], "reason", cli->options.reason);
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool changed = call_unary(&cli->caller, method, request, repeat, &response, &end, &err);
    json_decref(request);
    if (!changed) {
        return cli_fail(cli, &end, &err);
    }
    int code = EXIT_CODE_DONE;
    if (cli->options.wait) {
        bool goes_back = strcmp(method, "RollbackRollout") == 0;
        code = cmd_rollout_wait(cli, field_text(response, "id"), goes_back);
    } else {
        json_t *shaped = rollout_shape(response);
        cmd_rollout_say_state(cli, shaped);
        json_decref(shaped);
    }
    json_decref(response);
    return code;
}

int cmd_rollout_pause(struct cli *cli)
{
    return cmd_rollout_change(cli, "PauseRollout", CALL_REPEATABLE);
}

int cmd_rollout_resume(struct cli *cli)
{
    return cmd_rollout_change(cli, "ResumeRollout", CALL_ONCE);
}

int cmd_rollout_retry(struct cli *cli)
{
    return cmd_rollout_change(cli, "RetryRollout", CALL_ONCE);
}

/* `verb` and what is at stake. EXIT_CODE_DONE: go on. */
static int cmd_rollout_confirm(struct cli *cli, const char *verb)
{
    CLEANUP(buf_release) struct buf question = { .size_max = ROLLOUT_SENTENCE_BYTES };
    int code = EXIT_CODE_DONE;

    if (!cli->options.yes) {
        json_t *rollout = NULL;
        code = cmd_rollout_get(cli, 1, &rollout);
        if (code != EXIT_CODE_DONE) {
            return code;
        }
        const json_t *counts = field_get(rollout, "counts");
        buf_printf(&question,
                   "%s rollout %s of %s to %s, with %" PRIu64 " of %" PRIu64
                   " tenants migrated and %" PRIu64 " at work?",
                   verb, field_text(rollout, "id"), field_text(rollout, "set"),
                   field_text(rollout, "target"), field_u64(counts, "migrated"),
                   field_u64(counts, "total"), field_u64(counts, "running"));
        json_decref(rollout);
        code = cli_confirm(cli, "%s", buf_text(&question));
    }
    return code;
}

int cmd_rollout_abort(struct cli *cli)
{
    int code = cmd_rollout_confirm(cli, "Abort");

    return code != EXIT_CODE_DONE ? code : cmd_rollout_change(cli, "AbortRollout", CALL_REPEATABLE);
}

int cmd_rollout_rollback(struct cli *cli)
{
    int code = cmd_rollout_confirm(cli, "Roll back");

    return code != EXIT_CODE_DONE ? code
                                  : cmd_rollout_change(cli, "RollbackRollout", CALL_REPEATABLE);
}

int cmd_rollout_unavailable(struct cli *cli)
{
    output_say("'skein %s' is not available in this version", cli->command->path);
    return EXIT_CODE_USAGE;
}
