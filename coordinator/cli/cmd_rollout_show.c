/* cmd_rollout_show.c - looking at rollouts: list, status, watch, report. */
#include "coordinator/cli/cmd_rollout_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/measure_view.h"
#include "coordinator/cli/rollout_shape.h"
#include "coordinator/cli/table.h"
#include "coordinator/cli/watch.h"
#include "coordinator/cli/watch_draw.h"
#include "coordinator/cli/watch_facts.h"
#include "coordinator/cli/watch_shards.h"

int cmd_rollout_get(struct cli *cli, uint64_t errors_max, json_t **ret_rollout)
{
    json_t *request =
        json_pack("{s:s, s:I}", "id", cli->arguments[0], "errors_max", (json_int_t)errors_max);
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got =
        call_unary(&cli->caller, "GetRollout", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    *ret_rollout = rollout_shape(response);
    json_decref(response);
    return EXIT_CODE_DONE;
}

/* ---- list ---- */

static void cmd_rollout_list_table(const struct cli *cli, const json_t *rollouts)
{
    static const struct table_column columns[] = {
        { "ID", false },      { "KIND", false },        { "SET", false }, { "TARGET", false },
        { "PHASE", false },   { "TENANTS", true },      { "DONE", true }, { "FAILED", true },
        { "STARTED", false }, { "WAITING FOR", false },
    };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(rollouts); i++) {
        const json_t *rollout = json_array_get(rollouts, i);
        const json_t *counts = field_get(rollout, "counts");
        bool dry = strncmp(field_text(rollout, "phase"), "DRY_RUN", 7) == 0;
        table_cell(&table, field_text(rollout, "id"));
        table_cell(&table, field_text(rollout, "kind"));
        table_cell(&table, field_text(rollout, "set"));
        table_cell(&table, field_text(rollout, "target"));
        table_cell(&table, field_text(rollout, "phase"));
        table_cell_f(&table, "%" PRIu64, field_u64(counts, "total"));
        table_cell_f(&table, "%" PRIu64, watch_shards_done(counts, dry));
        table_cell_f(&table, "%" PRIu64, field_u64(counts, "failed"));
        table_cell(&table, field_text(rollout, "started_at"));
        table_cell(&table, field_text(rollout, "waiting_for"));
    }
    table_print(&table, &cli->style, &text);
    output_text(&text);
}

int cmd_rollout_list(struct cli *cli)
{
    json_t *request = json_object();
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got =
        call_unary(&cli->caller, "ListRollouts", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    json_t *shaped = json_array();
    const json_t *rollouts = field_get(response, "rollouts");
    for (size_t i = 0; i < json_array_size(rollouts); i++) {
        json_array_append_new(shaped, rollout_shape(json_array_get(rollouts, i)));
    }
    if (cli->format != OUTPUT_TABLE) {
        output_json_list(cli->format, shaped);
    } else if (json_array_size(shaped) == 0) {
        output_say("no rollout yet; start one: skein rollout start SET");
    } else {
        cmd_rollout_list_table(cli, shaped);
    }
    json_decref(shaped);
    json_decref(response);
    return EXIT_CODE_DONE;
}

/* ---- status and watch ---- */

static void cmd_rollout_print_status(const struct cli *cli, const json_t *rollout)
{
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    struct style style = cli->style;

    if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, rollout);
        return;
    }
    style.height = 0; /* printed once: it may scroll */
    watch_draw_status(rollout, &style, clock_wall_ms(), &text);
    output_text(&text);
}

int cmd_rollout_status(struct cli *cli)
{
    json_t *rollout = NULL;
    int code = EXIT_CODE_DONE;

    if (!cli->options.wait) {
        code = cmd_rollout_get(cli, 0, &rollout);
        if (code == EXIT_CODE_DONE) {
            cmd_rollout_print_status(cli, rollout);
        }
        json_decref(rollout);
        return code;
    }
    const bool live = cli->format == OUTPUT_TABLE && cli->terminal;
    const struct watch_request request = { .id = cli->arguments[0],
                                           .view = live ? WATCH_LIVE : WATCH_QUIET,
                                           .until_settled = true };
    code = watch_run(cli, &request, &rollout);
    if (rollout != NULL && !live) {
        cmd_rollout_print_status(cli, rollout);
    }
    json_decref(rollout);
    return code;
}

int cmd_rollout_watch(struct cli *cli)
{
    enum watch_view view = cli->terminal ? WATCH_LIVE : WATCH_LINES;

    if (cli->format == OUTPUT_JSON) {
        view = WATCH_QUIET;
    } else if (cli->format == OUTPUT_NDJSON) {
        view = WATCH_NDJSON;
    }
    const struct watch_request request = { .id = cli->arguments[0], .view = view };
    json_t *last = NULL;
    int code = watch_run(cli, &request, &last);
    if (last != NULL && cli->format == OUTPUT_JSON) {
        output_json(cli->format, last);
    }
    json_decref(last);
    return code;
}

