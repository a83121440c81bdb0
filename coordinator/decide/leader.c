#include "coordinator/decide/leader.h"

#include <assert.h>

static const char *const leader_state_names[] = {
    [LEADER_FOLLOWER] = "FOLLOWER",
    [LEADER_CAMPAIGNING] = "CAMPAIGNING",
    [LEADER_LOADING] = "LOADING",
    [LEADER_LEADING] = "LEADING",
};
static_assert(COUNT_OF(leader_state_names) == LEADER_STATE_COUNT, "every state has a name");

static const char *const leader_event_names[] = {
    [LEADER_EVENT_FREE] = "free", [LEADER_EVENT_BEATEN] = "beaten",
    [LEADER_EVENT_WON] = "won",   [LEADER_EVENT_LOADED] = "loaded",
    [LEADER_EVENT_LOST] = "lost", [LEADER_EVENT_RESIGNED] = "resigned",
};
static_assert(COUNT_OF(leader_event_names) == LEADER_EVENT_COUNT, "every event has a name");

static const struct fsm_edge leader_edges[] = {
    { LEADER_FOLLOWER, LEADER_EVENT_FREE, LEADER_CAMPAIGNING, "nobody leads", false },
    { LEADER_CAMPAIGNING, LEADER_EVENT_BEATEN, LEADER_FOLLOWER, "another was faster", false },
    { LEADER_CAMPAIGNING, LEADER_EVENT_WON, LEADER_LOADING, "the key is ours", false },
    { LEADER_LOADING, LEADER_EVENT_LOADED, LEADER_LEADING, "everything is known", false },
    { LEADER_LOADING, LEADER_EVENT_LOST, LEADER_CAMPAIGNING, "the key is gone", false },
    { LEADER_LEADING, LEADER_EVENT_LOST, LEADER_CAMPAIGNING, "the key is gone", false },
    { LEADER_CAMPAIGNING, LEADER_EVENT_RESIGNED, LEADER_FOLLOWER, "asked to stop", false },
    { LEADER_LOADING, LEADER_EVENT_RESIGNED, LEADER_FOLLOWER, "asked to stop", false },
    { LEADER_LEADING, LEADER_EVENT_RESIGNED, LEADER_FOLLOWER, "asked to stop", false },
};

static const bool leader_terminal[LEADER_STATE_COUNT] = { false };

static const struct fsm_edge *leader_edge_at(size_t index)
{
    assert(index < COUNT_OF(leader_edges));
    return &leader_edges[index];
}

const struct fsm leader_fsm = {
    .noun = "leader",
    .state_names = leader_state_names,
    .state_count = LEADER_STATE_COUNT,
    .event_names = leader_event_names,
    .event_count = LEADER_EVENT_COUNT,
    .initial = LEADER_CAMPAIGNING,
    .terminal = leader_terminal,
    .edge_count = COUNT_OF(leader_edges),
    .edge_at = leader_edge_at,
};

enum leader_state leader_step(enum leader_state state, enum leader_event event)
{
    assert(state < LEADER_STATE_COUNT);
    assert(event < LEADER_EVENT_COUNT);
    for (size_t i = 0; i < COUNT_OF(leader_edges); i++) {
        if (leader_edges[i].from == (int)state && leader_edges[i].on == (int)event) {
            return (enum leader_state)leader_edges[i].to;
        }
    }
    return state;
}

const char *leader_state_name(enum leader_state state)
{
    assert(state < LEADER_STATE_COUNT);
    return leader_state_names[state];
}
