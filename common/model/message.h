/* message.h - the words that coordinator and agent exchange, and what the store keeps, as plain
 * structs. proto/skein/v1 documents each field; common/wire converts and validates.
 *
 * Pure. All pointers borrow from the arena that the message lives in. No `const char *` is NULL: an
 * absent text is "". Arrays may be NULL when their count is 0. */
#ifndef SKEIN_COMMON_MODEL_MESSAGE_H
#define SKEIN_COMMON_MODEL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model/measure.h"
#include "common/model/set.h"
#include "common/model/task.h"

struct label {
    const char *key;
    const char *value;
};

struct labels {
    const struct label *items; /* sorted by key, unique */
    size_t count;
};

struct set_version {
    const char *set;
    const char *version;
    const char *rollout;
    uint64_t fence;
    const char *undone;   /* the rollout whose rollback led back here; version is "" for none */
    uint64_t repeatables; /* digest of the set's repeatable scripts as applied; 0 for none */
};

struct tenant_info {
    const char *name;
    struct labels labels;
    const struct set_version *versions;
    size_t version_count;
    bool has_objects;
};

struct task_error {
    const char *tenant; /* shard/name */
    enum task_mode mode;
    enum task_code code;
    const char *sqlstate;
    const char *message;
    const char *detail;
    const char *hint;
    const char *file;
    uint32_t statement;
    uint32_t line;
};

/* ---- agent to coordinator ---- */

struct running_task {
    const char *rollout;
    enum task_mode mode;
    const char *tenant;
    uint64_t token;
};

struct agent_hello {
    uint32_t protocol;
    const char *shard;
    const char *agent;
    const char *version;
    struct labels labels;
    uint32_t workers;
    int64_t lease_id;
    const struct running_task *running;
    size_t running_count;
};

struct task_progress {
    const char *rollout;
    const char *tenant; /* without the shard */
    uint64_t done;
    uint64_t total; /* 0: not known */
    const char *words;
    bool waits; /* does nothing else; words say for what */
};

struct agent_heartbeat {
    uint64_t sequence;
    uint32_t tasks_in_flight;
    const char *trouble;
    const struct task_progress *progress;
    size_t progress_count;
    uint32_t workers_now;       /* that may work; 0: all */
    const char *workers_reason; /* "": all may */
};

struct tenant_report {
    bool full;
    bool last;
    uint64_t refresh;
    const struct tenant_info *tenants;
    size_t tenant_count;
    const char *const *removed;
    size_t removed_count;
};

struct task_result {
    const char *rollout;
    enum task_mode mode;
    const char *tenant; /* without the shard */
    uint64_t token;
    enum task_outcome outcome;
    struct task_error error; /* code TASK_CODE_NONE when it succeeded */
    const struct task_error *warnings;
    size_t warning_count;
    const char *version;  /* "" when not known or none */
    uint64_t repeatables; /* of a success: digest of the repeatable scripts that the tenant has */
    uint32_t scripts;
    uint64_t duration_us;
    const struct task_measure *measure; /* of a dry run that came to its end; else NULL */
    uint64_t stamp;                     /* of a dry run: of the tenant's schema; 0 when not known */
    const char *fingerprint;            /* of a look: its digest; "" or NULL for none */
};

struct task_results {
    uint64_t sequence;
    const struct task_result *items;
    size_t count;
};

struct history_entry {
    int64_t id;
    const char *set;
    const char *version;
    const char *script;
    const char *direction;
    const char *checksum;
    const char *rollout;
    const char *agent;
    uint64_t fence;
    const char *state;
    int64_t started_at_ms;
    double duration_ms;
};

struct history_reply {
    uint64_t request;
    const struct history_entry *entries;
    size_t count;
    const char *error;
    bool labelled; /* the labels are as the request wants them */
};

/* What a tenant's schema is: see agent/keep/fingerprint.h. */
struct tenant_schema {
    const char *tenant; /* without the shard */
    const char *digest; /* "" with an error */
    const char *const *lines;
    size_t line_count;
    const char *error; /* "" */
};

