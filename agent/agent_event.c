#include "agent/agent_event.h"

#include <stdlib.h>

#include "common/core/memory.h"

struct agent_event *agent_event_new(enum agent_event_type type)
{
    struct agent_event *event = memory_alloc(sizeof(*event));

    event->type = type;
    return event;
}

struct agent_event *agent_event_new_answer(const char *shard,
                                           const struct task_assignment *assignment,
                                           const struct task_item *item, enum task_code code,
                                           const char *why)
{
    struct agent_event *event = agent_event_new(AGENT_EVENT_RESULT);
    struct arena *arena = &event->arena;

    event->result = (struct task_result){
        .rollout = arena_strdup(arena, assignment->rollout),
        .mode = assignment->mode,
        .tenant = arena_strdup(arena, item->tenant),
        .token = assignment->token,
        .outcome = TASK_FAILED,
        .version = "",
        .error = { .tenant = arena_printf(arena, "%s/%s", shard, item->tenant),
                   .mode = assignment->mode,
                   .code = code,
                   .sqlstate = "",
                   .message = arena_strdup(arena, why),
                   .detail = "",
                   .hint = "",
                   .file = "" },
    };
    return event;
}

void agent_event_wanted_set(const struct agent_event *event, const char **ret_name,
                            const char **ret_digest)
{
    const struct coordinator_message *message = &event->message;
    bool assigns = message->kind == COORDINATOR_MESSAGE_ASSIGN;

    *ret_name = assigns ? message->assign.set : message->control_run.set;
    *ret_digest = assigns ? message->assign.digest : message->control_run.digest;
}

void agent_event_free(struct agent_event **pointer)
{
    struct agent_event *event = *pointer;

    if (event == NULL) {
        return;
    }
    if (event->type == AGENT_EVENT_TENANTS) {
        tenants_snapshot_release(&event->tenants.snapshot);
    } else if (event->type == AGENT_EVENT_SET && event->set.prepared != NULL) {
        prepared_set_unref(&event->set.prepared);
    }
    arena_release(&event->arena);
    free(event);
    *pointer = NULL;
}
