#include "coordinator/decide/event.h"

#include <assert.h>
#include <stdlib.h>

#include "common/core/memory.h"

struct event *event_new(enum event_type type)
{
    struct event *event = memory_alloc(sizeof(*event));

    assert(type < EVENT_TYPE_COUNT);
    event->type = type;
    return event;
}

void event_free(struct event **pointer)
{
    struct event *event = *pointer;

    if (event == NULL) {
        return;
    }
    /* What the decisions took over has been set to NULL by them. */
    if (event->type == EVENT_OPERATOR && event->operator.set != NULL) {
        set_release(event->operator.set);
        free(event->operator.set);
    }
    if (event->type == EVENT_LEADING) {
        for (size_t i = 0; i < event->loaded.set_count; i++) {
            if (event->loaded.sets[i] != NULL) {
                set_release(event->loaded.sets[i]);
                free(event->loaded.sets[i]);
            }
        }
    }
    arena_release(&event->arena);
    free(event);
    *pointer = NULL;
}

size_t event_bytes(const struct event *event)
{
    return sizeof(*event) + event->arena.bytes;
}
