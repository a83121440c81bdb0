/* cmd_tenant_label.c - labels of a tenant's own. */
#include <stdio.h>
#include <string.h>

#include "common/core/arena.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"

/* KEY=VALUE or KEY-; false: it is neither. */
static bool cmd_tenant_label_take(const char *word, struct arena *arena, json_t *labels,
                                  json_t *removed)
{
    const char *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    bool goes = equals == NULL && size > 1 && word[size - 1] == '-';

    if (size == 0 || (equals == NULL && !goes)) {
        return false;
    }
    const char *key = arena_strndup(arena, word, goes ? size - 1 : size);
    if (goes) {
        json_array_append_new(removed, json_string(key));
    } else {
        json_object_set_new(labels, key, json_string(equals + 1));
    }
    return true;
}

int cmd_tenant_label(struct cli *cli)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    json_t *labels = json_object();
    json_t *removed = json_array();
    json_t *request = json_pack("{s:s, s:o, s:o, s:s}", "tenant", cli->arguments[0], "labels",
                                labels, "removed", removed, "reason", cli->options.reason);
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    for (size_t i = 1; i < cli->argument_count; i++) {
        if (!cmd_tenant_label_take(cli->arguments[i], &arena, labels, removed)) {
            json_decref(request);
            return cli_usage(cli, "'%s': expected KEY=VALUE, or KEY- to take it away",
                             cli->arguments[i]);
        }
    }
    bool done =
        call_unary(&cli->caller, "LabelTenant", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    json_decref(response);
    if (!done) {
        return cli_fail(cli, &end, &err);
    }
    output_say("%s is labelled: skein tenant show %s", cli->arguments[0], cli->arguments[0]);
    return EXIT_CODE_DONE;
}
