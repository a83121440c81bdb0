/* cmd_baseline_from.c - versions taken over from another tool's history table in each tenant. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/ledger.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_rollout_show.h"
#include "coordinator/cli/cmd_tenant.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/quiet_rollout.h"

static void cmd_baseline_from_print(const struct cli *cli, const json_t *rollout)
{
    const json_t *errors = field_get(rollout, "errors");
    const json_t *counts = field_get(rollout, "counts");
    const uint64_t migrated = field_u64(counts, "migrated");
    const uint64_t skipped = field_u64(counts, "skipped");

    if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, rollout);
        return;
    }
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *error = json_array_get(errors, i);
        output_say("%s: %s: %s", field_text(error, "tenant"), field_text(error, "code"),
                   field_text(error, "message"));
    }
    (void)printf("%" PRIu64 " tenant%s the version of %s that %s's table tells now; no script was "
                 "run\n",
                 migrated, migrated == 1 ? " has" : "s have", field_text(rollout, "set"),
                 cli->options.from);
    if (skipped > 0) {
        (void)printf("%" PRIu64 " had it already, or %s skipped\n", skipped,
                     skipped == 1 ? "was" : "were");
    }
}

static bool cmd_baseline_from_check(const struct cli *cli, struct buf *selector)
{
    const struct cli_options *options = &cli->options;
    struct ledger ledger;
    struct error err = { 0 };

    if (!ledger_parse(options->from, &ledger, &err)) {
        (void)cli_usage(cli, "--from %s", err.message);
        return false;
    }
    if (options->set[0] == '\0' || options->version[0] != '\0') {
        (void)cli_usage(cli, "a baseline from a tool needs --set, and takes no version");
        return false;
    }
    if ((cli->argument_count > 0) == (options->tenants[0] != '\0')) {
        (void)cli_usage(cli, "a baseline is for one TENANT, or for --tenants SELECTOR "
                             "(all of them: 'tenant=*')");
        return false;
    }
    if (cli->argument_count > 0) {
        return cmd_tenant_selector(cli, cli->arguments[0], selector);
    }
    buf_puts(selector, options->tenants);
    return true;
}

int cmd_baseline_from(struct cli *cli)
{
    CLEANUP(buf_release) struct buf selector = { .size_max = SELECTOR_BYTES_MAX };
    const struct cli_options *options = &cli->options;
    json_t *last = NULL;

    if (!cmd_baseline_from_check(cli, &selector)) {
        return EXIT_CODE_USAGE;
    }
    json_t *request = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "set", options->set,
                                "selector", buf_text(&selector), "policy", "continue", "reason",
                                options->reason, "from_ledger", options->from, "idempotency_key",
                                cmd_rollout_new_key(), "kind", "baseline");
    int code = quiet_rollout_run(cli, request, &last);
    if (last != NULL) {
        if (code == EXIT_CODE_DONE && field_u64(field_get(last, "counts"), "total") == 0) {
            output_say("no tenant of '%s' is known", buf_text(&selector));
            code = EXIT_CODE_INTERNAL;
        } else {
            cmd_baseline_from_print(cli, last);
        }
    }
    json_decref(last);
    return code;
}
