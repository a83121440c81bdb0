#include "agent/decide/uplink.h"

#include <assert.h>

#include "common/core/base.h"
#include "common/core/limits.h"

enum {
    /* A new leader is found within a second of its election, and ten thousand agents that look for
     * it ask each coordinator some ten thousand times a second, which is a tenth of what it can
     * refuse. */
    UPLINK_RETRY_MIN_MS = 50,
    UPLINK_RETRY_MAX_MS = 1000,
    UPLINK_STABLE_MS = 5000, /* a stream that lived so long was a good one */
};

static const char *const uplink_state_names[] = { "DOWN", "GREETING", "STANDBY", "WORKING",
                                                  "STOPPED" };
static_assert(COUNT_OF(uplink_state_names) == UPLINK_STATE_COUNT, "every state has a name");

static const char *const uplink_event_names[] = { "opened", "welcome", "standby", "closed",
                                                  "stop" };
static_assert(COUNT_OF(uplink_event_names) == UPLINK_EVENT_COUNT, "every event has a name");

static const bool uplink_terminal[UPLINK_STATE_COUNT] = { [UPLINK_STOPPED] = true };

#define EDGE(from_, on_, to_, why_)                                                                \
    {                                                                                              \
        .from = UPLINK_##from_, .on = UPLINK_EVENT_##on_, .to = UPLINK_##to_, .why = (why_),       \
        .guarded = false                                                                           \
    }

static const struct fsm_edge uplink_edges[] = {
    EDGE(DOWN, OPENED, GREETING, "a stream is open and hello was sent"),
    EDGE(GREETING, WELCOME, WORKING, "the session is ours"),
    EDGE(GREETING, STANDBY, STANDBY, "another agent works for the shard"),
    EDGE(STANDBY, WELCOME, WORKING, "the other agent's session has ended"),
    EDGE(WORKING, WELCOME, WORKING, "the session was confirmed"),
    EDGE(WORKING, STANDBY, STANDBY, "the session ended and another agent has the shard"),
    EDGE(GREETING, CLOSED, DOWN, "the stream is gone"),
    EDGE(STANDBY, CLOSED, DOWN, "the stream is gone"),
    EDGE(WORKING, CLOSED, DOWN, "the stream is gone; the lease may live on"),
    EDGE(DOWN, STOP, STOPPED, "asked to stop"),
    EDGE(GREETING, STOP, STOPPED, "asked to stop"),
    EDGE(STANDBY, STOP, STOPPED, "asked to stop"),
    EDGE(WORKING, STOP, STOPPED, "asked to stop"),
};

#undef EDGE

static const struct fsm_edge *uplink_edge_at(size_t index)
{
    return &uplink_edges[index];
}

const struct fsm *uplink_machine(void)
{
    static const struct fsm machine = {
        .noun = "uplink",
        .state_names = uplink_state_names,
        .state_count = UPLINK_STATE_COUNT,
        .event_names = uplink_event_names,
        .event_count = UPLINK_EVENT_COUNT,
        .initial = UPLINK_DOWN,
        .terminal = uplink_terminal,
        .edge_count = COUNT_OF(uplink_edges),
        .edge_at = uplink_edge_at,
    };

    return &machine;
}

const char *uplink_state_name(enum uplink_state state)
{
    assert(state < UPLINK_STATE_COUNT);
    return uplink_state_names[state];
}

void uplink_init(struct uplink *uplink, uint64_t now_ms)
{
    *uplink = (struct uplink){ .state = UPLINK_DOWN,
                               .retry_at_ms = now_ms,
                               .lease_ttl_ms = SESSION_LEASE_TTL_MS,
                               .heartbeat_interval_ms = HEARTBEAT_INTERVAL_MS };
}

void uplink_set_seed(struct uplink *uplink, uint64_t seed)
{
    uplink->seed = seed;
}

/* Between half of the delay and all of it. */
static uint64_t uplink_jitter(struct uplink *uplink, uint64_t delay_ms)
{
    if (uplink->seed == 0 || delay_ms == 0) {
        return delay_ms;
    }
    uplink->seed ^= uplink->seed << 13;
    uplink->seed ^= uplink->seed >> 7;
    uplink->seed ^= uplink->seed << 17;
    return delay_ms / 2 + uplink->seed % (delay_ms / 2 + 1);
}

static void uplink_plan_retry(struct uplink *uplink, uint64_t now_ms)
{
    /* A welcome alone says little: what the agent reports next may be refused, again and again. */
    bool stable = now_ms - uplink->hello_sent_ms >= UPLINK_STABLE_MS;

    if (stable) {
        uplink->retry_delay_ms = 0;
    }
    uplink->may_follow = stable || !uplink->follows;
    uplink->follows = false;
    uplink->retry_at_ms = now_ms + uplink_jitter(uplink, uplink->retry_delay_ms);
    uplink->retry_delay_ms =
        uplink->retry_delay_ms == 0 ? UPLINK_RETRY_MIN_MS : uplink->retry_delay_ms * 2;
    if (uplink->retry_delay_ms > UPLINK_RETRY_MAX_MS) {
        uplink->retry_delay_ms = UPLINK_RETRY_MAX_MS;
    }
}

