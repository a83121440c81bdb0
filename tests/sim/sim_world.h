/* sim_world.h - a fleet in virtual time, drawn from one seed: what there is, and what happens when.
 *
 * Single-threaded. Real are the coordinators' decisions (coordinator/decide), their leadership,
 * writes, leases and loading (coordinator/store) and the agents' uplink (agent/decide). The store's
 * members, the network, the agents' workers and the databases are models that keep the real ones'
 * promises and break in their ways. Nothing reads a clock: the same seed gives the same run. */
#ifndef SKEIN_TESTS_SIM_SIM_WORLD_H
#define SKEIN_TESTS_SIM_SIM_WORLD_H

#include "agent/decide/uplink.h"
#include "common/core/limits.h"
#include "common/core/mailbox.h"
#include "common/core/metrics.h"
#include "coordinator/decide/fleet_view.h"
#include "coordinator/store/flush.h"
#include "coordinator/store/leadership.h"
#include "coordinator/store/leases.h"
#include "tests/sim/sim_etcd.h"
#include "tests/sim/sim_set.h"

enum {
    SIM_COORDINATORS = 3,
    SIM_SHARDS_MAX = 4,
    SIM_TENANTS_MAX = 40, /* names per shard */
    SIM_AGENTS_MAX = 2,   /* per shard */
    SIM_WORKERS = 4,
    SIM_ROLLOUTS_MAX = 64,
    SIM_LEASES_MAX = 4096, /* granted to agents and leaders in one run */
    SIM_STREAMS_MAX = 16384,
    SIM_CALLS_MAX = 4096,
    SIM_HOLDS_MAX = 512,
    SIM_MOVES_MAX = 160, /* of one tenant */
    SIM_TEXT_BYTES = 48,
    SIM_NOTES_MAX = 120,
    SIM_NOTE_BYTES = 200,
    SIM_FAULTS_MS = 120000, /* how long things go wrong */
};

#define SIM_PREFIX "/skein"

struct sim;
struct sim_request;

/* ---- databases ---- */
struct sim_task;

/* A row of a tenant's history: a rollout has moved it. */
struct sim_move {
    char rollout[SIM_TEXT_BYTES];
    char before[SIM_TEXT_BYTES]; /* whose the version was that it moved it from */
    unsigned from;
    bool undone;
};

struct sim_tenant {
    char name[SIM_TEXT_BYTES];
    bool exists;
    unsigned life;    /* grows when a tenant of this name is made anew */
    unsigned version; /* n of 0.n.0; 0: none */
    unsigned before;  /* so many scripts had taken effect before skein knew of it */
    unsigned first;   /* version that it was born with */
    uint64_t fence;
    uint64_t newest_token;        /* that ever committed: the check's own memory */
    char rollout[SIM_TEXT_BYTES]; /* that moved the version last */
    uint64_t repeatables;         /* digest of the repeatable script that ran last; 0: none */
    char undone[SIM_TEXT_BYTES];  /* the rollout whose rollback led to this version; "" for none */
    struct sim_move moves[SIM_MOVES_MAX]; /* its history */
    unsigned move_count;
    unsigned
        applied[SIM_SET_EDITIONS + 1]; /* how often each script took effect: never idempotent */
    unsigned alterations;              /* of its schema, by hand */
    bool broken;                       /* scripts fail here */
    struct sim_task *holder;           /* whose transaction has the tenant's row */
};

/* ---- agents ---- */
enum sim_task_state { SIM_TASK_QUEUED, SIM_TASK_WAITS, SIM_TASK_OPEN, SIM_TASK_DONE };

struct sim_task {
    struct sim_task *next;
    struct sim_agent *agent; /* NULL: its process is dead, only its transaction is still there */
    char rollout[SIM_TEXT_BYTES], tenant[SIM_TEXT_BYTES];
    char from[SIM_TEXT_BYTES], target[SIM_TEXT_BYTES];
    enum task_mode mode;
    bool reads_ledger;             /* `target` is what another tool's table told */
    char baseline[SIM_TEXT_BYTES]; /* of an unmanaged tenant, recorded first; "" for none */
    uint64_t repeatables;          /* digest that the tenant has afterwards; 0: it runs none */
    uint64_t had_repeatables;      /* what it has, as the coordinator said */
    enum dry_run_step dry_run_step;
    uint64_t stamp; /* RUN: that of the schema at its dry run; a dry run: what it has seen */
    unsigned kind;  /* of the schema that a look has seen */
    uint64_t token;
    int64_t lease; /* under which it was taken */
    uint64_t lock_until_ms;
    uint64_t number; /* names it in events */
    enum sim_task_state state;
    bool uncertain;              /* an earlier try may have committed */
    unsigned back_from, back_to; /* of a rollback: what the journal said when it began */
    enum task_outcome outcome;
    enum task_code code;
    uint64_t sent; /* sequence of the results it went with; 0: not sent on this stream */
};

