/* leader.h - the states of a coordinator that wants to lead.
 *
 * Pure. The shell owns the state, the leader key and its lease; this table says what follows from
 * what happens to them. */
#ifndef SKEIN_COORDINATOR_DECIDE_LEADER_H
#define SKEIN_COORDINATOR_DECIDE_LEADER_H

#include "common/core/fsm.h"

enum leader_state {
    LEADER_FOLLOWER,    /* somebody else holds the key */
    LEADER_CAMPAIGNING, /* the key is free, or nobody knows: trying to take it */
    LEADER_LOADING,     /* it is ours; the store is being read */
    LEADER_LEADING,
    LEADER_STATE_COUNT,
};

enum leader_event {
    LEADER_EVENT_FREE,     /* the key does not exist any more */
    LEADER_EVENT_BEATEN,   /* the campaign found another leader */
    LEADER_EVENT_WON,      /* the key was created by us */
    LEADER_EVENT_LOADED,   /* everything was read */
    LEADER_EVENT_LOST,     /* the lease or the key is gone, or may be */
    LEADER_EVENT_RESIGNED, /* this coordinator is about to end */
    LEADER_EVENT_COUNT,
};

extern const struct fsm leader_fsm;

/* An event that means nothing in this state leaves it as it is. */
enum leader_state leader_step(enum leader_state state, enum leader_event event);
const char *leader_state_name(enum leader_state state);

#endif
