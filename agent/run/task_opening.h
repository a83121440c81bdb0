/* task_opening.h - the first words of a task's transaction: skein.task_begin and what belongs to
 * it.
 *
 * Private to task_batch.c and task_piece.c; on the worker's thread. A dry run takes the stamp of
 * the tenant's schema in the same statement, and a run compares it (SK040): neither costs a round
 * trip, and both stand behind the lock of the tenant's row. */
#ifndef SKEIN_AGENT_RUN_TASK_OPENING_H
#define SKEIN_AGENT_RUN_TASK_OPENING_H

#include "agent/run/task_piece.h"
#include "common/pg/pg_batch.h"

/* BEGIN, what makes or adopts the tenant, and skein.task_begin (or skein.undo_begin). */
void task_opening_add(struct task_batch *b);
/* Behind it, instead of scripts: the fingerprint of the tenant's schema. */
void task_opening_add_look(struct task_batch *b);
/* What a statement with the tag `stamps` has answered. */
uint64_t task_opening_stamp(const struct task_batch *b, const struct pg_result *rows);

#endif
