/* runner_step.h - a transaction of a runner's own: one of its walk's, so that it counts once.
 *
 * Used by the worker's thread, on the call's connection. The statements are added to a pg_batch;
 * what the runner does stands between them, in the same round trip or in further ones:
 *
 *   runner_step_add_begin      BEGIN; locks the tenant's row, checks that no later token wrote to
 *                              it (SK002) and that the version is still call->from (SK003)
 *   ...                        the runner's statements
 *   runner_step_add_position   stores how far the operation is, in the same transaction
 *   runner_step_add_commit     COMMIT
 *
 * If any of it fails the transaction is aborted: COMMIT then answers ROLLBACK (put it in a segment
 * of its own, with pg_batch_end_segment before it, or send ROLLBACK). If the answer to COMMIT is
 * lost, fail with `interrupted`: the next try is given the position that counts. */
#ifndef SKEIN_AGENT_RUN_RUNNER_STEP_H
#define SKEIN_AGENT_RUN_RUNNER_STEP_H

#include <stddef.h>

#include "agent/run/runner.h"

/* Parameters live in `arena`, which has to live until the batch has run. `tag` as in pg_batch_add;
 * each adds one or two statements with it. */
void runner_step_add_begin(const struct runner_call *call, struct arena *arena,
                           struct pg_batch *batch, size_t tag);
/* `position` is a JSON text of the runner's own shape, copied. */
void runner_step_add_position(const struct runner_call *call, struct arena *arena,
                              struct pg_batch *batch, const char *position, size_t tag);
void runner_step_add_commit(struct pg_batch *batch, size_t tag);

/* The three of them with nothing between: stores a position alone, durably. False as runner_fail_pg
 * says. */
MUST_CHECK bool runner_step_store(const struct runner_call *call, const char *position,
                                  struct runner_report *report);

#endif
