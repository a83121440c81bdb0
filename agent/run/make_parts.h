/* make_parts.h - what the files of the making of a tenant share.
 *
 * Private to task_make.c and make_*.c; on the worker's thread. What returns false, or MAKE_ENDED,
 * has said in the result why. */
#ifndef SKEIN_AGENT_RUN_MAKE_PARTS_H
#define SKEIN_AGENT_RUN_MAKE_PARTS_H

#include <stdbool.h>

#include "agent/run/make_side.h"

enum { MAKE_PARAMETERS = 5 };

struct task_make {
    struct task_context *context;
    const struct executor_turn *turn;
    struct executor_task *task;
    struct task_result *result;
    struct make_side home;
    struct make_side tenant; /* the same database where tenants are schemas */
    const char *parameters[MAKE_PARAMETERS];
    bool begun;   /* the journal has it as being made, by us */
    bool already; /* this rollout has done it */
};

/* ---- make_begin.c ---- */

/* Whether it can be done at all; nothing has been touched yet. */
MUST_CHECK bool make_begin_check(struct task_make *m);
/* The lease holds, and nobody has cancelled it. */
MUST_CHECK bool make_begin_may(struct task_make *m);
/* The tenant is there, empty or as far as an earlier try has come. False with `already`: this
 * rollout has made it. */
MUST_CHECK bool make_begin_run(struct task_make *m);

/* ---- make_end.c ---- */

/* Shows what is whole, removes what is not. */
void make_end_finish(struct task_make *m, bool filled);
/* Removes what is not whole. A failure of that does not take the place of the one that led here. */
void make_end_remove(struct task_make *m);
/* Whoever has the tenant now sees to it: another try of this rollout, or what settles it. */
bool make_end_is_left(const struct task_make *m);
/* A database that is half made goes; nobody but what is left of its making can be connected. */
enum make_end make_end_raze(struct task_make *m);
/* Nobody of us may be connected to it. */
void make_end_leave(struct task_make *m);
/* The statement, which takes no parameters. */
const char *make_end_drop_words(const struct task_make *m, bool force);
/* There is no tenant of this name any more. */
enum make_end make_end_gone(struct task_make *m);

/* ---- make_undo.c ---- */

/* Before a tenant that has failed is removed: what complete migrations have done elsewhere (in a
 * control database, by programs) is undone by their rollbacks, where all have one. Returns a
 * sentence on what stays, or "". */
const char *make_undo_run(struct task_make *m);

/* ---- make_drop.c ---- */

/* A database that is a tenant is dropped. */
void make_drop_run(struct task_make *m);
/* A SETTLE of a rollout that makes or drops a tenant. */
void make_drop_settle(struct task_make *m);

#endif
