/* reference.h - the reference tenant of a rollout's set: it is looked at first and migrated last.
 *
 * Pure. A set may name the tenant that new ones are copied from (`reference:` in skein.yaml). Where
 * a rollout selects it, no other tenant is asked for its dry run before the reference has passed
 * its own, and if it fails nobody else is asked. It is migrated when every other tenant of the
 * rollout is there; if one is not it is left where it was (OTHERS_BEHIND), so that no new tenant is
 * ever ahead of those that exist. On the way back it is a tenant like any other. A rollout that
 * selects other tenants alone leaves it alone, too.
 */
#ifndef SKEIN_COORDINATOR_DECIDE_REFERENCE_H
#define SKEIN_COORDINATOR_DECIDE_REFERENCE_H

#include "common/model/selector.h"
#include "coordinator/decide/rollout.h"

/* It is the reference of what this rollout does. */
bool reference_is(const struct rollout *rollout, const struct shard *shard, const char *tenant);
/* ERR_REFUSED when the set has one that the selector selects, and it is known not to exist. */
MUST_CHECK bool reference_check_exists(const struct fleet *fleet, const struct set *set,
                                       const struct selector *selector, struct error *err);
/* Others have to wait with their dry runs. */
bool reference_holds_others(const struct rollout *rollout);
/* It has failed before anybody else was asked. */
bool reference_stops_dry_run(const struct rollout *rollout);
/* A reference that waits may be handed out now. */
bool reference_may_go(const struct rollout *rollout);
/* Call whenever the rollout's numbers have changed: hands out what it held back, and gives it up
 * when others are behind. */
void reference_step(struct step *step, struct rollout *rollout);
/* All tenants are known: says so if it is not among them. */
void reference_warn_missing(struct step *step, struct rollout *rollout);

#endif
