/* task_looks.h - the statements between a dry run's own by which it is measured.
 *
 * Private to the files of task_batch; on the worker's thread. They travel in the same round trip.
 * All do nothing where the order has no log (whatever is no dry run). */
#ifndef SKEIN_AGENT_RUN_TASK_LOOKS_H
#define SKEIN_AGENT_RUN_TASK_LOOKS_H

#include "agent/run/task_piece.h"

/* Before the transaction: the session's counts of scans begin at zero (from PostgreSQL 15 on;
 * before, those of an earlier task that has just ended on the same table may be in them). */
void task_looks_fresh(struct task_batch *b);
/* Behind the first words of the transaction: nothing of an earlier try counts. */
void task_looks_begin(struct task_batch *b);
/* What lies between two bounds is one transaction of the real run. */
void task_looks_bound(struct task_batch *b);
/* Before the file's first statement: what cannot be measured together with it is looked at. */
void task_looks_before(struct task_batch *b, const struct prepared_file *file);
/* Behind the file's statement `index`. Not between two plain inserts, which nobody waits for; nor
 * where the script has changed settings or roles, under which a look might fail. */
void task_looks_after(struct task_batch *b, const struct task_tag *statement,
                      const struct prepared_file *file, size_t index);
/* Behind all of the file and its settings: what was left out above. */
void task_looks_behind(struct task_batch *b, const struct prepared_operation *operation, bool down);
/* What follows is a repetition of what has been looked at. */
void task_looks_end(struct task_batch *b);

/* Takes the answers. */
void task_looks_absorb(struct task_batch *b, const struct pg_batch_report *answers);

#endif