/* A tenant as an agent saw it last. */
struct sim_seen {
    bool exists;
    unsigned version;
    uint64_t fence;
    char rollout[SIM_TEXT_BYTES];
    char undone[SIM_TEXT_BYTES];
    uint64_t repeatables;
    bool has_objects;
};

/* Where a worker's process is to be stopped: between the look at the lease and BEGIN, or before
 * COMMIT. */
enum sim_stall { SIM_STALL_NONE, SIM_STALL_BEGIN, SIM_STALL_COMMIT };

struct sim_agent {
    struct sim_shard *shard;
    unsigned index;
    bool alive, paused, draining;
    unsigned life; /* grows with each start: events of an earlier one are void */
    char id[SIM_TEXT_BYTES];
    struct uplink uplink; /* the real one */
    uint64_t stream;
    unsigned address; /* the coordinator to try next */
    uint64_t drain_until_ms;
    uint64_t newest_term;        /* heard since it has this session: the check's own memory */
    uint64_t paused_ms;          /* when it was stopped last */
    uint64_t results;            /* sequence */
    uint64_t refresh;            /* newest answered */
    uint64_t report_ms;          /* when the newest report goes out */
    uint64_t resume_ms;          /* while paused, and after */
    bool known[SIM_TENANTS_MAX]; /* tenants that this stream's reports have named */
    bool read, told;             /* has looked at all; has told this stream */
    bool has_worked;
    enum sim_stall stall;
    uint64_t stall_ms;
    struct sim_seen seen[SIM_TENANTS_MAX];
    struct sim_task *tasks;
};

struct sim_shard {
    char name[SIM_TEXT_BYTES];
    struct sim_tenant tenants[SIM_TENANTS_MAX];
    struct sim_agent agents[SIM_AGENTS_MAX];
    unsigned agent_count;
};

/* ---- network ---- */
struct sim_stream {
    struct sim_agent *agent;
    unsigned life;
    unsigned coordinator;
    unsigned coordinator_life;
    bool agent_end, leader_end; /* still open there */
    uint64_t up_ms, down_ms;    /* when the last message each way arrives */
};

/* ---- a coordinator's process: the real parts, and the model of what holds them together ---- */
struct sim_coordinator {
    struct sim *sim;
    unsigned index;
    unsigned life; /* grows with each start: events of an earlier one are void */
    bool alive, paused, stopping;
    bool resigned; /* and only waits for the store to take the key back */
    uint64_t resume_ms, stop_until_ms;
    int64_t wall_offset_ms; /* its clock for people is wrong by this */
    uint64_t store_cut_until_ms;
    struct store *store;
    struct mailbox *inbox;
    struct metrics *metrics;
    struct fleet *fleet;
    struct flush *flush;
    struct leadership *leadership;
    struct leases *leases;
    struct effects effects; /* of the batch of events at hand */
    uint64_t term;          /* won last */
    uint64_t load;          /* number of the load under way */
    uint64_t now_ms;        /* its clock, read once a batch */
    bool serving;           /* says of itself that it leads */
    int follows;            /* index of the leader that it knows; -1: none */
    uint64_t wake, wake_ms; /* the wake-up that counts, and when it is due */
    uint64_t stall_ms;      /* the next batch stops in its middle for so long */
    void *batch[EVENT_BATCH_MAX];
    size_t batch_count;
};

/* An operator's request that is under way. */
struct sim_call {
    enum operator_verb verb;
    unsigned coordinator, life;
    bool open;
    char object[2 * SIM_TEXT_BYTES];
    uint64_t ttl_ms;
    uint32_t per_shard;
    uint64_t asked_ms;
};

/* A hold that an operator was told to have. */
struct sim_hold {
    char tenant[2 * SIM_TEXT_BYTES];
    uint64_t until_ms; /* 0: free */
};

/* A rollout whose start was answered. */
struct sim_rollout {
    char id[SIM_TEXT_BYTES];
    bool stopped; /* answered to be paused or aborted, and nobody has asked for more since */
    bool aborted;
    bool goes_back;      /* answered to be rolled back */
    uint64_t resumed_ms; /* asked to go on, last */
    bool reopened;       /* somebody has asked for more, at any time */
    bool given_up;       /* somebody has asked to abort it, at any time */
    const char *ended;   /* the final phase that somebody was shown; NULL: none */
    uint32_t per_shard;  /* tasks at once on one shard; 0: no limit */
};

