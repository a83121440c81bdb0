/* clone_trial.h - a plan run for real on a copy, and what its statements would do to the tenant.
 *
 * Blocks; used by a worker's thread. What a script does beyond its own database is never committed:
 * a transaction that has written what all databases of the server share is rolled back, and the
 * result has a warning. */
#ifndef SKEIN_AGENT_RUN_CLONE_TRIAL_H
#define SKEIN_AGENT_RUN_CLONE_TRIAL_H

#include "agent/run/task_run.h"
#include "common/model/plan.h"
#include "common/pg/pg_conn.h"

/* A statement works on the whole of a table while writers wait. */
struct clone_finding {
    const char *does;     /* "rewrites", "reads all of", "builds an index of" */
    const char *relation; /* as lint names it */
    const char *lock;     /* "ACCESS EXCLUSIVE" */
    const char *file;
    uint32_t statement;
    uint32_t line;
    uint64_t bytes_per_s; /* how fast that goes, to tell how long it takes */
};

/* Its texts are the task's. */
struct clone_report {
    bool made;    /* else the result says why there was no copy */
    bool passed;  /* the trial went to its end; else the result has what stopped it */
    bool certain; /* what stopped it will do so on every tenant with this schema, whatever is in it
                   */
    struct clone_finding findings[CLONE_FINDINGS_MAX];
    size_t finding_count;
};

struct clone_trial {
    struct task_context *context;
    struct executor_task *task;
    const struct plan *plan;
    const char *schema;   /* "": the tenant is a database */
    struct pg_conn *conn; /* to the copy */
    struct task_result *result;
    struct clone_report *report;
};

/* Fills the report. False: the result says which statement failed. */
MUST_CHECK bool clone_trial_run(const struct clone_trial *trial);

/* The result gets a warning with the code LINT for each finding, with the size of the tenant's own
 * table; the context's link leads to it. */
void clone_trial_tell(const struct clone_trial *trial);

/* One more warning. */
void clone_trial_warn(struct executor_task *task, const char *shard, struct task_result *result,
                      const char *words);

#endif
