/* session.h - which agent works for a shard: streams, sessions and their leases.
 *
 * Pure. A shard has at most one session; the agents that wait for it to end stand by. */
#ifndef SKEIN_COORDINATOR_DECIDE_SESSION_H
#define SKEIN_COORDINATOR_DECIDE_SESSION_H

#include "common/core/fsm.h"
#include "common/core/limits.h"
#include "coordinator/decide/fleet_state.h"

/* One stream that has said hello. */
struct agent_link {
    uint64_t stream;
    struct shard *shard;
    char *agent, *version, *peer;
    struct labels *labels;
    uint32_t workers;
    uint64_t heard;                 /* its newest heartbeat; 0 for none */
    bool leaving;                   /* its agent is about to stop: it gets no tasks */
    bool left;                      /* and nothing runs there any more */
    struct agent_link *prev, *next; /* of the shard */
    UT_hash_handle hh;
};

enum session_state {
    SESSION_NONE,
    SESSION_GRANTING, /* a lease was asked for */
    SESSION_STORING,  /* its record is being written */
    SESSION_LIVE,
    SESSION_DETACHED, /* no stream; the lease lives on */
    SESSION_ENDING,   /* the lease is being revoked; only its end frees the shard */
    SESSION_STATE_COUNT,
};

enum session_event {
    SESSION_ON_HELLO,   /* an agent asks for a shard that is free */
    SESSION_ON_GRANTED, /* its lease */
    SESSION_ON_REFUSED, /* by the store */
    SESSION_ON_STORED,
    SESSION_ON_ADOPTED, /* its agent is back, on a new stream */
    SESSION_ON_LOADED,  /* found in the store by a new leader */
    SESSION_ON_CLOSED,  /* its stream is gone */
    SESSION_ON_LEFT,    /* its stream is gone and nothing is under way there */
    SESSION_ON_SILENT,  /* no heartbeat for the lease's time */
    SESSION_ON_ENDED,   /* the lease is gone for certain */
    SESSION_EVENT_COUNT,
};

struct session {
    enum session_state state;
    char *agent, *peer; /* NULL while NONE */
    int64_t lease_id;   /* 0 while none */
    int64_t since_ms;
    struct agent_link *link; /* NULL while DETACHED, or when it was lost before LIVE */
    uint64_t deadline_ms;    /* without a heartbeat until then it ends */
    uint64_t retry_ms;       /* NONE: not before */
    /* For whom the lease was asked for, and the newest heartbeat that had come from there: the
     * lease lives for a TTL from a moment after that was sent. 0: by an earlier leader. */
    uint64_t asked_stream;
    uint64_t asked_heard;
    bool reported;        /* a full report came in this session */
    char *trouble;        /* the agent's own words; NULL for none */
    uint32_t workers_now; /* that the agent lets work; 0: all */
    char *workers_reason; /* why not more; NULL for all */
    struct arena told;    /* holds `progress`: what the last heartbeat said */
    const struct task_progress *progress;
    size_t progress_count;
    /* What the store has said of the lease, and what waits for it to say more. */
    uint64_t proven_until_ms; /* it lives at least until then; 0: nothing is known */
    uint64_t keep_ms;         /* when a lease or its keep-alive was asked for; 0: all is answered */
    uint64_t keep_sequence;   /* the heartbeat that asked, if it waits for the answer; else 0 */
    uint64_t wait_ms;         /* the newest heartbeat that the lease was not proven for */
    uint64_t wait_sequence;   /* 0: none waits */
};

extern const struct fsm session_fsm;

struct agent_link *session_find_link(const struct fleet *fleet, uint64_t stream);

void session_on_hello(struct step *step, uint64_t stream, const char *peer,
                      const struct agent_hello *hello);
void session_on_heartbeat(struct step *step, struct agent_link *link,
                          const struct agent_heartbeat *heartbeat);
/* The agent is about to stop. `done`: nothing runs there any more, so the next one may begin. */
void session_on_leaving(struct step *step, struct agent_link *link, bool done);
void session_on_closed(struct step *step, uint64_t stream);
void session_on_granted(struct step *step, struct shard *shard, int64_t lease_id, uint64_t ttl_ms,
                        bool failed);
void session_on_stored(struct step *step, struct shard *shard, int64_t lease_id);
void session_on_kept(struct step *step, int64_t lease_id, uint64_t ttl_ms);
void session_on_ended(struct step *step, int64_t lease_id);
void session_on_tick(struct step *step, struct shard *shard);
void session_load(struct step *step, struct shard *shard, const struct session_record *record);
/* Frees streams and sessions; writes nothing. */
void session_release(struct fleet *fleet);

#endif
