/* cmd_baseline.c - telling skein which version a tenant has. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_rollout_show.h"
#include "coordinator/cli/cmd_tenant.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/quiet_rollout.h"

static void cmd_baseline_print_count(const struct cli *cli, const json_t *rollout, uint64_t count,
                                     const char *one, const char *many, const char *end)
{
    if (count == 0) {
        return;
    }
    if (cli->argument_count > 0) {
        (void)printf("%s %s", cli->arguments[0], one);
    } else {
        (void)printf("%" PRIu64 " tenant%s", count, count == 1 ? " " : "s ");
        (void)printf("%s", count == 1 ? one : many);
    }
    (void)printf(" version %s of %s %s\n", field_text(rollout, "target"),
                 field_text(rollout, "set"), end);
}

static void cmd_baseline_print(const struct cli *cli, const json_t *rollout)
{
    const json_t *errors = field_get(rollout, "errors");
    const char *reason;
    json_t *count;

    if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, rollout);
        return;
    }
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *error = json_array_get(errors, i);
        output_say("%s: %s: %s", field_text(error, "tenant"), field_text(error, "code"),
                   field_text(error, "message"));
    }
    cmd_baseline_print_count(cli, rollout, field_u64(field_get(rollout, "counts"), "migrated"),
                             "has", "have", "now; no script was run");
    json_object_foreach(field_get(rollout, "skips"), reason, count)
    {
        if (strcmp(reason, "UP_TO_DATE") == 0) {
            cmd_baseline_print_count(cli, rollout, (uint64_t)json_integer_value(count), "had",
                                     "had", "already");
        } else {
            output_say("%" JSON_INTEGER_FORMAT " skipped: %s", json_integer_value(count), reason);
        }
    }
}

/* The tenants that are meant, as a selector: one by name, or those of a selector that have no
 * version yet. Without either somebody has forgotten something. */
static bool cmd_baseline_selector(const struct cli *cli, struct buf *selector)
{
    const struct cli_options *options = &cli->options;
    const bool named = cli->argument_count > 0;
    const char *text = options->tenants[0] != '\0' ? options->tenants : options->where;

    if (options->set[0] == '\0' || (options->version[0] == '\0') == (options->to[0] == '\0')) {
        (void)cli_usage(cli, "a baseline needs --set, and --to VERSION or --from TOOL");
        return false;
    }
    if (named == (text[0] != '\0') || (options->tenants[0] != '\0' && options->where[0] != '\0')) {
        (void)cli_usage(cli, "a baseline is for one TENANT, or for --tenants SELECTOR "
                             "(all of them: 'tenant=*')");
        return false;
    }
    if (named) {
        return cmd_tenant_selector(cli, cli->arguments[0], selector);
    }
    buf_puts(selector, text);
    return true;
}

/* Nobody was there to be recorded: of one that was named that is an error. */
static int cmd_baseline_nobody(const struct cli *cli)
{
    if (cli->argument_count > 0) {
        output_say("no tenant '%s' is known", cli->arguments[0]);
        return EXIT_CODE_INTERNAL;
    }
    output_say("no tenant of the selector holds objects and has no version of %s",
               cli->options.set);
    return EXIT_CODE_DONE;
}

int cmd_baseline(struct cli *cli)
{
    CLEANUP(buf_release) struct buf selector = { .size_max = SELECTOR_BYTES_MAX };
    const struct cli_options *options = &cli->options;
    json_t *last = NULL;

    if (options->from[0] != '\0') {
        return cmd_baseline_from(cli);
    }
    if (!cmd_baseline_selector(cli, &selector)) {
        return EXIT_CODE_USAGE;
    }
    json_t *request =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:b}", "set", options->set, "target",
                  options->to[0] != '\0' ? options->to : options->version, "selector",
                  buf_text(&selector), "policy", cli->argument_count > 0 ? "abort" : "continue",
                  "reason", options->reason, "idempotency_key", cmd_rollout_new_key(), "kind",
                  "baseline", "unmanaged_only", cli->argument_count > 0 ? 0 : 1);
    int code = quiet_rollout_run(cli, request, &last);
    if (last != NULL) {
        cmd_baseline_print(cli, last);
        if (code == EXIT_CODE_DONE && field_u64(field_get(last, "counts"), "total") == 0) {
            code = cmd_baseline_nobody(cli);
        }
    }
    json_decref(last);
    return code;
}
