/* cmd_baseline.c - telling skein which version a tenant has. */
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_rollout_show.h"
#include "coordinator/cli/cmd_tenant.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/watch.h"

static void cmd_baseline_print(const struct cli *cli, const json_t *rollout)
{
    const json_t *counts = field_get(rollout, "counts");
    const json_t *error = json_array_get(field_get(rollout, "errors"), 0);

    if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, rollout);
    } else if (error != NULL) {
        output_say("%s: %s: %s", cli->arguments[0], field_text(error, "code"),
                   field_text(error, "message"));
    } else if (field_u64(counts, "migrated") > 0) {
        (void)printf("%s has version %s of %s now; no script was run\n", cli->arguments[0],
                     field_text(rollout, "target"), field_text(rollout, "set"));
    } else if (field_u64(counts, "skipped") > 0) {
        (void)printf("%s had version %s of %s already\n", cli->arguments[0],
                     field_text(rollout, "target"), field_text(rollout, "set"));
    }
}

int cmd_baseline(struct cli *cli)
{
    CLEANUP(buf_release) struct buf selector = { .size_max = SELECTOR_BYTES_MAX };
    const struct cli_options *options = &cli->options;
    json_t *response = NULL;
    json_t *last = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    if (options->set[0] == '\0' || options->version[0] == '\0') {
        return cli_usage(cli, "a baseline needs --set and --version");
    }
    if (!cmd_tenant_selector(cli, cli->arguments[0], &selector)) {
        return EXIT_CODE_USAGE;
    }
    json_t *request =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "set", options->set, "target",
                  options->version, "selector", buf_text(&selector), "policy", "abort", "reason",
                  options->reason, "idempotency_key", cmd_rollout_new_key(), "kind", "baseline");
    bool started =
        call_unary(&cli->caller, "StartRollout", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!started) {
        return cli_fail(cli, &end, &err);
    }
    const struct watch_request watch = { .id = field_text(response, "id"),
                                         .view = WATCH_SILENT,
                                         .until_settled = true };
    int code = watch_run(cli, &watch, &last);
    if (last != NULL && code != EXIT_CODE_TIMEOUT) {
        cmd_baseline_print(cli, last);
        if (code == EXIT_CODE_DONE && field_u64(field_get(last, "counts"), "total") == 0) {
            output_say("no tenant '%s' is known", cli->arguments[0]);
            code = EXIT_CODE_INTERNAL;
        }
    }
    json_decref(last);
    json_decref(response);
    return code;
}
