/* overtaken.h - tenants that another rollout has moved since this one did.
 *
 * Pure. A rollout that has ended may be opened again by a retry, months later, and a tenant's
 * journal names only who has moved it last. What this rollout has migrated stays migrated by it in
 * its report: a shard's numbers say how many that were, and the journals how many of them others
 * have moved on since. Which ones is known only as far as it matters: those that are not to be
 * touched again. */
#ifndef SKEIN_COORDINATOR_DECIDE_OVERTAKEN_H
#define SKEIN_COORDINATOR_DECIDE_OVERTAKEN_H

#include "coordinator/decide/rollout.h"

/* A younger rollout was the last to move the tenant: it knew more than this one. */
bool overtaken_is(const struct fleet *fleet, const struct rollout *rollout,
                  const struct tenant *tenant);
/* An ended rollout is about to be opened again: its shards' numbers are those it was told with. */
void overtaken_expect(struct rollout *rollout);
/* A part was planned, and counts what the journals say: adds what it had migrated before. */
void overtaken_count(struct step *step, struct part *part);

#endif
