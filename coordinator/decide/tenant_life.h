/* tenant_life.h - rollouts that make or drop one tenant: what is particular about them.
 *
 * Pure. They are rollouts like any other, so that they have an id, a report, locks, tokens, a
 * journal that says what became of them, and go on through a change of leader. They have no dry
 * run, and their one task exists whether or not its tenant does. */
#ifndef SKEIN_COORDINATOR_DECIDE_TENANT_LIFE_H
#define SKEIN_COORDINATOR_DECIDE_TENANT_LIFE_H

#include "common/model/plan.h"
#include "coordinator/decide/fleet_state.h"

struct part;
struct rollout;
struct tenant;

/* Makes or drops a tenant. */
bool tenant_life_is(const struct rollout *rollout);
/* The guards before such a rollout starts; fills in its set and selector. True for other kinds. */
MUST_CHECK bool tenant_life_start(struct step *step, struct rollout_spec *spec, struct error *err);
/* The tenant gets its task, if this part is its shard's. */
void tenant_life_expect(struct step *step, struct part *part);
/* What is to be done: nothing but its task, or the code says why not. */
void tenant_life_plan(const struct tenant *tenant, const struct rollout *rollout,
                      struct plan *ret_plan);
/* The name of the tenant that is copied; "" for none. */
const char *tenant_life_source(const struct rollout *rollout);

#endif