/* ---- report ---- */

/* Every error, or every warning, in the order in which they came. */
static void cmd_rollout_report_list(const struct cli *cli, const char *title, const json_t *errors,
                                    struct buf *text)
{
    static const struct table_column columns[] = {
        { "TENANT", false },   { "MODE", false },  { "CODE", false },
        { "SQLSTATE", false }, { "WHERE", false }, { "MESSAGE", false },
    };
    CLEANUP(table_release) struct table table = { 0 };

    if (json_array_size(errors) == 0) {
        return;
    }
    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *error = json_array_get(errors, i);
        table_cell(&table, field_text(error, "tenant"));
        table_cell(&table, field_text(error, "mode"));
        table_cell(&table, field_text(error, "code"));
        table_cell(&table, field_text(error, "sqlstate"));
        if (field_text(error, "file")[0] == '\0') {
            table_cell(&table, "");
        } else {
            table_cell_f(&table, "%s:%" PRIu64 " statement %" PRIu64, field_text(error, "file"),
                         field_u64(error, "line"), field_u64(error, "statement"));
        }
        const char *detail = field_text(error, "detail");
        table_cell_f(&table, "%s%s%s", field_text(error, "message"), detail[0] != '\0' ? "; " : "",
                     detail);
    }
    buf_printf(text, "\n%s\n", title);
    table_print(&table, &cli->style, text);
}

/* Which tenant was dry-run for how many. */
static void cmd_rollout_report_classes(const struct cli *cli, const json_t *rollout,
                                       struct buf *text)
{
    static const struct table_column columns[] = { { "TENANT", false }, { "STOOD FOR", true } };
    CLEANUP(table_release) struct table table = { 0 };
    const json_t *classes = field_get(rollout, "dry_run_classes");
    const uint64_t total = field_u64(rollout, "dry_run_class_total");

    if (total == 0) {
        return;
    }
    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const json_t *class = json_array_get(classes, i);
        table_cell(&table, field_text(class, "tenant"));
        table_cell_f(&table, "%" PRIu64, field_u64(class, "tenants"));
    }
    buf_printf(text, "\n%" PRIu64 " %s, of which one %s was dry-run each\n", total,
               total == 1 ? "class of tenants" : "classes of tenants",
               strcmp(field_text(rollout, "dry_run"), "clone") == 0 ? "copy" : "tenant");
    table_print(&table, &cli->style, text);
    if (total > json_array_size(classes)) {
        buf_printf(text, "(%" PRIu64 " more)\n", total - json_array_size(classes));
    }
}

int cmd_rollout_report(struct cli *cli)
{
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    CLEANUP(buf_release) struct buf lines = { .size_max = OUTPUT_BYTES_MAX };
    struct style style = cli->style;
    json_t *rollout = NULL;

    style.height = 0; /* printed once: it may scroll */
    int code = cmd_rollout_get(cli, cli->options.errors, &rollout);
    if (code != EXIT_CODE_DONE) {
        return code;
    }
    if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, rollout);
        json_decref(rollout);
        return EXIT_CODE_DONE;
    }
    const int64_t now_ms = clock_wall_ms();
    const uint64_t failed = field_u64(field_get(rollout, "counts"), "failed");
    const size_t listed = json_array_size(field_get(rollout, "errors"));
    watch_draw_headline(rollout, &style, now_ms, &lines);
    buf_puts(&lines, "\n");
    watch_facts_draw(rollout, &style, now_ms, &lines);
    buf_printf(&lines, "set      %s\n", field_text(rollout, "digest"));
    watch_shards_draw(rollout, &style, SIZE_MAX, &lines);
    watch_draw_failures(rollout, &style, SIZE_MAX, &lines);
    style_fold_lines(&style, buf_text(&lines), strlen("rollout  "), &text);
    cmd_rollout_report_classes(cli, rollout, &text);
    cmd_rollout_report_list(cli, "errors", field_get(rollout, "errors"), &text);
    if (failed > listed) {
        buf_printf(&text, "(%" PRIu64 " more are not listed; --errors N lists more)\n",
                   failed - listed);
    }
    cmd_rollout_report_list(cli, "warnings", field_get(rollout, "warnings"), &text);
    measure_view_report(rollout, &cli->style, &text);
    output_text(&text);
    json_decref(rollout);
    return EXIT_CODE_DONE;
}
