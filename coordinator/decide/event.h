/* event.h - everything that can happen to the coordinator's decisions.
 *
 * Pure. An event owns its arena; everything it points to lives there. The shell makes events from
 * gRPC, the store and the clock; the simulator makes them from a seed. */
#ifndef SKEIN_COORDINATOR_DECIDE_EVENT_H
#define SKEIN_COORDINATOR_DECIDE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/model/message.h"
#include "common/model/set.h"

enum event_type {
    EVENT_TICK,          /* at least every 100 ms */
    EVENT_LEADING,       /* the leader key is ours and everything was loaded: `loaded` */
    EVENT_DEPOSED,       /* the leader key is lost: forget everything */
    EVENT_STORED,        /* the writes up to an EFFECT_AFTER_STORED are durable: `stored` */
    EVENT_LEASE_GRANTED, /* answer to EFFECT_LEASE_GRANT: `lease` */
    EVENT_LEASE_KEPT,    /* answer to EFFECT_LEASE_KEEP_ALIVE: it lives for another TTL */
    EVENT_LEASE_ENDED,   /* revoked or expired for certain, its keys are gone: `lease` */
    EVENT_AGENT_MESSAGE, /* `agent` */
    EVENT_AGENT_CLOSED,  /* the stream is gone: `agent.stream` */
    EVENT_OPERATOR,      /* a request that changes something: `operator` */
    EVENT_STORE_ANSWER,  /* the shell's own business with the store; decisions ignore it */
    EVENT_QUERY,         /* a request that only reads: the shell answers it, decisions ignore it */
    EVENT_CALL_CLOSED,   /* an operator's or a program's call is over that may have waited for a
                            lock or kept one: `closed` */
    EVENT_TYPE_COUNT,
};

/* What the store holds when leadership begins. */
struct loaded_warning {
    uint32_t number;
    struct failure_record record;
};

struct loaded_rollout {
    struct rollout_spec spec;
    uint64_t revision; /* at which the spec was written; 0: not known */
    struct rollout_state state;
    const struct shard_progress *shards;
    size_t shard_count;
    const struct failure_record *failures;
    size_t failure_count;
    const struct loaded_warning *warnings;   /* by number */
    const struct rollout_measures *measures; /* NULL: none */
    size_t warning_count;
};

struct loaded {
    uint64_t term;
    int64_t last_write; /* the shell's own: mod revision of the key that orders its writes */
    struct token_base token_base;
    const struct set_head *heads;
    size_t head_count;
    const struct loaded_rollout *rollouts;
    size_t rollout_count;
    const struct session_record *sessions;
    size_t session_count;
    const struct shard_record *shards;
    size_t shard_count;
    const struct lock_record *locks;
    const uint64_t *lock_tokens; /* mod revision of each lock */
    size_t lock_count;
    const struct audit_event *events; /* oldest first */
    size_t event_count;
    /* Every set that a head or an unfinished rollout names; ownership moves to the decisions. */
    struct set **sets;
    size_t set_count;
};

enum store_answer {
    STORE_ANSWER_FLUSH,          /* a transaction of the flush */
    STORE_ANSWER_LAST_WRITE,     /* which write was the last? asked when an answer was lost */
    STORE_ANSWER_PROBE,          /* is this lease alive? asked after a flush met a dead one */
    STORE_ANSWER_GRANT,          /* the leader's lease */
    STORE_ANSWER_CAMPAIGN,       /* the transaction that makes the leader key */
    STORE_ANSWER_KEPT,           /* the leader's lease was kept alive */
    STORE_ANSWER_WATCH,          /* who holds the leader key */
    STORE_ANSWER_LEADER_CHANGED, /* the leader key, or (gone) the watch of it is over */
    STORE_ANSWER_REVOKED,        /* a lease of ours that we do not want any more */
    STORE_ANSWER_CLEARED,        /* a left-over leader key was deleted */
    STORE_ANSWER_COUNT,
};

enum operator_verb {
    OPERATOR_PUBLISH,
    OPERATOR_START,
    OPERATOR_PAUSE,
    OPERATOR_RESUME,
    OPERATOR_ABORT,
    OPERATOR_RETRY,
    OPERATOR_ROLLBACK,
    OPERATOR_LOCK,
    OPERATOR_HOLD, /* a lock that ends with the call */
    OPERATOR_UNLOCK,
    OPERATOR_FORGET_SHARD,
    OPERATOR_HISTORY,
    OPERATOR_SCHEMAS, /* `object` is the shard */
    OPERATOR_LABEL,
    OPERATOR_VERB_COUNT,
};

struct operator_request {
    uint64_t call; /* names the waiting caller in EFFECT_REPLY */
    enum operator_verb verb;
    const char *actor; /* the peer's identity */
    const char *reason;
    const char *object; /* rollout id or its beginning, tenant "shard/name", shard */
    /* START; `id` is chosen by the shell (unique), or derived from the idempotency key */
    struct rollout_spec spec;
    /* PUBLISH: a parsed set (ownership moves if it is accepted) and its archive */
    struct set *set;
    struct bytes archive;
    bool publish_dry_run;
    /* LOCK, HOLD, UNLOCK */
    const char *lock_owner;
    uint64_t lock_ttl_ms;  /* LOCK */
    uint64_t lock_wait_ms; /* LOCK, HOLD: how long while somebody else has it; 0: not at all */
    const char *lock_id;   /* HOLD: chosen by the shell; or of the hold to attach to again */
    bool lock_again;       /* HOLD */
    bool lock_force;       /* UNLOCK: also what is somebody else's */
    /* HISTORY */
    uint32_t limit;
    /* LABEL: of the tenant's own; those whose keys go */
    struct labels labels;
    const char *const *unlabelled;
    size_t unlabelled_count;
    /* SCHEMAS: names without the shard */
    const char *const *tenants;
    size_t tenant_count;
    bool lines;
};

struct event {
    enum event_type type;
    struct arena arena;
    uint64_t now_ms; /* monotonic */
    int64_t wall_ms; /* for people */
    union {
        struct loaded loaded;
        struct {
            uint64_t ticket;   /* from EFFECT_AFTER_STORED */
            uint64_t revision; /* of the last transaction: the token of locks taken in it */
        } stored;
        struct {
            uint64_t request; /* from EFFECT_LEASE_GRANT */
            int64_t lease_id;
            uint64_t ttl_ms; /* GRANTED, KEPT: how long it lives from when that was asked for */
            uint64_t epoch;  /* the shell's own */
            bool failed;     /* EVENT_LEASE_GRANTED: the store said no; ask again later */
        } lease;
        struct {
            uint64_t stream;
            const char *peer;
            struct agent_message message;
        } agent;
        struct operator_request operator;
        struct {
            enum store_answer kind;
            bool succeeded; /* the compares held */
            bool gone;      /* the lease does not exist */
            int64_t lease_id;
            uint64_t revision;
            const char *text;   /* WATCH: the leader's address, "" for nobody */
            struct error error; /* code ERR_NONE: answered */
        } answer;
        struct {
            uint64_t call;
        } closed;
        struct {
            uint64_t call;
            size_t method; /* the serving module's own number */
            struct bytes request;
        } query;
    };
};

struct event *event_new(enum event_type type);
void event_free(struct event **pointer);
/* What it holds, for the mailbox's bound. */
size_t event_bytes(const struct event *event);

#endif
