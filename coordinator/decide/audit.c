#include "coordinator/decide/audit.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"

void audit_release(struct audit *audit)
{
    for (size_t i = 0; i < audit->count; i++) {
        free(audit->ring[(audit->first + i) % EVENTS_KEPT_MAX]);
    }
    *audit = (struct audit){ 0 };
}

static void audit_push(struct step *step, const struct audit_event *event)
{
    struct audit *audit = &step->fleet->audit;

    if (audit->count == EVENTS_KEPT_MAX) {
        emit_delete_event(step, audit->ring[audit->first]);
        free(audit->ring[audit->first]);
        audit->first = (audit->first + 1) % EVENTS_KEPT_MAX;
        audit->count--;
    }
    audit->ring[(audit->first + audit->count) % EVENTS_KEPT_MAX] = copy_event_block(event);
    audit->count++;
    if (event->at_ms > audit->newest_ms) {
        audit->newest_ms = event->at_ms;
    }
}

void audit_load(struct step *step, const struct audit_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        audit_push(step, &events[i]);
    }
}

void audit_add(struct step *step, const char *actor, const char *action, const char *object,
               const char *reason, const char *detail, ...)
{
    struct audit *audit = &step->fleet->audit;
    char text[TEXT_BYTES_MAX];
    va_list arguments;

    va_start(arguments, detail);
    vsnprintf(text, sizeof(text), detail, arguments);
    va_end(arguments);
    const struct audit_event event = {
        .at_ms = step->wall_ms > audit->newest_ms ? step->wall_ms : audit->newest_ms + 1,
        .actor = actor,
        .action = action,
        .object = object,
        .reason = reason,
        .detail = text,
    };
    audit_push(step, &event);
    emit_put_event(step, &event);
}

const struct audit_event *audit_at(const struct audit *audit, size_t index)
{
    assert(index < audit->count);
    return audit->ring[(audit->first + audit->count - 1 - index) % EVENTS_KEPT_MAX];
}