struct schema_reply {
    uint64_t request;
    const struct tenant_schema *items;
    size_t count;
    const char *error; /* "" */
};

struct control_call {
    uint64_t number;
    const char *rollout;
    const char *tenant; /* without the shard */
    uint64_t token;
    enum task_mode mode;
    const char *from; /* "" for none */
    const char *file; /* "" in a dry run: all of the plan */
    bool down;
    const char *key;
    uint64_t lock_timeout_ms;
};

struct control_done {
    uint64_t number;
    const char *shard;
    const char *hook;        /* of a rollout, whose answer this is; "" for none */
    struct task_error error; /* code TASK_CODE_NONE: it is done */
};

enum agent_message_kind {
    AGENT_MESSAGE_HELLO,
    AGENT_MESSAGE_HEARTBEAT,
    AGENT_MESSAGE_TENANTS,
    AGENT_MESSAGE_RESULTS,
    AGENT_MESSAGE_HISTORY,
    AGENT_MESSAGE_LEAVING,
    AGENT_MESSAGE_CONTROL_CALL,
    AGENT_MESSAGE_CONTROL_DONE,
    AGENT_MESSAGE_SCHEMAS,
    AGENT_MESSAGE_COUNT,
};

struct agent_message {
    enum agent_message_kind kind;
    union {
        struct agent_hello hello;
        struct agent_heartbeat heartbeat;
        struct tenant_report tenants;
        struct task_results results;
        struct history_reply history;
        bool leaving_done; /* LEAVING: nothing runs any more */
        struct control_call control_call;
        struct control_done control_done;
        struct schema_reply schemas;
    };
};

/* ---- coordinator to agent ---- */

struct welcome {
    int64_t lease_id;
    uint64_t lease_ttl_ms;
    uint64_t heartbeat_interval_ms;
    bool granted;       /* for this stream, after the agent sent `heartbeat` */
    uint64_t heartbeat; /* 0: after hello */
};

enum rollout_kind {
    ROLLOUT_MIGRATE,
    ROLLOUT_BASELINE,
    ROLLOUT_CREATE, /* of one tenant, `spec.tenant` */
    ROLLOUT_DROP,   /* the same */
    ROLLOUT_KIND_COUNT,
};

struct task_item {
    const char *tenant;
    const char *from; /* "" for none */
    uint64_t repeatables;
    const char *baseline; /* what an unmanaged tenant is recorded at first; "" for none */
    uint64_t stamp;       /* RUN: of the schema at the dry run; 0: it is not compared */
};

/* How much of a dry run a task is. */
enum dry_run_step {
    DRY_RUN_STEP_WHOLE, /* the plan on the tenant, rolled back */
    DRY_RUN_STEP_LOOK,  /* only what its schema is */
    DRY_RUN_STEP_CLONE, /* the plan on an empty copy of it */
    DRY_RUN_STEP_COUNT,
};

struct task_assignment {
    const char *rollout;
    enum task_mode mode;
    const char *set;
    const char *digest;
    const char *target;
    uint64_t token;
    uint64_t lock_timeout_ms;
    const struct task_item *tasks;
    size_t task_count;
    bool rehearse_rollback; /* of a dry run */
    enum dry_run_step dry_run_step;
    const char *source; /* CREATE: the tenant of this shard that is copied; "": made by scripts */
    const char *from_ledger;   /* of a baseline, see rollout_spec */
    enum rollout_kind kind;    /* what the rollout is about, whatever the mode */
    struct labels labels;      /* CREATE: see rollout_spec */
    bool force;                /* DROP: the same */
    uint64_t size_limit_bytes; /* of a dry run, see rollout_spec */
    bool allow_large;
    uint64_t patience_ms;    /* 0: not tried again */
    uint64_t lock_budget_ms; /* of a dry run; 0: any */
};

struct task_cancel {
    const char *rollout;
    const char *const *tenants;
    size_t tenant_count; /* 0: all of the rollout */
};

struct history_request {
    uint64_t request;
    const char *tenant;
    uint32_t limit;
    /* Before that: labels of the tenant's own are set, and taken away. */
    struct labels labels;
    const char *const *unlabelled;
    size_t unlabelled_count;
};

