#include "agent/decide/uplink.h"

#include <assert.h>

#include "common/core/base.h"
#include "common/core/limits.h"

enum {
    UPLINK_RETRY_MIN_MS = 100,
    UPLINK_RETRY_MAX_MS = 2000,
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
        /* A welcome alone says little: what the agent reports next may be refused, again and again.
         */
        if (now_ms - uplink->hello_sent_ms >= UPLINK_STABLE_MS) {
            uplink->retry_delay_ms = 0;
        }
        uplink->retry_at_ms = now_ms + uplink->retry_delay_ms;
        uplink->retry_delay_ms =
            uplink->retry_delay_ms == 0 ? UPLINK_RETRY_MIN_MS : uplink->retry_delay_ms * 2;
        if (uplink->retry_delay_ms > UPLINK_RETRY_MAX_MS) {
            uplink->retry_delay_ms = UPLINK_RETRY_MAX_MS;
        }
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

void uplink_start_lease(struct uplink *uplink, int64_t lease_id, uint64_t ttl_ms,
                        uint64_t heartbeat_interval_ms, uint64_t now_ms)
{
    /* A welcome that answers hello counts from hello. One that comes later, out of standby, was
     * granted at an unknown moment before now: the first heartbeat goes out at once, and until it
     * is acknowledged half a TTL must do, which leaves the other half for the welcome's journey. */
    uint64_t from_hello = uplink->hello_sent_ms + ttl_ms;
    uint64_t from_now = now_ms + ttl_ms / 2;

    uplink->lease_id = lease_id;
    uplink->lease_ttl_ms = ttl_ms;
    uplink->lease_until_ms = from_hello > from_now ? from_hello : from_now;
    uplink->heartbeat_interval_ms = heartbeat_interval_ms;
    uplink->heartbeat_at_ms = now_ms;
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
        if (until > uplink->lease_until_ms) {
            uplink->lease_until_ms = until;
        }
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
