/* walk.h - a task of several transactions, because something in it cannot run in one.
 *
 * Blocks; used by a worker's thread. The walk holds the guard (skein.walk_guard) on its connection
 * and performs the plan step by step (step_plan). Whatever happens between two statements, the
 * journal says where the walk is: a further try, of this agent or of another one, of this rollout
 * or of a later one, goes on from there. So no try needs to know how the one before it ended. */
#ifndef SKEIN_AGENT_RUN_WALK_H
#define SKEIN_AGENT_RUN_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/run/runners.h"
#include "agent/run/step_plan.h"
#include "agent/run/task_batch.h"
#include "agent/run/task_run.h"
#include "agent/run/unwind_plan.h"

enum { WALK_UNMADE_MAX = 16 };

enum walk_end {
    WALK_DONE,   /* every step is done, and durable (or rehearsed) */
    WALK_ENDED,  /* the result says why not, and what has been undone */
    WALK_BROKEN, /* `report` says why: refused at its beginning, an accident, a lost connection */
};

struct walk {
    struct task_context *context;
    struct executor_task *task;
    struct task_result *result;
    const struct runner_table *runners;
    const char *version; /* where the tenant is, as far as is known: the last complete migration */
    uint64_t stamp;      /* of a rehearsal: see task_outcome_report */
    bool looked;         /* this try has the guard, and knows what the journal says */
    size_t repeated;     /* repeatable scripts that ran behind it */
    bool advanced;       /* this try has got further than the one before */
    struct measure_log *log;           /* of a rehearsal */
    struct task_outcome_report report; /* what the server said last */

    /* Private to walk*.c. */
    struct plan plan; /* from `version` on */
    struct step_plan steps;
    struct unwind_plan unwind; /* going down: instead of the two above */
    const char *start;         /* the version that it goes down to */
    struct step_known *known;  /* the journal's rows of the set's operations */
    size_t known_count;
    bool begun; /* this rollout has moved the tenant's version already */
    size_t warning_capacity;
    uint64_t progress_ms;                /* when progress was logged last */
    const char *unmade[WALK_UNMADE_MAX]; /* what a rehearsal has left out */
    size_t unmade_count;
    const char *hidden; /* the last program that it has not run, or NULL */
    bool partial;       /* a rehearsal has changed a part of the data */
    bool blind;         /* it can say no more: a warning says why */
};

/* One try. The connection is open; it is clean afterwards if report.clean. */
enum walk_end walk_run(struct walk *walk);
/* The same for a dry run: one transaction, rolled back. */
enum walk_end walk_rehearse(struct walk *walk);
/* The same for a task of the mode ROLLBACK: down, by what the journal says of its rollout; and for
 * one of the mode ROLLBACK_DRY_RUN. */
enum walk_end walk_unwind(struct walk *walk);
enum walk_end walk_unwind_rehearse(struct walk *walk);

#endif
