/* executor_options.h - how an executor and all its workers are to work.
 *
 * Set once, before the threads start; never changed. What it points to is the caller's and outlives
 * the executor. */
#ifndef SKEIN_AGENT_RUN_EXECUTOR_OPTIONS_H
#define SKEIN_AGENT_RUN_EXECUTOR_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/keep/tenants.h"
#include "agent/run/tenant_register.h"
#include "common/core/arena.h"
#include "common/model/message.h"

struct control_client;
struct runner_table;
struct size_guard;

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
    uint64_t dry_statement_ms;      /* the same in dry runs, where it is shorter; 0: none */
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

#endif
