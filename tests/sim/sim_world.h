/* sim_world.h - a fleet in virtual time, drawn from one seed: what there is, and what happens when.
 *
 * Single-threaded. The decisions are the real ones (coordinator/decide); the store, the network,
 * the agents and the databases are models that keep the real ones' promises and break in their
 * ways. Nothing reads a clock: the same seed gives the same run. */
#ifndef SKEIN_TESTS_SIM_SIM_WORLD_H
#define SKEIN_TESTS_SIM_SIM_WORLD_H

#include "common/core/limits.h"
#include "coordinator/decide/fleet_view.h"
#include "tests/sim/sim_set.h"
#include "tests/sim/sim_store.h"

enum {
    SIM_SHARDS_MAX = 4,
    SIM_TENANTS_MAX = 40, /* names per shard */
    SIM_AGENTS_MAX = 2,   /* per shard */
    SIM_WORKERS = 4,
    SIM_ROLLOUTS_MAX = 64,
    SIM_LEASES_MAX = 8192,
    SIM_STREAMS_MAX = 16384,
    SIM_TEXT_BYTES = 48,
    SIM_NOTES_MAX = 120,
    SIM_NOTE_BYTES = 200,
    SIM_FAULTS_MS = 120000, /* how long things go wrong */
};

struct sim;

/* ---- databases ---- */
struct sim_task;

struct sim_tenant {
    char name[SIM_TEXT_BYTES];
    bool exists;
    unsigned life;    /* grows when a tenant of this name is made anew */
    unsigned version; /* n of 0.n.0; 0: none */
    unsigned first;   /* version that it was born with */
    uint64_t fence;
    char rollout[SIM_TEXT_BYTES]; /* that moved the version last */
    unsigned
        applied[SIM_SET_EDITIONS + 1]; /* how often each script took effect: never idempotent */
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
    uint64_t token;
    uint64_t lock_until_ms;
    uint64_t number; /* names it in events */
    enum sim_task_state state;
    enum task_outcome outcome;
    enum task_code code;
    uint64_t sent; /* sequence of the results it went with; 0: not sent on this stream */
};

enum sim_link { SIM_LINK_DOWN, SIM_LINK_GREETING, SIM_LINK_STANDBY, SIM_LINK_WORKING };

struct sim_agent {
    struct sim_shard *shard;
    unsigned index;
    bool alive, paused;
    unsigned life; /* grows with each start: events of an earlier one are void */
    char id[SIM_TEXT_BYTES];
    enum sim_link link;
    uint64_t stream;
    uint64_t term;
    int64_t lease;
    uint64_t lease_until_ms;
    uint64_t hello_ms;
    uint64_t heartbeat; /* sequence */
    uint64_t heartbeat_ms[16];
    uint64_t results;            /* sequence */
    uint64_t refresh;            /* newest answered */
    uint64_t report_ms;          /* when the newest report goes out */
    uint64_t resume_ms;          /* while paused */
    bool known[SIM_TENANTS_MAX]; /* tenants that this stream's reports have named */
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
    uint64_t leader;            /* which run of the coordinator is at the other end */
    bool agent_end, leader_end; /* still open there */
    uint64_t up_ms, down_ms;    /* when the last message each way arrives */
};

/* ---- the coordinator's shell ---- */
struct sim_batch {
    struct sim_batch *next;
    struct effects effects;
    size_t at; /* the first effect that is not carried out */
};

struct sim_lease {
    bool alive;
    uint64_t until_ms;
};

/* What was committed for whom. */
struct sim_commit {
    char rollout[SIM_TEXT_BYTES];
    unsigned shard, tenant, life;
    bool late; /* by an agent that was stopped with its transaction open, after its lease's end */
};

struct sim_event {
    uint64_t at_ms, order;
    void (*run)(struct sim *sim, void *object, uint64_t a, uint64_t b);
    void *object;
    uint64_t a, b;
};

struct sim {
    uint64_t seed, random;
    uint64_t now_ms, order;
    struct sim_event *heap;
    size_t heap_count, heap_capacity;
    bool healed;                          /* no more faults */
    uint64_t fault_ms_max, script_ms_max; /* drawn: how wild this fleet is, how slow its scripts */
    bool failed;
    bool verbose;

