#include "agent/agent_event.h"

#include <stdlib.h>

#include "common/core/memory.h"

struct agent_event *agent_event_new(enum agent_event_type type)
{
    struct agent_event *event = memory_alloc(sizeof(*event));

    event->type = type;
    return event;
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
