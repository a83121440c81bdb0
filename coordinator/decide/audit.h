/* audit.h - who did what: a bounded list of events, newest last.
 *
 * Pure. Each event's time is its key in the store, so no two have the same. */
#ifndef SKEIN_COORDINATOR_DECIDE_AUDIT_H
#define SKEIN_COORDINATOR_DECIDE_AUDIT_H

#include <stddef.h>

#include "common/core/base.h"
#include "common/core/limits.h"
#include "common/model/message.h"

struct step;

struct audit {
    struct audit_event *ring[EVENTS_KEPT_MAX]; /* one block each */
    size_t first, count;
    int64_t newest_ms;
};

void audit_release(struct audit *audit);
/* From the store, oldest first; what is above the bound is deleted there. */
void audit_load(struct step *step, const struct audit_event *events, size_t count);
/* Notes it and writes it. `detail` is a format. */
void audit_add(struct step *step, const char *actor, const char *action, const char *object,
               const char *reason, const char *detail, ...) PRINTF(6, 7);
/* 0 is the newest. */
const struct audit_event *audit_at(const struct audit *audit, size_t index);

#endif
