/* uplink.h - an agent's line to the coordinator that leads: connected or not, working or not.
 *
 * Pure. Owned by the agent's brain thread. The lease is judged by the agent's own monotonic clock:
 * it ends a TTL after the agent *sent* the last heartbeat that was acknowledged, so the agent
 * always stops before the store can give its locks to another. A lease that was not granted for
 * this stream may be of any age: nothing is begun under it until a heartbeat was acknowledged. */
#ifndef SKEIN_AGENT_DECIDE_UPLINK_H
#define SKEIN_AGENT_DECIDE_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/fsm.h"
#include "common/model/message.h"

enum uplink_state {
    UPLINK_DOWN,     /* no stream; a new one is opened at retry_at_ms */
    UPLINK_GREETING, /* a stream is open, hello was sent */
    UPLINK_STANDBY,  /* another agent works for the shard */
    UPLINK_WORKING,  /* the session is ours */
    UPLINK_STOPPED,
    UPLINK_STATE_COUNT,
};

enum uplink_event {
    UPLINK_EVENT_OPENED,
    UPLINK_EVENT_WELCOME,
    UPLINK_EVENT_STANDBY,
    UPLINK_EVENT_CLOSED,
    UPLINK_EVENT_STOP,
    UPLINK_EVENT_COUNT,
};

enum { UPLINK_HEARTBEATS_MAX = 16 };

struct uplink {
    enum uplink_state state;
    uint64_t term; /* newest seen; older messages are ignored */
    /* The session, which outlives a stream for as long as the lease lives. */
    int64_t lease_id; /* 0: none */
    uint64_t lease_ttl_ms;
    uint64_t lease_until_ms;
    bool lease_proven; /* else it may be over already: nothing begins, and nothing needs to end */
    uint64_t hello_sent_ms;
    uint64_t heartbeat_interval_ms;
    uint64_t heartbeat_at_ms;
    uint64_t sequence;
    uint64_t sent_ms[UPLINK_HEARTBEATS_MAX]; /* when the heartbeat of that sequence was sent */
    /* Reconnecting. */
    uint64_t retry_at_ms;
    uint64_t retry_delay_ms;
    bool follows;    /* the stream, or the next one, goes where somebody said that the leader is */
    bool may_follow; /* the word of the stream that ended last is good enough */
    uint64_t seed;   /* of the jitter; 0: none */
};

void uplink_init(struct uplink *uplink, uint64_t now_ms);

/* Many agents lose the same coordinator at the same moment: each takes its own time. */
void uplink_set_seed(struct uplink *uplink, uint64_t seed);

/* Only this assigns `state`. False if the event means nothing in this state. */
bool uplink_step(struct uplink *uplink, enum uplink_event event, uint64_t now_ms);

/* True if a message of this term is to be obeyed. */
bool uplink_accepts_term(struct uplink *uplink, uint64_t term);
/* After UPLINK_EVENT_CLOSED: the peer has said where the leader is. True if that is to be tried,
 * and then at once. Not twice in a row: who says so may not know yet that the leader is gone. */
bool uplink_follows(struct uplink *uplink, uint64_t now_ms);

/* Welcome: the session is ours. */
void uplink_start_lease(struct uplink *uplink, const struct welcome *welcome, uint64_t now_ms);
/* Until when tasks may begin; 0: they may not. */
uint64_t uplink_works_until_ms(const struct uplink *uplink);
/* True once, when the lease has run out by our own clock: everything must be cancelled. */
bool uplink_lease_ran_out(struct uplink *uplink, uint64_t now_ms);
/* Whether a heartbeat is to be sent now; gives its sequence. */
bool uplink_take_heartbeat(struct uplink *uplink, uint64_t now_ms, uint64_t *ret_sequence);
void uplink_on_heartbeat_ack(struct uplink *uplink, uint64_t sequence);
/* When something is due: a heartbeat, a reconnect, the lease's end. */
uint64_t uplink_next_ms(const struct uplink *uplink);

const struct fsm *uplink_machine(void);
const char *uplink_state_name(enum uplink_state state);

#endif
