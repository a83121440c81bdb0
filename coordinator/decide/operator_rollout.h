/* operator_rollout.h - the operator's verbs on rollouts.
 *
 * Pure. On success each has written what it changed; the caller answers. */
#ifndef SKEIN_COORDINATOR_DECIDE_OPERATOR_ROLLOUT_H
#define SKEIN_COORDINATOR_DECIDE_OPERATOR_ROLLOUT_H

#include "coordinator/decide/rollout.h"

/* By id or an unambiguous beginning of it. */
struct rollout *operator_rollout_find(const struct fleet *fleet, const char *id, struct error *err);

/* `ret_rollout` is the new one, or the one that this very request made before. */
MUST_CHECK bool operator_rollout_start(struct step *step, const struct operator_request *request,
                                       struct rollout **ret_rollout, struct error *err);
MUST_CHECK bool operator_rollout_pause(struct step *step, const struct operator_request *request,
                                       struct rollout *rollout, struct error *err);
MUST_CHECK bool operator_rollout_resume(struct step *step, const struct operator_request *request,
                                        struct rollout *rollout, struct error *err);
MUST_CHECK bool operator_rollout_abort(struct step *step, const struct operator_request *request,
                                       struct rollout *rollout, struct error *err);
MUST_CHECK bool operator_rollout_retry(struct step *step, const struct operator_request *request,
                                       struct rollout *rollout, struct error *err);

#endif
