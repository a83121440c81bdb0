/* tenant_plan.h - what a rollout has to do with a tenant, by the newest known version of it.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_TENANT_PLAN_H
#define SKEIN_COORDINATOR_DECIDE_TENANT_PLAN_H

#include "coordinator/decide/rollout.h"

/* What a task is first given out for. */
enum task_mode tenant_plan_first_mode(const struct rollout *rollout);
/* The journal says that the rollout has migrated it. */
bool tenant_plan_is_migrated(const struct rollout *rollout, const struct tenant *tenant);
/* The journal says that the rollout has done what it is about now: up, or back. */
bool tenant_plan_is_done(const struct rollout *rollout, const struct tenant *tenant);
/* From where its plan begins; borrows from both. */
struct plan_start tenant_plan_start(const struct rollout_spec *spec, const struct tenant *tenant);
/* The plan of a tenant; borrowed from the rollout until the next call: neighbours mostly have the
 * same, so the last one is kept. */
const struct plan *tenant_plan_of(struct rollout *rollout, const struct tenant *tenant);

#endif
