#include "coordinator/cli/quiet_rollout.h"

#include "coordinator/cli/call.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/watch.h"

int quiet_rollout_run(struct cli *cli, json_t *request, json_t **ret_rollout)
{
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    *ret_rollout = NULL;
    bool started =
        call_unary(&cli->caller, "StartRollout", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!started) {
        return cli_fail(cli, &end, &err);
    }
    const struct watch_request watch = { .id = field_text(response, "id"),
                                         .view = WATCH_SILENT,
                                         .until_settled = true };
    int code = watch_run(cli, &watch, ret_rollout);
    if (code == EXIT_CODE_TIMEOUT) {
        json_decref(*ret_rollout);
        *ret_rollout = NULL;
    }
    json_decref(response);
    return code;
}
