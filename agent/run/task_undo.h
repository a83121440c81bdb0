/* task_undo.h - what a task of the mode ROLLBACK has to undo, by the tenant's journal.
 *
 * Blocks; used by a worker's thread. The journal is read before the task's transaction begins, so
 * that all of its statements can travel together; skein.undo_begin makes sure, behind the tenant's
 * locks, that it still is so. Texts live in the task's arena. */
#ifndef SKEIN_AGENT_RUN_TASK_UNDO_H
#define SKEIN_AGENT_RUN_TASK_UNDO_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "agent/run/unwind_plan.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/pg/pg_conn.h"

struct task_undo {
    bool is_mine;               /* there is something to undo; else skein.undo_begin says why not */
    const char *from;           /* the tenant's version; "" for none */
    const char *start;          /* the one to go back to */
    const size_t *migrations;   /* indexes in the set, newest first */
    size_t count;               /* 0: only the version moves */
    const char *const *scripts; /* their names */
    struct unwind_plan plan;    /* the same, operation by operation */
    bool walks; /* it takes more than one transaction, or something is half done here */
};

/* False with the server's words, or with `err` alone: a script that cannot be undone. */
MUST_CHECK bool task_undo_read(struct pg_conn *conn, const struct executor_options *options,
                               struct executor_task *task, struct task_undo *ret_undo,
                               struct pg_error *ret_words, struct error *err);
/* Whether the journal says that this rollout is undone, and the tenant's version. */
MUST_CHECK bool task_undo_is_done(struct pg_conn *conn, struct executor_task *task, bool *ret_done,
                                  const char **ret_version, struct error *err);

/* The parameters of skein.undo_end behind the token: history rows of the direction `down`. */
struct task_undo_rows {
    const char *scripts;
    const char *versions;
    const char *checksums;
};
void task_undo_history(struct arena *arena, const struct executor_task *task,
                       const struct task_undo *undo, struct task_undo_rows *ret_rows);

#endif