bool uplink_follows(struct uplink *uplink, uint64_t now_ms)
{
    if (uplink->state != UPLINK_DOWN || !uplink->may_follow) {
        return false;
    }
    uplink->follows = true;
    uplink->retry_at_ms = now_ms;
    return true;
}

/* What entering a state means for the clocks. */
static void uplink_enter(struct uplink *uplink, enum uplink_event event, uint64_t now_ms)
{
    if (event == UPLINK_EVENT_OPENED) {
        uplink->hello_sent_ms = now_ms;
        if (uplink->lease_id == 0) {
            /* A store that was made anew counts from the beginning. Without a session there is
             * nothing that a leader of the past could spoil: its writes are refused. */
            uplink->term = 0;
        }
    } else if (event == UPLINK_EVENT_CLOSED) {
        uplink_plan_retry(uplink, now_ms);
    }
}

bool uplink_step(struct uplink *uplink, enum uplink_event event, uint64_t now_ms)
{
    for (size_t i = 0; i < COUNT_OF(uplink_edges); i++) {
        const struct fsm_edge *edge = &uplink_edges[i];
        if (edge->from == (int)uplink->state && edge->on == (int)event) {
            uplink->state = (enum uplink_state)edge->to;
            uplink_enter(uplink, event, now_ms);
            return true;
        }
    }
    return false;
}

bool uplink_accepts_term(struct uplink *uplink, uint64_t term)
{
    if (term < uplink->term) {
        return false;
    }
    uplink->term = term;
    return true;
}

/* When the agent sent what the coordinator had heard when it asked for the lease. */
static bool uplink_find_base(const struct uplink *uplink, uint64_t heartbeat, uint64_t *ret_ms)
{
    if (heartbeat == 0) {
        *ret_ms = uplink->hello_sent_ms;
        return true;
    }
    bool known =
        heartbeat <= uplink->sequence && uplink->sequence - heartbeat < UPLINK_HEARTBEATS_MAX;
    if (known) {
        *ret_ms = uplink->sent_ms[heartbeat % UPLINK_HEARTBEATS_MAX];
    }
    return known;
}

void uplink_start_lease(struct uplink *uplink, const struct welcome *welcome, uint64_t now_ms)
{
    uint64_t base_ms = 0;

    if (welcome->granted && uplink_find_base(uplink, welcome->heartbeat, &base_ms)) {
        uplink->lease_proven = true;
        uplink->lease_until_ms = base_ms + welcome->lease_ttl_ms;
    } else if (uplink->lease_id != welcome->lease_id) {
        uplink->lease_proven = false;
        uplink->lease_until_ms = now_ms + welcome->lease_ttl_ms;
    }
    uplink->lease_id = welcome->lease_id;
    uplink->lease_ttl_ms = welcome->lease_ttl_ms;
    uplink->heartbeat_interval_ms = welcome->heartbeat_interval_ms;
    uplink->heartbeat_at_ms = now_ms;
}

uint64_t uplink_works_until_ms(const struct uplink *uplink)
{
    return uplink->lease_id != 0 && uplink->lease_proven ? uplink->lease_until_ms : 0;
}

bool uplink_lease_ran_out(struct uplink *uplink, uint64_t now_ms)
{
    if (uplink->lease_id == 0 || now_ms < uplink->lease_until_ms) {
        return false;
    }
    uplink->lease_id = 0;
    return true;
}

bool uplink_take_heartbeat(struct uplink *uplink, uint64_t now_ms, uint64_t *ret_sequence)
{
    bool talks = uplink->state == UPLINK_WORKING || uplink->state == UPLINK_STANDBY;

    if (!talks || now_ms < uplink->heartbeat_at_ms) {
        return false;
    }
    uplink->heartbeat_at_ms = now_ms + uplink->heartbeat_interval_ms;
    uplink->sequence++;
    uplink->sent_ms[uplink->sequence % UPLINK_HEARTBEATS_MAX] = now_ms;
    *ret_sequence = uplink->sequence;
    return true;
}

void uplink_on_heartbeat_ack(struct uplink *uplink, uint64_t sequence)
{
    bool known = sequence <= uplink->sequence &&
                 uplink->sequence - sequence < UPLINK_HEARTBEATS_MAX && sequence > 0;

    if (known && uplink->lease_id != 0) {
        uint64_t until = uplink->sent_ms[sequence % UPLINK_HEARTBEATS_MAX] + uplink->lease_ttl_ms;
        if (until > uplink->lease_until_ms || !uplink->lease_proven) {
            uplink->lease_until_ms = until;
        }
        uplink->lease_proven = true;
    }
}

uint64_t uplink_next_ms(const struct uplink *uplink)
{
    uint64_t next = uplink->state == UPLINK_DOWN ? uplink->retry_at_ms : UINT64_MAX;

    if ((uplink->state == UPLINK_WORKING || uplink->state == UPLINK_STANDBY) &&
        uplink->heartbeat_at_ms < next) {
        next = uplink->heartbeat_at_ms;
    }
    if (uplink->lease_id != 0 && uplink->lease_until_ms < next) {
        next = uplink->lease_until_ms;
    }
    return next;
}