struct schema_request {
    uint64_t request;
    const char *const *tenants;
    size_t tenant_count;
    bool lines;
};

struct control_run {
    struct control_call call;
    const char *shard; /* of the tenant; of a hook: the agent's own */
    const char *hook;  /* "" for none: of a rollout, whose id is in the tenant's place */
    const char *set;
    const char *digest;
    const char *target;
    const char *database;
};

struct control_answer {
    uint64_t number;
    struct task_error error; /* code TASK_CODE_NONE: it is done */
};

enum coordinator_message_kind {
    COORDINATOR_MESSAGE_WELCOME,
    COORDINATOR_MESSAGE_STANDBY,
    COORDINATOR_MESSAGE_HEARTBEAT_ACK,
    COORDINATOR_MESSAGE_ASSIGN,
    COORDINATOR_MESSAGE_CANCEL,
    COORDINATOR_MESSAGE_REFRESH,
    COORDINATOR_MESSAGE_RESULTS_ACK,
    COORDINATOR_MESSAGE_HISTORY,
    COORDINATOR_MESSAGE_CONTROL_RUN,
    COORDINATOR_MESSAGE_CONTROL_ANSWER,
    COORDINATOR_MESSAGE_SCHEMAS,
    COORDINATOR_MESSAGE_COUNT,
};

struct coordinator_message {
    uint64_t term;
    enum coordinator_message_kind kind;
    union {
        struct welcome welcome;
        const char *standby_for; /* the agent that works for the shard */
        uint64_t sequence;       /* HEARTBEAT_ACK, RESULTS_ACK */
        uint64_t refresh;
        struct task_assignment assign;
        struct task_cancel cancel;
        struct history_request history;
        struct control_run control_run;
        struct control_answer control_answer;
        struct schema_request schemas;
    };
};

/* ---- what the store keeps ---- */

enum rollout_phase {
    ROLLOUT_PENDING,
    ROLLOUT_DRY_RUN,
    ROLLOUT_DRY_RUN_FAILED,
    ROLLOUT_RUNNING,
    ROLLOUT_PAUSED,
    ROLLOUT_SUCCEEDED,
    ROLLOUT_FAILED,
    ROLLOUT_ABORTED,
    ROLLOUT_ROLLING_BACK,
    ROLLOUT_ROLLED_BACK,
    ROLLOUT_PHASE_COUNT,
};

enum rollout_policy {
    POLICY_PAUSE,
    POLICY_ABORT,
    POLICY_CONTINUE,
    POLICY_ROLLBACK,
    POLICY_COUNT,
};

/* What is tried before the first tenant is changed. */
enum dry_run_mode {
    DRY_RUN_TENANTS, /* the plan on every tenant */
    DRY_RUN_CLASSES, /* on one of each class: a shard's tenants of the same schema and version */
    DRY_RUN_CLONE,   /* on an empty copy of one of each class */
    DRY_RUN_OFF,
    DRY_RUN_MODE_COUNT,
};

struct rollout_spec {
    const char *id;
    enum rollout_kind kind;
    const char *set;
    const char *digest;
    const char *target;
    const char *selector;
    enum rollout_policy policy;
    uint32_t max_failures;
    uint32_t max_failures_percent;
    uint32_t concurrency;
    uint32_t concurrency_per_shard;
    bool dry_run_only;
    uint64_t lock_timeout_ms;
    const char *created_by;
    const char *reason;
    int64_t created_at_ms;
    bool rehearse_rollback;
    const char *baseline_unmanaged; /* "" for none */
    bool unmanaged_only;            /* of a baseline */
    const char *tenant;             /* CREATE, DROP: "shard/name"; "" otherwise */
    bool from_reference;            /* CREATE: a copy of the set's reference tenant */
    /* Of a baseline: the other tool whose table tells each tenant's version (ledger.h). NULL or ""
     * for none. */
    const char *from_ledger;
    struct labels labels; /* CREATE: of the new tenant's own */
    bool force;           /* DROP: an unmanaged one, too, and whoever is connected to it */
    /* Work on more than this, while writers wait, fails the dry run of a tenant before it has
     * begun; 0: the agent's own setting. */
    uint64_t size_limit_bytes;
    bool allow_large;        /* it is a warning then */
    uint64_t patience_ms;    /* 0: the default */
    uint64_t lock_budget_ms; /* how long a dry run may find tables locked; 0: any */
    enum dry_run_mode dry_run;
};