/* What the control database's journal has of a rollout's hooks: before, after. */
struct sim_hooks {
    char rollout[SIM_TEXT_BYTES];
    bool done[2];
};

/* What was committed for whom. */
struct sim_commit {
    char rollout[SIM_TEXT_BYTES];
    unsigned shard, tenant, life;
    bool late;   /* by an agent that was stopped with its transaction open, after its lease's end */
    bool undone; /* the tenant is gone, or was taken back to an earlier version since */
    bool back;   /* by the rollout's own rollback */
};

struct sim_event {
    uint64_t at_ms, order;
    void (*run)(struct sim *sim, void *object, uint64_t a, uint64_t b);
    void *object;
    uint64_t a, b;
};

enum sim_count {
    SIM_COUNT_COMMITS,
    SIM_COUNT_CRASHES,
    SIM_COUNT_LOST,
    SIM_COUNT_FENCED,
    SIM_COUNT_ROLLOUTS,
    SIM_COUNT_LEADERS,
    SIM_COUNT_WRITES,
    SIM_COUNT_UNANSWERED,
    SIM_COUNT_ADOPTED,
    SIM_COUNT_UNDONE,
    SIM_COUNT_PARTS,
    SIM_COUNTS,
};

struct sim {
    uint64_t seed, random;
    uint64_t now_ms, order;
    struct sim_event *heap;
    size_t heap_count, heap_capacity;
    struct arena arena;                   /* texts of requests */
    uint64_t trace;                       /* hash of everything that was noted */
    bool healed;                          /* no more faults */
    uint64_t fault_ms_max, script_ms_max; /* drawn: how wild this fleet is, how slow its scripts */
    unsigned answer_loss;                 /* permille of the store's answers */
    bool clocks_jump;                     /* by an hour, either way */
    bool failed;
    bool verbose;

    struct sim_etcd etcd;
    uint64_t store_down_until_ms, store_slow_until_ms, store_full_until_ms;
    struct sim_request *requests;
    uint64_t request_count;

    struct sim_coordinator coordinators[SIM_COORDINATORS];
    uint64_t cut_until_ms[SIM_COORDINATORS][SIM_SHARDS_MAX]; /* between them and the agents */
    uint64_t assigned_ms;                                    /* when tasks were handed out last */

    struct sim_stream *streams; /* by number, from 1 */
    size_t stream_count;

    struct sim_shard shards[SIM_SHARDS_MAX];
    unsigned shard_count;
    unsigned edition; /* newest published */
    struct sim_set_kind set_kind;
    /* Of each edition of it; 0: it has no repeatable script. */
    char digests[SIM_SET_EDITIONS + 1][DIGEST_TEXT_BYTES];
    uint64_t repeatables[SIM_SET_EDITIONS + 1];
    unsigned rollout_count;
    struct sim_rollout rollouts[SIM_ROLLOUTS_MAX]; /* whose start was answered */
    unsigned rollout_known;
    struct sim_hooks hooks[SIM_ROLLOUTS_MAX];
    unsigned hook_count;
    struct sim_call calls[SIM_CALLS_MAX];
    uint64_t call_count;
    struct sim_hold holds[SIM_HOLDS_MAX];
    size_t hold_count;
    bool forgot; /* a shard was forgotten: its outcomes may never be learned */
    uint64_t task_number;
    struct sim_commit *commits;
    size_t commit_count, commit_capacity;
    uint64_t statistics[SIM_COUNTS];

    char notes[SIM_NOTES_MAX][SIM_NOTE_BYTES];
    size_t note_count;
};

/* ---- sim_world.c: chance, time, notes ---- */
uint64_t sim_below(struct sim *sim, uint64_t bound);
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high);
bool sim_chance(struct sim *sim, unsigned permille);
void sim_after(struct sim *sim, uint64_t delay_ms,
               void (*run)(struct sim *sim, void *object, uint64_t a, uint64_t b), void *object,
               uint64_t a, uint64_t b);
void sim_note(struct sim *sim, const char *format, ...) PRINTF(2, 3);
/* The run is wrong: says so with the seed and the last notes, once. */
void sim_fail(struct sim *sim, const char *format, ...) PRINTF(2, 3);
void sim_init(struct sim *sim, uint64_t seed, bool verbose);
void sim_release(struct sim *sim);
/* Runs what is due until `until_ms`; false when the run has failed. */
bool sim_run_until(struct sim *sim, uint64_t until_ms);

