/* runner.h - one kind of operation: how it is set up, run, undone and rehearsed.
 *
 * A walk (task_walk) calls a runner on the worker's thread for each operation that is not part of
 * one of the walk's own transactions. The connection has no transaction open; it is guarded: for
 * the whole walk it holds the tenant's advisory locks, so no other task works on the tenant, and
 * nothing of an earlier try still runs when this one begins. The role, search_path (the tenant's
 * schema), statement_timeout and lock_timeout of the session are the task's.
 *
 * The order, for each operation of a migration: setup, execute. If either fails, rollback is
 * called on that operation and then on those before it in the same migration, last first; of an
 * operation without a `.down` it is not called.
 *
 * What if the agent dies, or the answer is lost? The walk has written the operation down as
 * `started` before setup, and as `done` after execute. A later try calls the runner again with
 * `started_before`, and with the last `position` that the runner has stored: it finds out how far
 * the one before came, and goes on from there. A runner that changes the database in transactions
 * of its own stores its position in each of them (runner_step.h), so that each counts once. */
#ifndef SKEIN_AGENT_RUN_RUNNER_H
#define SKEIN_AGENT_RUN_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/check/prepared_set.h"
#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/limits.h"
#include "common/model/set.h"
#include "common/pg/pg_batch.h"
#include "common/pg/pg_conn.h"

struct runner_call {
    const struct executor_options *options;
    const struct executor_task *task;
    const struct migration *migration;
    const struct prepared_operation *operation;
    const char *from;     /* the tenant's version now: that of the last complete migration; "" */
    bool down;            /* undoing: the operation's `.down` */
    bool started_before;  /* an earlier try got as far as setup, at least */
    const char *position; /* the JSON that it stored last in this direction; "" for none */
    const char *rollout;  /* in which it was begun: the task's, or an earlier one */
    const char *done;     /* undoing: what it had stored last when it was done; "" for none */
    struct pg_conn *conn;
    struct pg_batch *batch; /* of `conn`, for the runner's use */
    struct arena *arena;    /* the report's texts go here; lives as long as the task's result */

    /* Whoever waits for something else than the database asks every RUNNER_CANCEL_POLL_MS at least
     * (a statement on `conn` is cancelled from outside, and fails with 57014). */
    bool (*is_cancelled)(void *context);
    /* Why a statement on `conn` was cancelled from outside: CANCELLED, YIELDED (it was in the
     * application's way, and will be tried again), or NONE: it was not. */
    enum task_code (*why)(void *context);
    /* What runs from now on is not stopped for the application's sake, or may be again. */
    void (*insist)(void *context, bool insists);
    /* For whom the operation does not begin, though it has asked for no lock yet: it fails with
     * LOCK_TIMEOUT then, and rests until `blocker` (watch_look.h) has ended. NULL: nobody asks. */
    void (*blocked)(void *context, const char *words, const char *blocker);
    /* Until when the agent may work on the tenant, by the monotonic clock; later when the lease has
     * been extended. NULL: without an end. For what would go on by itself if the agent stood still:
     * statements on `conn` are for the fence to stop. */
    uint64_t (*lease_until)(void *context);
    /* Waits so long; false as soon as the task is cancelled. */
    bool (*pause)(void *context, uint64_t milliseconds);
    /* For whoever watches the task: `words` is one phrase, `total` 0 where it is not known. Cheap;
     * may be called as often as there is something new. */
    void (*progress)(void *context, uint64_t done, uint64_t total, const char *words);
    void *context;
};

/* Why something failed, or what there is to warn of. Texts are in the call's arena; NULL is "". */
struct runner_problem {
    enum task_code code; /* TASK_CODE_NONE: TASK_CODE_RUNNER is meant */
    const char *sqlstate;
    const char *message; /* one sentence */
    const char *detail;
    const char *hint;
    const char *file; /* NULL: the operation's own */
    uint32_t statement;
    uint32_t line;
};

struct runner_report {
    struct runner_problem problem; /* of a function that has returned false */
    /* The connection broke, or the server threw us out for reasons of its own: what became of it is
     * not known. Nothing is rolled back; the walk looks again on a new connection and calls the
     * runner again, with started_before. */
    bool interrupted;
    struct runner_problem warnings[WARNINGS_PER_TRY_MAX];
    size_t warning_count;
    /* Of a dry run: the name of something that the operation makes, and that was not made for the
     * rehearsal. SQL that stumbles over its absence says nothing about the migration. */
    const char *unmade;
    /* The same of something that nobody can look into: a program. Whatever it may make is missing
     * to the SQL behind it. */
    const char *hidden;
    /* Of a dry run: only a part of the data was changed. SQL that finds the rest of it unfit says
     * nothing about the migration. */
    bool partial;
    const char *output; /* what it has printed, bounded by RUNNER_OUTPUT_BYTES_MAX; NULL: nothing */
};

/* Each function blocks, and returns false with the reason in the report (zeroed by the caller). A
 * function that is NULL succeeds at once; `execute` is not NULL. Stateless: any number of workers
 * call them at the same time. */
typedef bool runner_function(const struct runner_call *call, struct runner_report *report);

struct runner {
    enum operation_kind kind;
    /* Before anything of the task begins, without a database: `conn` is NULL. */
    runner_function *check;
    runner_function *setup; /* may refuse before anything is done */
    runner_function *execute;
    /* `call->down` is set. Of the kind of the `.down` file, whatever the kind of the operation. It
     * undoes also what was only half done, and nothing where nothing was done. */
    runner_function *rollback;
    bool undoes_alone; /* rollback works without a `.down` file: it is called in any case */
    /* Inside a transaction that is rolled back, after all transactional SQL of the plan that stands
     * before the operation: looks, explains, prepares; changes nothing that outlives it. */
    runner_function *dry_run;
};

/* False, with the server's words and code (LOCK_TIMEOUT, CANCELLED, SQL, ...), or `interrupted`
 * where the connection is lost or it was an accident of the server's. */
bool runner_fail_pg(const struct runner_call *call, const struct pg_error *error,
                    struct runner_report *report);
/* The same with a sentence of one's own. */
bool runner_fail(const struct runner_call *call, struct runner_report *report, enum task_code code,
                 const char *format, ...) PRINTF(4, 5);
void runner_warn(const struct runner_call *call, struct runner_report *report, enum task_code code,
                 const char *format, ...) PRINTF(4, 5);

#endif
