/* executor.h - the agent's pool of workers: tasks in, results out.
 *
 * The brain thread submits and cancels; each worker is a thread with one connection, which blocks
 * on libpq on purpose. Results come back on worker threads through `on_result`, only when they are
 * durable (see `commit_group`). The executor keeps nothing on disk. */
#ifndef SKEIN_AGENT_RUN_EXECUTOR_H
#define SKEIN_AGENT_RUN_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/check/prepared_set.h"
#include "agent/decide/patience.h"
#include "agent/keep/tenants.h"
#include "agent/run/tenant_register.h"
#include "common/core/arena.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/model/message.h"

struct control_client;
struct executor;
struct runner_table;
struct size_guard;

struct executor_task {
    struct arena arena; /* owns the texts below; the executor owns the task after submit */
    const char *rollout;
    enum task_mode mode;
    const char *tenant;
    const char *from; /* "" for none */
    const char *target;
    const char *baseline; /* an unmanaged tenant's: recorded first; "" for none */
    uint64_t repeatables; /* digest of what the tenant has, as the plan knows it */
    uint64_t token;
    uint64_t lock_timeout_ms;      /* of this try */
    uint64_t lock_timeout_full_ms; /* as it was asked for */
    uint64_t lock_budget_ms;       /* how long it may be in others' way; 0: the agent's own */
    bool rehearse_rollback;        /* a dry run goes up, down and up again */
    uint64_t size_limit_bytes;     /* of a dry run, see rollout_spec; 0: the agent's own */
    bool allow_large;
    enum dry_run_step dry_run_step;
    uint64_t stamp;           /* RUN: of the schema at the dry run; 0: it is not compared */
    const char *source;       /* CREATE: the tenant that is copied; "" for none */
    const char *from_ledger;  /* of a baseline: whose table tells the version; "": `target` is it */
    enum rollout_kind kind;   /* what the rollout is about: a SETTLE of it, too */
    struct labels labels;     /* CREATE: of the new tenant's own */
    bool force;               /* DROP: whoever is connected to it is sent away */
    bool staged;              /* CREATE: in what is there already, and empty (task_make) */
    struct prepared_set *set; /* one reference, released with the task */
    uint64_t patience_ms;     /* how long it is tried again; 0: not at all */
    /* Of one that was tried and did not get through (executor_rest). */
    struct patience patience;
    const char *waits_for; /* NULL: it was not tried yet */
    const char *blocker;   /* whose transaction it waits for (watch_look.h); NULL, "": not known */
    uint64_t gives_up_ms;  /* then it is tried for the last time */
    struct task_result *last;
};

/* Copies the texts, takes a reference to the set. */
struct executor_task *executor_task_new(const struct task_assignment *assignment,
                                        const struct task_item *item, struct prepared_set *set);
/* Frees the task, its arena and its reference. The struct itself is from memory_alloc. */
void executor_task_free(struct executor_task **task);

/* How the agent keeps out of the application's way; see watcher.h. */
struct executor_watch {
    bool enabled; /* false: nothing is looked at, and all workers work */
    uint32_t yield_sessions;
    uint64_t yield_after_ms;
    uint64_t old_ms;           /* transactions of this age make the tries on their tables short */
    uint64_t lag_max_ms;       /* of a standby; 0: any */
    uint64_t disk_min_percent; /* free; 0: none is needed */
    uint64_t connections_min;  /* free */
    uint64_t active_max;       /* sessions at work, with more of them fewer workers; 0: any */
};

struct executor_options {
    const char *conninfo;
    const char *shard;
    const char *agent;  /* its id, for the history rows */
    bool database_mode; /* a tenant is a database, else a schema of conninfo's database */
    uint32_t workers;
    bool commit_group; /* asynchronous commits, one barrier for many before they are reported */
    uint64_t statement_timeout_ms;  /* 0: none */
    struct control_client *control; /* for operations of the scope control; NULL: refused */
    const char *const *allow_exec;  /* patterns of the programs that sets may run */
    size_t allow_exec_count;
    const char *const *control_databases; /* that the agent lends itself to, by name */
    size_t control_database_count;
    const char *const *state_databases; /* patterns of those that states may be in, too */
    size_t state_database_count;
    const char *plugin_dir; /* where plugins lie; NULL or "": nowhere */
    const char *helper;     /* the path of skein-helper; NULL or "": no programs, no plugins */
    const char *pg_dump;    /* its path; NULL or "": tenants are not copied */
    /* Which tenants are the agent's: a new one has to be. Borrowed; NULL: all are. */
    const struct tenants_options *tenants;
    struct size_guard *size_guard;      /* borrowed; NULL: dry runs do not look at sizes */
    uint64_t size_limit_bytes;          /* where a rollout says nothing; 0: off */
    const struct runner_table *runners; /* NULL: what this agent can run (tests bring their own) */
    /* Where a new tenant is registered first. Borrowed; NULL, or without a conninfo: nowhere. */
    const struct tenant_register_options *registry;
    struct executor_watch watch;
    /* On a thread of the executor. `result` and what it points to live in `arena`, which the callee
     * takes over. Called exactly once per task unless the executor is stopped without grace. */
    void (*on_result)(void *context, struct arena *arena, const struct task_result *result);
    void *context;
};

MUST_CHECK bool executor_start(const struct executor_options *options,
                               struct executor **ret_executor, struct error *err);
/* Until when, by the monotonic clock, the session's lease holds. From then on no task begins: it
 * waits for a later deadline, or to be cancelled. UINT64_MAX, as at the start: no end. */
void executor_set_lease(struct executor *executor, uint64_t until_ms);
void executor_submit(struct executor *executor, struct executor_task *task);
/* Queued tasks of the rollout are answered with CANCELLED; running ones are cancelled in the
 * database (and answered with what became of them); those of the mode TASK_SETTLE go on. `tenants`
 * NULL: all of the rollout. `rollout` NULL: everything (the session was lost: nothing may commit
 * any more; the caller must treat results that come later as usual, the journal decides). */
void executor_cancel(struct executor *executor, const char *rollout, const char *const *tenants,
                     size_t tenant_count);
/* What a worker waits for before it can go on ("" for nothing): a server that is away, or has no
 * connection to spare. Any thread. */
void executor_trouble(struct executor *executor, char ret_words[TEXT_BYTES_MAX]);
/* Long operations that run: at most PROGRESS_SHOWN_MAX, in the arena; returns how many. Any thread.
 */
size_t executor_progress(struct executor *executor, struct arena *arena,
                         struct task_progress **ret_items);
/* How many workers may have a task now, and why not more ("" for all). Any thread. */
uint32_t executor_workers_now(struct executor *executor, const char **ret_reason);
/* Tasks queued, resting and running. */
size_t executor_load(struct executor *executor);
/* Lets running tasks end for `grace_ms`, answers queued ones with CANCELLED at once, then cancels
 * what still runs, and joins. */
void executor_stop(struct executor *executor, uint64_t grace_ms);
void executor_free(struct executor **executor);

#endif
