/* overlap.h - one active rollout per set and tenant.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_OVERLAP_H
#define SKEIN_COORDINATOR_DECIDE_OVERLAP_H

#include "coordinator/decide/rollout.h"

/* ERR_CONFLICT names the active rollout of the set that is in the way of this selector, and where.
 * On a shard whose tenants are not known now, selectors that may both reach it are in each other's
 * way. `self` (may be NULL) is no obstacle to itself. */
MUST_CHECK bool overlap_check(const struct fleet *fleet, const char *set,
                              const struct selector *selector, const struct rollout *self,
                              struct error *err);

#endif
