/* fleet.h - all that the leading coordinator knows and decides: the one entry to decide/.
 *
 * Pure: no I/O, no clock, no thread. Owned by the coordinator's brain thread. */
#ifndef SKEIN_COORDINATOR_DECIDE_FLEET_H
#define SKEIN_COORDINATOR_DECIDE_FLEET_H

#include "coordinator/decide/effects.h"
#include "coordinator/decide/event.h"

struct fleet;

struct fleet *fleet_new(void);
void fleet_free(struct fleet **fleet);

/* Takes the event in and appends what must be done. Before EVENT_LEADING and after EVENT_DEPOSED
 * everything but those two is ignored (operators are told ERR_UNAVAILABLE). */
void fleet_step(struct fleet *fleet, struct event *event, struct effects *effects);

bool fleet_is_leading(const struct fleet *fleet);

/* When fleet_step wants an EVENT_TICK at the latest (monotonic ms). */
uint64_t fleet_next_tick_ms(const struct fleet *fleet);

#endif