/* ---- sim_client.c: the functions of common/store/store.h, and: ---- */
struct store *sim_client_new(struct sim *sim, struct sim_coordinator *coordinator);
void sim_client_free(struct store **pointer);
void sim_client_set_synchronous(struct store *store, bool synchronous);
void sim_client_drop_requests(struct sim *sim);
bool sim_store_reaches(const struct sim *sim, const struct sim_coordinator *coordinator);

/* ---- sim_coordinator.c ---- */
void sim_coordinator_start(struct sim *sim, struct sim_coordinator *coordinator);
void sim_coordinator_crash(struct sim *sim, struct sim_coordinator *coordinator);
/* As SIGTERM does: what is decided is written, leadership is given away. */
void sim_coordinator_stop(struct sim *sim, struct sim_coordinator *coordinator);
void sim_coordinator_pause(struct sim *sim, struct sim_coordinator *coordinator, uint64_t ms);
void sim_coordinator_wake(struct sim *sim, struct sim_coordinator *coordinator, uint64_t at_ms);
/* Takes the event over. */
void sim_coordinator_post(struct sim *sim, struct sim_coordinator *coordinator,
                          struct event *event);
/* The one that has the leader key and has loaded; NULL while there is none. */
struct sim_coordinator *sim_coordinator_leader(struct sim *sim);

/* ---- sim_net.c: streams go by their number ---- */
uint64_t sim_net_open(struct sim *sim, struct sim_agent *agent, unsigned coordinator);
void sim_net_to_leader(struct sim *sim, uint64_t number, struct event *event);
void sim_net_to_agent(struct sim *sim, uint64_t number, const struct coordinator_message *message);
/* The connection is gone; each end learns it in its own time. */
void sim_net_break(struct sim *sim, uint64_t number);
/* The coordinator ends all its streams. */
void sim_net_close_all(struct sim *sim, const struct sim_coordinator *coordinator);
/* Nothing passes between these two; whoever waits for too long gives the connection up. */
void sim_net_cut(struct sim *sim, unsigned coordinator, unsigned shard, uint64_t ms);
bool sim_net_is_cut(const struct sim *sim, const struct sim_agent *agent, unsigned coordinator);
/* This process is stopped; its peers give its streams up if that lasts. */
void sim_net_silence(struct sim *sim, const struct sim_agent *agent,
                     const struct sim_coordinator *coordinator, uint64_t ms);

/* ---- sim_agent.c ---- */
void sim_agent_start(struct sim *sim, struct sim_agent *agent);
void sim_agent_crash(struct sim *sim, struct sim_agent *agent);
/* As SIGTERM does: what runs may end, nothing new is begun. */
void sim_agent_drain(struct sim *sim, struct sim_agent *agent);
void sim_agent_pause(struct sim *sim, struct sim_agent *agent, uint64_t ms);
void sim_agent_message(struct sim *sim, struct sim_agent *agent, uint64_t stream,
                       const struct coordinator_message *message);
/* `leader`: the address that came with it; -1: none. */
void sim_agent_closed(struct sim *sim, struct sim_agent *agent, uint64_t stream, int leader);
void sim_agent_send_results(struct sim *sim, struct sim_agent *agent);

struct event *sim_agent_event(enum agent_message_kind kind);

/* ---- sim_report.c ---- */
/* Looks at the databases: what is told later is what was seen here. */
void sim_report_read(struct sim_agent *agent);
/* This task has moved its tenant: known at once. */
void sim_report_note(struct sim_agent *agent, const struct sim_task *task);
/* What was read is told a little later. */
void sim_report_send(struct sim *sim, struct sim_agent *agent, bool full, uint64_t refresh);
/* Looks, and answers that request: an event of the agent. */
void sim_report_refresh(struct sim *sim, void *object, uint64_t refresh, uint64_t stream);

/* ---- sim_worker.c: tasks against databases ---- */
void sim_worker_fill(struct sim *sim, struct sim_agent *agent);
void sim_worker_cancel(struct sim *sim, struct sim_agent *agent, const char *rollout);
/* What has not begun. */
void sim_worker_cancel_queued(struct sim *sim, struct sim_agent *agent);
void sim_worker_drop_all(struct sim *sim, struct sim_agent *agent);

/* ---- sim_database.c ---- */
struct sim_tenant *sim_database_find(struct sim_shard *shard, const char *tenant);
/* The life of a tenant ends, or begins anew at another version. */
void sim_database_forget_commits(struct sim *sim, const struct sim_shard *shard,
                                 const struct sim_tenant *tenant);
