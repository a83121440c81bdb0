/* task_batch.h - one task as one pipeline: its transaction, then a clean session.
 *
 * Blocks; used by a worker's thread. One round trip, whatever comes of it (and one more where
 * repeatable scripts have changed, which asks for those that have to run):
 *   BEGIN, skein.task_begin, every statement of every script, skein.task_end
 *   COMMIT (of a failed transaction: it rolls back and says so), or ROLLBACK in a dry run
 *   what DISCARD ALL would do, so that nothing of this tenant reaches the next one
 * Or, for a walk, as one step of several: a transaction, or a piece of one, without the cleaning.
 */
#ifndef SKEIN_AGENT_RUN_TASK_BATCH_H
#define SKEIN_AGENT_RUN_TASK_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "agent/run/measure_log.h"
#include "agent/run/task_undo.h"
#include "agent/run/step_order.h"
#include "common/model/plan.h"
#include "common/pg/pg_batch.h"

struct task_order {
    const struct executor_options *options;
    const struct executor_task *task;
    const struct plan *plan; /* count 0 for a baseline */
    bool asynchronous;       /* commit without waiting for the WAL: a barrier comes later */
    /* Instead of the task: raise the fence above every try so far, and ask what the journal says.
     * Always so in the mode TASK_SETTLE. */
    bool settle;
    const struct task_undo *undo;  /* of a rollback, else NULL */
    bool runs_hooks;               /* the set's hooks of a tenant, around the whole plan */
    struct measure_log *log;       /* of a dry run that is measured, else NULL */
    bool half_done;                /* of a look: its plan is a walk's, which may have begun */
    const struct step_order *step; /* instead of the whole plan; NULL: the whole plan */
};

enum task_step {
    TASK_STEP_BEGIN,   /* skein.task_begin and what stands before it */
    TASK_STEP_CHANGED, /* skein.repeatables_changed */
    TASK_STEP_SETTLE,  /* skein.task_settle */
    TASK_STEP_LOOK,    /* the fingerprint of the tenant's schema */
    TASK_STEP_SCRIPT,  /* a statement of a script */
    TASK_STEP_FOUND,   /* another tool's table is read */
    TASK_STEP_LEDGER,  /* it is written, or made ready for that */
    TASK_STEP_END,     /* deferred constraints, skein.task_end */
    TASK_STEP_COMMIT,  /* COMMIT or ROLLBACK */
    TASK_STEP_CLEAN,
};

/* A WARNING that a statement of a script caused. */
struct task_warning {
    const struct prepared_operation *operation;
    const struct sql_statement *statement;
    bool down;
    char sqlstate[6];
    char message[WARNING_BYTES_MAX];
};

struct task_outcome_report {
    bool failed; /* the server refused something up to COMMIT */
    enum task_step failed_step;
    const struct prepared_operation *operation; /* TASK_STEP_SCRIPT only */
    const struct sql_statement *statement;      /* the same */
    bool down;                                  /* of its `.down` */
    struct pg_error error;                      /* of `failed`, or of `lost` */
    bool lost;         /* the connection broke before every answer was there */
    bool end_answered; /* COMMIT or ROLLBACK was answered without an error */
    bool committed;    /* with the tag COMMIT: that of a failed transaction says ROLLBACK */
    bool clean;        /* the connection may be used again */
    /* What skein.task_settle found; holds if `committed`. "" for none. */
    char settled_version[TEXT_BYTES_MAX];
    char settled_rollout[NAME_BYTES_MAX + 1];
    char found_version[SEMVER_BYTES_MAX + 1]; /* what another tool's table told; "" for none */
    struct task_warning warnings[WARNINGS_PER_TRY_MAX];
    size_t warning_count;
    size_t repeated; /* repeatable scripts that were run */
    uint64_t stamp;  /* of a dry run: of the tenant's schema before it; 0: not known */
    char fingerprint[FINGERPRINT_BYTES]; /* of a look; "" for none */
};

/* Of a step only the connection's being clean is not looked at: see task_clean. */
void task_batch_run(struct pg_conn *conn, struct pg_batch *batch, const struct task_order *order,
                    struct task_outcome_report *ret_report);

#endif
