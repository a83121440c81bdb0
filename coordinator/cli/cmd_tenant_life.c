/* cmd_tenant_life.c - making a tenant and dropping one. */
#include <stdio.h>
#include <string.h>

#include "common/core/arena.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_rollout_show.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/quiet_rollout.h"

/* Refused is another end than failed: nothing was tried. */
static int cmd_tenant_life_code(const json_t *error, int code)
{
    const char *why = error == NULL ? "" : field_text(error, "code");
    bool refused = strcmp(why, "TENANT_EXISTS") == 0 || strcmp(why, "TENANT_REFUSED") == 0;

    return refused ? EXIT_CODE_REFUSED : code;
}

static void cmd_tenant_life_say_error(const struct cli *cli, const json_t *error)
{
    const char *file = field_text(error, "file");
    const char *hint = field_text(error, "hint");

    output_say("%s: %s: %s%s%s%s", cli->arguments[0], field_text(error, "code"),
               field_text(error, "message"), file[0] == '\0' ? "" : " (", file,
               file[0] == '\0' ? "" : ")");
    if (hint[0] != '\0') {
        output_say("%s", hint);
    }
}

/* Sends it and waits: `done` is what is printed then. */
static int cmd_tenant_life_run(struct cli *cli, json_t *request, bool drops)
{
    json_t *last = NULL;

    int code = quiet_rollout_run(cli, request, &last);
    if (last != NULL) {
        const json_t *error = json_array_get(field_get(last, "errors"), 0);
        code = cmd_tenant_life_code(error, code);
        if (cli->format != OUTPUT_TABLE) {
            output_json(cli->format, last);
        } else if (error != NULL) {
            cmd_tenant_life_say_error(cli, error);
        } else if (code == EXIT_CODE_DONE && drops) {
            (void)printf("%s is gone\n", cli->arguments[0]);
        } else if (code == EXIT_CODE_DONE) {
            (void)printf("%s is there, at version %s of %s\n", cli->arguments[0],
                         field_text(last, "target"), field_text(last, "set"));
        } else {
            output_say("rollout %s ended as %s: skein rollout report %s", field_text(last, "id"),
                       field_text(last, "phase"), field_text(last, "id"));
        }
    }
    json_decref(last);
    return code;
}

/* NULL: one of them is not KEY=VALUE, and that has been said. */
static json_t *cmd_tenant_life_labels(struct cli *cli)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct option_list *list = &cli->options.labels;
    json_t *labels = json_object();

    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        const char *key = equals == NULL ? ""
                                         : arena_strndup(&arena, list->items[i],
                                                         (size_t)(equals - list->items[i]));

        if (key[0] == '\0' || json_object_get(labels, key) != NULL) {
            (void)cli_usage(cli, "--label '%s': expected KEY=VALUE, each key once", list->items[i]);
            json_decref(labels);
            return NULL;
        }
        json_object_set_new(labels, key, json_string(equals + 1));
    }
    return labels;
}

int cmd_tenant_create(struct cli *cli)
{
    const struct cli_options *options = &cli->options;

    if (options->set[0] == '\0') {
        return cli_usage(cli, "a new tenant needs --set: which migration set is it made by?");
    }
    bool copies = strcmp(options->from, "reference") == 0;
    if (!copies && options->from[0] != '\0' && strcmp(options->from, "scripts") != 0) {
        return cli_usage(cli, "--from: '%s' is neither scripts nor reference", options->from);
    }
    json_t *labels = cmd_tenant_life_labels(cli);
    if (labels == NULL) {
        return EXIT_CODE_USAGE;
    }
    json_t *request =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:b, s:o}", "set", options->set, "target",
                  options->to, "tenant", cli->arguments[0], "policy", "continue", "reason",
                  options->reason, "idempotency_key", cmd_rollout_new_key(), "kind", "create",
                  "from_reference", copies ? 1 : 0, "labels", labels);
    return cmd_tenant_life_run(cli, request, false);
}

/* All its data goes: whoever asks for that types its name, or says why in a script. */
static int cmd_tenant_drop_confirm(const struct cli *cli)
{
    bool asked = false;

    if (cli->options.yes && cli->options.reason[0] == '\0') {
        return cli_usage(cli, "--yes wants a --reason here, which the audit events keep");
    }
    if (cli->options.yes || output_confirm_word(cli->arguments[0], &asked)) {
        return EXIT_CODE_DONE;
    }
    if (asked) {
        output_say("nothing was done");
        return EXIT_CODE_USAGE;
    }
    return cli_usage(
        cli,
        "'%s' would go with all its data, and there is no terminal to ask on: give --yes "
        "and a --reason",
        cli->arguments[0]);
}

int cmd_tenant_drop(struct cli *cli)
{
    int code = cmd_tenant_drop_confirm(cli);

    if (code != EXIT_CODE_DONE) {
        return code;
    }
    json_t *request = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:b}", "set", cli->options.set,
                                "tenant", cli->arguments[0], "policy", "continue", "reason",
                                cli->options.reason, "idempotency_key", cmd_rollout_new_key(),
                                "kind", "drop", "force", cli->options.force ? 1 : 0);
    return cmd_tenant_life_run(cli, request, true);
}