/* Whether the version is not the target, but what each tenant's table says. */
bool rollout_spec_has_ledger(const struct rollout_spec *spec);

/* How far a rollback is; stays when it has ended. */
enum rollback_stage {
    ROLLBACK_NONE,
    ROLLBACK_STOPPING, /* what was under way is ended and looked up */
    ROLLBACK_LOOKING,  /* the dry run of the rollback */
    ROLLBACK_UNDOING,
    ROLLBACK_STAGE_COUNT,
};

struct rollout_counts {
    uint64_t total, queued, running, migrated, skipped, failed, unknown, rolled_back;
    uint64_t dry_run_passed;
};

/* Of a dry run by classes. */
struct dry_run_class {
    const char *tenant; /* shard/name of the one that stood for all */
    uint64_t tenants;
};

struct rollout_state {
    enum rollout_phase phase;
    enum rollout_phase resume_phase;
    int64_t started_at_ms;
    int64_t finished_at_ms;
    const char *phase_reason;
    const char *changed_by;
    struct rollout_counts counts;
    uint64_t skips[TASK_CODE_COUNT]; /* of counts.skipped: how many for which reason */
    enum rollback_stage rollback;
    const char *first_script;        /* the lowest that a plan of it began with; "" for none */
    bool hooks_done[SET_HOOK_COUNT]; /* those of a rollout */
    uint32_t hook_asked;             /* 1 + that which was handed out and not answered; 0: none */
    bool went_back;                  /* it was rolling back before it began to once more */
    uint64_t dry_run_class_total;
    const struct dry_run_class *dry_run_classes; /* the first CLASSES_SHOWN_MAX of them */
    size_t dry_run_class_count;
};

struct shard_progress {
    const char *shard;
    struct rollout_counts counts;
    /* Of a rollout that was opened again after its end. */
    uint64_t expected;  /* migrated by then, while its tenants are not looked at again; else 0 */
    uint64_t overtaken; /* of those: moved on by other rollouts since */
    /* Dry runs that were measured: how many, how long all of them took, and the longest. */
    uint64_t measured, measured_us, measured_max_us;
};

struct failure_record {
    struct task_error error;
    int64_t at_ms;
};

struct session_record {
    const char *shard;
    const char *agent;
    int64_t lease_id;
    int64_t since_ms;
    const char *peer;
};

struct shard_record {
    const char *name;
    struct labels labels;
    uint64_t tenant_count;
    int64_t first_seen_ms;
};

struct lock_record {
    const char *tenant; /* shard/name */
    const char *owner;
    const char *reason;
    const char *rollout; /* "" for a hold: the lock of an operator or a program */
    const char *id;      /* of a program's hold, which ends with its stream; else "" */
    int64_t since_ms;
    int64_t expires_at_ms;
    int64_t lease_id;
};

struct token_base {
    uint64_t base; /* token = base + the store's revision */
};

struct set_head {
    const char *name;
    const char *digest;
    const char *latest;
    const char *min_version;
    int64_t published_at_ms;
    const char *published_by;
    uint32_t chunk_count;
    uint64_t archive_bytes;
};

struct audit_event {
    int64_t at_ms;
    const char *actor;
    const char *action;
    const char *object;
    const char *reason;
    const char *detail;
};

/* Names as the JSON output and the logs have them: "DRY_RUN", "pause", "migrate". */
const char *rollout_phase_name(enum rollout_phase phase);
const char *rollout_policy_name(enum rollout_policy policy);
const char *dry_run_mode_name(enum dry_run_mode mode);
bool rollout_phase_is_final(enum rollout_phase phase);

#endif
