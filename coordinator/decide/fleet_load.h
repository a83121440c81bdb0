/* fleet_load.h - what a new leader makes of the store.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_FLEET_LOAD_H
#define SKEIN_COORDINATOR_DECIDE_FLEET_LOAD_H

#include "coordinator/decide/fleet_state.h"

/* Into an empty fleet, which leads afterwards. Takes the sets over. Living sessions get a lease's
 * time to come back; unfinished rollouts go on when their shards have reported. */
void fleet_load(struct step *step, struct loaded *loaded);

#endif
