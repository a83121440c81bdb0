/* rollback.h - undoing what a rollout did: how far it is, what it takes, what it means for tenants.
 *
 * Pure. A rollback is the same rollout going backwards, in three stages: what is under way is ended
 * and looked up (STOPPING), every tenant is asked what is to be undone and tries it (LOOKING), and
 * only when all of them could, they do it (UNDOING). What a rollout did to a tenant is known from
 * the tenant's journal alone; here it is known that it is to be asked, and what it has answered. */
#ifndef SKEIN_COORDINATOR_DECIDE_ROLLBACK_H
#define SKEIN_COORDINATOR_DECIDE_ROLLBACK_H

#include "coordinator/decide/rollout.h"

struct tenant_task;

/* Its tasks go backwards: LOOKING or UNDOING. */
bool rollback_is_on(const struct rollout *rollout);
/* Nothing of it is under way any more, and that is certain: no agent that is away may come back
 * with it. */
bool rollback_is_stopped(const struct rollout *rollout);
/* What belongs to a step of a rollout that is rolling back, before its state is written. */
void rollback_act(struct step *step, struct rollout *rollout, enum rollout_event on);

/* The newest that moved the tenant's version is this rollout. */
bool rollback_concerns(const struct rollout *rollout, const struct tenant *tenant);
/* The newest that moved it is this rollout's rollback. */
bool rollback_is_done(const struct rollout *rollout, const struct tenant *tenant);
/* The rollback is given up before it came to this tenant, which stays migrated. */
bool rollback_leaves(const struct tenant_task *task);
/* An error of the direction in which the rollout goes now. */
bool rollback_is_about(const struct rollout *rollout, const struct task_error *error);
/* Forgets the errors of the direction in which it goes; those of the way up tell why it was rolled
 * back. */
void rollback_forget_failures(struct step *step, struct rollout *rollout);

/* A tenant's plan: keeps in mind how far down a rollback would have to go, and refuses it
 * (TASK_CODE_ROLLBACK) where a rollback is promised and a script has none. */
void rollback_look_at_plan(struct rollout *rollout, struct plan *plan);
/* A rollout that promises a rollback is refused if a tenant that is known has a script without. */
MUST_CHECK bool rollback_check_start(const struct fleet *fleet, const struct set *set,
                                     const struct rollout_spec *spec,
                                     const struct selector *selector, struct error *err);

/* The operator's button. */
struct operator_request;
MUST_CHECK bool rollback_press(struct step *step, const struct operator_request *request,
                               struct rollout *rollout, struct error *err);

#endif
