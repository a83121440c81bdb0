/* task_verdict.h - what the answers to one try of a task mean.
 *
 * Pure. */
#ifndef SKEIN_AGENT_RUN_TASK_VERDICT_H
#define SKEIN_AGENT_RUN_TASK_VERDICT_H

#include <stdbool.h>

#include "agent/run/task_batch.h"

enum task_verdict {
    TASK_VERDICT_DONE,      /* committed, or the dry run passed */
    TASK_VERDICT_ALREADY,   /* an earlier try of this rollout committed */
    TASK_VERDICT_REFUSED,   /* the server said no: rolled back */
    TASK_VERDICT_AGAIN,     /* rolled back by an accident: another try may do better */
    TASK_VERDICT_UNCERTAIN, /* COMMIT was perhaps sent, and not answered */
    TASK_VERDICT_NO_JOURNAL,
    TASK_VERDICT_WALK, /* a migration is half done here: that is not for one transaction */
};

/* `settles`: the task only asked what the journal says. */
enum task_verdict task_verdict_of(enum task_mode mode, bool settles,
                                  const struct task_outcome_report *report);

#endif
