/* scale_world.h - a very large fleet in virtual time, with nothing going wrong.
 *
 * Single-threaded. The decisions (coordinator/decide) and the cutting of writes into transactions
 * (coordinator/store/write_list) are the real ones, and only they are timed and counted; the store
 * answers each transaction after SCALE_STORE_MS, one at a time, and the agents do what they are
 * told in the time that SCALE_TASK_MS says. Where things go wrong is tests/sim's business. */
#ifndef SKEIN_TESTS_BENCH_SCALE_WORLD_H
#define SKEIN_TESTS_BENCH_SCALE_WORLD_H

#include "common/core/limits.h"
#include "coordinator/decide/fleet_view.h"
#include "coordinator/store/write_list.h"

enum {
    SCALE_STORE_MS = 2,
    SCALE_NET_MS = 1,
    SCALE_TASK_MS = 10, /* of one worker */
    SCALE_WORKERS = 4,
    SCALE_HELLO_SPREAD_MS = 10000, /* agents connect over so long */
    SCALE_NAME_BYTES = 32,
};

struct scale_world;

/* What is counted; `scale_counts_since` takes a difference. */
struct scale_counts {
    uint64_t events;       /* that the decisions took in */
    uint64_t transactions; /* of the store */
    uint64_t operations;   /* puts and deletes in them */
    uint64_t lease_calls;
    uint64_t sent[COORDINATOR_MESSAGE_COUNT];
    uint64_t received[AGENT_MESSAGE_COUNT];
    uint64_t tasks[TASK_MODE_COUNT]; /* handed out */
    uint64_t decide_us;              /* processor time of fleet_step */
    uint64_t write_us;               /* of making transactions from effects */
    uint64_t backlog_max;            /* effects that waited for the store at once */
    uint64_t step_us_max;            /* the longest single step */
    uint64_t in_flight_max;          /* tasks handed out and not answered at once */
    uint64_t now_ms;
};

struct scale_agent {
    char shard[SCALE_NAME_BYTES];
    uint64_t stream;
    uint64_t heartbeat, results; /* sequences */
    size_t first, tenant_count;  /* its tenants, as indexes into world->tenants */
    uint64_t free_ms;            /* when its workers are done with what they have */
    bool working;
};

/* Of each tenant only what must be right at the end: how often it was handed out in each mode. */
struct scale_tenant {
    uint8_t dry_runs, runs;
    bool migrated;
};

/* Something that happens later. The payload is the handler's, who frees it. */
struct scale_item {
    uint64_t at_ms, order;
    void (*run)(struct scale_world *world, struct scale_agent *agent, void *payload);
    struct scale_agent *agent;
    void *payload;
};

struct scale_world {
    uint64_t now_ms, order;
    struct scale_item *heap;
    size_t heap_count, heap_capacity;

    struct fleet *fleet;
    struct effects effects; /* of the batch of events at hand */
    size_t batch_events;
    struct write_batch *first, **last;
    struct write_txn txn;
    bool txn_in_flight;
    uint64_t revision;
    uint64_t backlog;
    int64_t lease;

    struct scale_agent *agents;
    size_t agent_count;
    struct scale_tenant *tenants;
    size_t tenant_count;
    struct scale_counts counts;
    enum err_code reply; /* to the newest operator's request */
};

/* ---- scale_world.c: time, the coordinator's shell, the store ---- */
void scale_world_init(struct scale_world *world, size_t agent_count, size_t tenant_count);
void scale_world_release(struct scale_world *world);
void scale_world_later(struct scale_world *world, uint64_t delay_ms,
                       void (*run)(struct scale_world *world, struct scale_agent *agent,
                                   void *payload),
                       struct scale_agent *agent, void *payload);
/* Hands an event to the decisions; what follows is carried out when its batch is full or time goes
 * on. Frees it. */
void scale_world_event(struct scale_world *world, struct event *event);
/* Everything until this moment. */
void scale_world_run(struct scale_world *world, uint64_t until_ms);

/* ---- scale_agents.c ---- */
void scale_agents_start(struct scale_world *world);
/* A message has come from the coordinator. */
void scale_agents_message(struct scale_world *world, struct scale_agent *agent,
                          const struct coordinator_message *message);

#endif
