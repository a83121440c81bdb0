/* walk_parts.h - what the files of the walk share.
 *
 * Private to walk*.c; on the worker's thread. Each function that returns false has filled
 * walk->report: WALK_BROKEN, unless its caller knows better. */
#ifndef SKEIN_AGENT_RUN_WALK_PARTS_H
#define SKEIN_AGENT_RUN_WALK_PARTS_H

#include "agent/run/runner.h"
#include "agent/run/step_order.h"
#include "agent/run/walk.h"

/* ---- walk_journal.c ---- */

/* Puts the session right (role, path, timeouts; those of the operation's file if there is one) and
 * takes the guard, or takes it once more: something that ran may have let go of it. */
MUST_CHECK bool walk_journal_guard(struct walk *walk, const struct prepared_operation *operation,
                                   bool down);
/* skein.walk_begin: fills `version` and `known`. */
MUST_CHECK bool walk_journal_look(struct walk *walk);
/* Reads `known` again. */
MUST_CHECK bool walk_journal_read(struct walk *walk);
/* One transaction: the operation begins. */
MUST_CHECK bool walk_journal_start(struct walk *walk, const struct runner_call *call);
/* One transaction: the step of one operation, which a runner has performed, ends. */
MUST_CHECK bool walk_journal_end(struct walk *walk, const struct runner_call *call,
                                 const struct step_order *step);
/* One transaction: the migration has failed. `call` is of any of its operations. */
MUST_CHECK bool walk_journal_fail(struct walk *walk, const struct runner_call *call);

/* Sends what is in the batch, with statements tagged by what they are for (enum task_step). */
MUST_CHECK bool walk_journal_send(struct walk *walk, const struct pg_batch_report **ret_answers);
/* BEGIN, and the settings of a transaction. */
void walk_journal_add_begin(struct walk *walk, struct arena *arena);
/* Asks for the rows of `known`, and takes them. */
void walk_journal_add_rows(struct walk *walk, struct arena *arena);
void walk_journal_keep(struct walk *walk, const struct pg_result *rows);

/* ---- walk.c ---- */

/* The last look before a step; a pause after it is for the fence to deal with. False: cancelled,
 * the result says so. */
MUST_CHECK bool walk_may_go_on(struct walk *walk);
/* Adds to the result's hint what the journal keeps of a migration that is half done. */
void walk_name_rest(struct walk *walk, const struct migration *migration);
/* `steps` by `plan` and `known`. */
void walk_make_steps(struct walk *walk);

/* ---- walk_call.c ---- */

/* `row` is the operation's in the journal, or NULL. */
struct runner_call walk_call_make(struct walk *walk, const struct migration *migration,
                                  const struct prepared_operation *operation,
                                  const struct step_known *row, bool down);
/* The task fails with what a runner said. */
void walk_call_refuse(struct walk *walk, const struct runner_call *call,
                      const struct runner_report *report);
/* What a runner said of an interruption becomes walk->report. */
void walk_call_break(struct walk *walk, const struct runner_report *report);
/* Its warnings go to the result; `problem` too if `code` is not TASK_CODE_NONE, as a warning with
 * that code. */
void walk_call_warn(struct walk *walk, const struct runner_call *call,
                    const struct runner_report *report, enum task_code code);
/* The warnings of a step's transaction, and those that are not to be lost of walk->report. */
void walk_call_absorb(struct walk *walk);

/* ---- walk_undo.c ---- */

/* Undoes what is done of a migration, last first, with the rollbacks that there are. What fails is
 * added to the result's warnings with the code ROLLBACK, and stops nothing. False: interrupted. */
MUST_CHECK bool walk_undo(struct walk *walk, const struct migration *migration);
/* Finishes what an earlier try has begun to undo, so that the walk can go up again. False:
 * interrupted, or the rollback fails: *ret_ended says that the result has it. */
MUST_CHECK bool walk_undo_finish(struct walk *walk, bool *ret_ended);

/* ---- walk_rehearsal.c ---- */

/* One piece of the transaction. False: refused, or the connection is lost. */
MUST_CHECK bool walk_rehearse_piece(struct walk *walk, const struct step_order *piece);
/* What such a refusal comes to: WALK_DONE with `blind` where it may only be that the rehearsal has
 * not made what is missed. */
enum walk_end walk_rehearse_refused(struct walk *walk);
/* What the runner of an operation, or of its rollback, says of it. */
enum walk_end walk_rehearse_runner(struct walk *walk, const struct migration *migration,
                                   const struct prepared_operation *operation, bool down);

/* ---- walk_rehearsal_back.c ---- */

/* Inside the dry run's transaction, before its way up: up and down, as far as that can be. Leaves
 * the transaction as it was. WALK_ENDED: the way down does not lead back. */
enum walk_end walk_rehearse_back(struct walk *walk);

/* ---- walk_unwind_journal.c ---- */

/* One transaction: skein.unwind_begin. Fills `version`, `start` and `known`, and makes the plan. In
 * a dry run the transaction stays open. *ret_ended: the result says that it cannot be undone. */
MUST_CHECK bool walk_unwind_look(struct walk *walk, bool *ret_ended);
/* One transaction: the operation's migration becomes half done, and the version that below it. */
MUST_CHECK bool walk_unwind_open(struct walk *walk, const struct unwind_operation *operation);
/* One transaction: what a runner has undone is. */
MUST_CHECK bool walk_unwind_end(struct walk *walk, const struct unwind_operation *operation,
                                const char *note);
/* One transaction: the rollout is undone here. */
MUST_CHECK bool walk_unwind_finish(struct walk *walk);

#endif