    struct sim_store store;
    uint64_t store_down_until_ms;
    struct sim_lease leases[SIM_LEASES_MAX]; /* by id */
    int64_t lease_count;

    struct fleet *fleet;
    uint64_t leader; /* grows with each start of the coordinator */
    bool leader_alive, leading;
    struct sim_batch *first, *last;
    bool txn_in_flight;
    size_t txn_writes;

    struct sim_stream *streams; /* by number, from 1 */
    size_t stream_count;

    struct sim_shard shards[SIM_SHARDS_MAX];
    unsigned shard_count;
    unsigned edition; /* newest published */
    unsigned rollout_count;
    char rollouts[SIM_ROLLOUTS_MAX][SIM_TEXT_BYTES]; /* whose start was answered */
    unsigned rollout_known;
    uint64_t calls;
    enum operator_verb verbs[4096]; /* by call */
    uint64_t task_number;
    struct sim_commit *commits;
    size_t commit_count, commit_capacity;
    uint64_t statistics[8]; /* see sim_main.c */

    char notes[SIM_NOTES_MAX][SIM_NOTE_BYTES];
    size_t note_count;
};

enum { SIM_COUNT_COMMITS, SIM_COUNT_CRASHES, SIM_COUNT_LOST, SIM_COUNT_FENCED, SIM_COUNT_ROLLOUTS };

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

/* ---- sim_leader.c ---- */
void sim_leader_start(struct sim *sim);
void sim_leader_crash(struct sim *sim);
/* Hands an event to the decisions and carries out what follows. Frees it. */
void sim_leader_event(struct sim *sim, struct event *event);
bool sim_store_is_up(const struct sim *sim);

/* ---- sim_net.c: streams go by their number ---- */
uint64_t sim_net_open(struct sim *sim, struct sim_agent *agent);
void sim_net_to_leader(struct sim *sim, uint64_t number, struct event *event);
void sim_net_to_agent(struct sim *sim, uint64_t number, const struct coordinator_message *message);
/* The connection is gone; each end learns it in its own time. */
void sim_net_break(struct sim *sim, uint64_t number);

/* ---- sim_agent.c ---- */
void sim_agent_start(struct sim *sim, struct sim_agent *agent);
void sim_agent_crash(struct sim *sim, struct sim_agent *agent);
void sim_agent_pause(struct sim *sim, struct sim_agent *agent, uint64_t ms);
void sim_agent_message(struct sim *sim, struct sim_agent *agent, uint64_t stream,
                       const struct coordinator_message *message);
void sim_agent_closed(struct sim *sim, struct sim_agent *agent, uint64_t stream);
void sim_agent_send_results(struct sim *sim, struct sim_agent *agent);

/* ---- sim_worker.c: tasks against databases ---- */
void sim_worker_fill(struct sim *sim, struct sim_agent *agent);
void sim_worker_cancel(struct sim *sim, struct sim_agent *agent, const char *rollout);
void sim_worker_drop_all(struct sim *sim, struct sim_agent *agent);

/* ---- sim_database.c ---- */
struct sim_tenant *sim_database_find(struct sim_shard *shard, const char *tenant);
void sim_database_create(struct sim *sim, struct sim_shard *shard, unsigned index,
                         unsigned version);
const char *sim_database_version(unsigned version, char text[SIM_TEXT_BYTES]);
unsigned sim_database_parse(const char *version);
/* The scripts take effect, the journal says so: one transaction. */
void sim_database_commit(struct sim *sim, struct sim_shard *shard, struct sim_tenant *tenant,
                         const struct sim_task *task);
/* Row lock, fence, version: TASK_CODE_NONE when the transaction may go on. */
enum task_code sim_database_open(struct sim_tenant *tenant, const struct sim_task *task);

/* ---- sim_faults.c ---- */
void sim_faults_begin(struct sim *sim);
void sim_faults_heal(struct sim *sim);
/* One operator's request. */
void sim_faults_ask(struct sim *sim, struct operator_request request);
void sim_faults_start(struct sim *sim, const char *id, struct rollout_spec spec);

/* ---- sim_check.c ---- */
void sim_check_safety(struct sim *sim);
void sim_check_assignment(struct sim *sim, const struct sim_agent *agent,
                          const struct task_assignment *assign);
/* Faults are over: everything must come to an end, and then everybody can be migrated. */
void sim_check_liveness(struct sim *sim);

#endif
