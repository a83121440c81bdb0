/* outcome.h - what agents' answers, and their absence, mean for tasks.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_OUTCOME_H
#define SKEIN_COORDINATOR_DECIDE_OUTCOME_H

#include "coordinator/decide/session.h"

/* Results of any stream of the shard: they are facts about databases, whoever has a session now;
 * tokens tell which of them still count. Acknowledged when what follows is durable. */
void outcome_on_results(struct step *step, struct agent_link *link,
                        const struct task_results *results);
/* The agent of a living session is back and says what it works on: what it does not name was never
 * received, or its answer is on the way. */
void outcome_reconcile(struct step *step, struct shard *shard, const struct running_task *running,
                       size_t count);
/* The session with this lease has ended, and the locks of the lease with it. */
void outcome_lose_session(struct step *step, struct shard *shard, int64_t lease_id);

#endif
