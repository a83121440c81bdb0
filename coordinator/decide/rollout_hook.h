/* rollout_hook.h - hooks of a rollout: what its set wants done once, before the first tenant is
 * changed and when all of them are there.
 *
 * Pure. A hook runs in the set's control database, by the agent next to it, in one transaction with
 * a row that names the rollout. So it is asked for until there is an answer, by whoever leads, and
 * takes effect once. That it was asked for is durable before it is: an abort that no answer can be
 * had for says that it is not known. Before the barrier `before_rollout` is rehearsed. */
#ifndef SKEIN_COORDINATOR_DECIDE_ROLLOUT_HOOK_H
#define SKEIN_COORDINATOR_DECIDE_ROLLOUT_HOOK_H

#include "coordinator/decide/session.h"

struct rollout;

/* Runs wait for `before_rollout`. */
bool rollout_hook_holds_runs(const struct rollout *rollout);
/* It has failed, which is not dealt with yet: nothing more is handed out. */
bool rollout_hook_has_failed(const struct rollout *rollout);
/* The one that is under way, as operators see it; NULL for none. Its trouble goes to `ret_trouble`:
 * "" for none; its shard, where no agent works there, to `ret_offline`, else "". */
const char *rollout_hook_awaited(const struct fleet *fleet, const struct rollout *rollout,
                                 const char **ret_trouble, const char **ret_offline);

/* Asks for what is due in this phase. */
void rollout_hook_check(struct step *step, struct rollout *rollout);
/* Every task of the phase is done. True: what follows waits for a hook, which is asked for. */
bool rollout_hook_is_behind(struct step *step, struct rollout *rollout);
/* Asks again for what nobody has answered. */
void rollout_hook_on_tick(struct step *step, struct rollout *rollout);
void rollout_hook_on_done(struct step *step, const struct agent_link *link,
                          const struct control_done *done);

/* An answer may still come, from an agent that works. */
bool rollout_hook_is_under_way(const struct rollout *rollout);
/* An operator wants it to go on: what has failed is tried again. */
void rollout_hook_forgive(struct rollout *rollout);
/* Nobody waits for an answer any more. What was asked for is named as not known. */
void rollout_hook_give_up(struct step *step, struct rollout *rollout);

#endif
