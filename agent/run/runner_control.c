#include "agent/run/runner_control.h"

#include <string.h>

#include "agent/run/control_client.h"
#include "agent/run/runner_step.h"
#include "common/model/plan.h"

/* The key inside of a position, which is a JSON text; "" for none. Ids of rollouts need no escapes.
 */
static const char *runner_control_key(const struct runner_call *call)
{
    const char *position = call->down ? call->done : call->position;
    size_t size = strlen(position);

    if (size < 2 || position[0] != '"' || position[size - 1] != '"') {
        return "";
    }
    return arena_strndup(call->arena, position + 1, size - 2);
}

static bool runner_control_fail(const struct runner_call *call, const struct task_error *error,
                                struct runner_report *report)
{
    struct arena *arena = call->arena;

    /* Nobody can say now whether it was done: the next try will be told. */
    report->interrupted =
        error->code == TASK_CODE_AGENT_LOST || error->code == TASK_CODE_DATABASE_LOST;
    report->problem = (struct runner_problem){
        .code = error->code,
        .sqlstate = error->sqlstate,
        .message = arena_printf(arena, "in the control database: %s", error->message),
        .detail = error->detail,
        .hint = error->hint,
        .file = error->file[0] == '\0' ? NULL : error->file,
        .statement = error->statement,
        .line = error->line,
    };
    return false;
}

static bool runner_control_ask(const struct runner_call *call, const char *file, const char *key,
                               struct runner_report *report)
{
    bool rehearses = task_mode_is_dry(call->task->mode);
    const struct control_call ask = { .rollout = call->task->rollout,
                                      .tenant = call->task->tenant,
                                      .token = call->task->token,
                                      .mode = rehearses ? TASK_DRY_RUN : TASK_RUN,
                                      .from = rehearses ? call->task->from : call->from,
                                      .file = file,
                                      .down = call->down,
                                      .key = key,
                                      .lock_timeout_ms = call->task->lock_timeout_ms };
    struct task_error error;

    if (call->options->control == NULL) {
        return runner_fail(call, report, TASK_CODE_RUNNER,
                           "this agent does not reach a control database");
    }
    control_client_call(call->options->control, &ask, call->is_cancelled, call->context,
                        call->arena, &error);
    return error.code == TASK_CODE_NONE || runner_control_fail(call, &error, report);
}

static bool runner_control_execute(const struct runner_call *call, struct runner_report *report)
{
    const char *key = runner_control_key(call);

    if (key[0] == '\0') {
        key = call->task->rollout;
        if (!runner_step_store(call, arena_printf(call->arena, "\"%s\"", key), report)) {
            return false;
        }
    }
    return runner_control_ask(call, call->operation->operation->path, key, report);
}

static bool runner_control_rollback(const struct runner_call *call, struct runner_report *report)
{
    const char *key = runner_control_key(call);

    /* Without a key it was never asked for. */
    return key[0] == '\0' ||
           runner_control_ask(call, call->operation->operation->path, key, report);
}

static bool runner_control_is_first(const struct runner_call *call)
{
    const struct set *set = prepared_set_model(call->task->set);
    const struct plan_start start = { .from = call->task->from, .baseline = "" };
    struct plan plan;

    plan_make(set, &start, call->task->target, &plan);
    for (size_t m = plan.first; m < plan.first + plan.count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            const struct operation *operation = &set->migrations[m].operations[o];

            if (operation->settings.control_scope) {
                return operation == call->operation->operation;
            }
        }
    }
    return false;
}

/* The first one stands for all: one may build on another, and each dry run is rolled back. Going
 * down the last one does, which is asked for. */
static bool runner_control_dry_run(const struct runner_call *call, struct runner_report *report)
{
    if (call->down) {
        return runner_control_ask(call, call->operation->operation->path, "", report);
    }
    return !runner_control_is_first(call) || runner_control_ask(call, "", "", report);
}

const struct runner runner_control = {
    .kind = OPERATION_SQL,
    .execute = runner_control_execute,
    .rollback = runner_control_rollback,
    .dry_run = runner_control_dry_run,
};