enum task_code sim_database_open_life(const struct sim_tenant *tenant, const struct sim_task *task);
/* Makes or drops the tenant. */
bool sim_database_is_life(const struct sim_task *task);
bool sim_database_lease_lives(const struct sim *sim, int64_t lease);
void sim_database_create(struct sim *sim, struct sim_shard *shard, unsigned index,
                         unsigned version);
/* What had taken effect stays, and nobody knows of it. */
void sim_database_forget_version(struct sim_tenant *tenant);
const char *sim_database_version(unsigned version, char text[SIM_TEXT_BYTES]);
/* What the table of another tool tells of a tenant: always the same, and at most `most`. */
void sim_database_read_ledger(const char *tenant, unsigned most, char ret_text[SIM_TEXT_BYTES]);
unsigned sim_database_parse(const char *version);
/* A rollback in steps: the newest of the scripts that the task has still to undo is. */
void sim_database_commit_part(struct sim *sim, struct sim_shard *shard, struct sim_tenant *tenant,
                              struct sim_task *task);
/* The scripts take effect, the journal says so: one transaction. */
void sim_database_commit(struct sim *sim, struct sim_shard *shard, struct sim_tenant *tenant,
                         const struct sim_task *task);
/* This very rollout has done it: a try whose answer was lost. */
bool sim_database_is_done(const struct sim_tenant *tenant, const struct sim_task *task);
/* The same for a rollback; keeps in the task what it is to undo. */
enum task_code sim_database_open_back(const struct sim_tenant *tenant, struct sim_task *task);
/* Row lock, fence, version: TASK_CODE_NONE when the transaction may go on. */
enum task_code sim_database_open(struct sim_tenant *tenant, const struct sim_task *task);

/* ---- sim_faults.c ---- */
void sim_faults_begin(struct sim *sim);
void sim_faults_heal(struct sim *sim);

/* ---- sim_operator.c ---- */
void sim_operator_begin(struct sim *sim);
/* Asks a coordinator that says it leads; false if there is none. */
bool sim_operator_ask(struct sim *sim, struct operator_request request);
bool sim_operator_start(struct sim *sim, const char *id, struct rollout_spec spec);
bool sim_operator_publish(struct sim *sim, unsigned edition);
void sim_operator_on_reply(struct sim *sim, const struct effect *effect);
/* The coordinator has ended its calls without an answer. */
void sim_operator_close_all(struct sim *sim, const struct sim_coordinator *coordinator);
/* Nothing moves: somebody may abort it soon. */
void sim_operator_loses_patience(struct sim *sim, const char *rollout);
struct sim_rollout *sim_operator_find(struct sim *sim, const char *id);

/* ---- sim_hook.c ---- */
/* The agent is asked for a hook of a rollout. */
void sim_hook_run(struct sim *sim, struct sim_agent *agent, const struct control_run *run);
bool sim_hook_is_done(struct sim *sim, const char *rollout, bool after);

/* ---- sim_check.c ---- */
void sim_check_begin(struct sim *sim);
void sim_check_safety(struct sim *sim);
/* Somebody watches all the time: also one who does not lead any more, and does not know it yet. */
void sim_check_shown(struct sim *sim, const struct sim_coordinator *coordinator);
/* The leader hands these tasks out now. */
void sim_check_assignment(struct sim *sim, const struct sim_coordinator *coordinator,
                          const struct task_assignment *assign);
/* An agent takes this task now. */
void sim_check_accepted(struct sim *sim, const struct sim_agent *agent,
                        const struct sim_task *task);
/* An agent obeys this message. */
void sim_check_message(struct sim *sim, struct sim_agent *agent,
                       const struct coordinator_message *message);
/* The fence is raised to this task's token. */
void sim_check_fence(struct sim *sim, const struct sim_shard *shard, struct sim_tenant *tenant,
                     const struct sim_task *task);
/* A transaction commits. */
void sim_check_commit(struct sim *sim, const struct sim_shard *shard, struct sim_tenant *tenant,
                      const struct sim_task *task, bool late);
/* Tenants that the databases say this rollout has migrated. `ret_gone` of them exist no more, were
 * taken back since, or were committed when nobody could expect it any more. */
uint64_t sim_check_commits(const struct sim *sim, const char *rollout, uint64_t *ret_gone);

/* ---- sim_live.c ---- */
/* Faults are over: everything must come to an end, and then everybody can be migrated. */
void sim_check_liveness(struct sim *sim);

#endif
