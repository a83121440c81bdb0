#include "coordinator/decide/session_edges.h"

#include <assert.h>

static const char *const session_state_names[] = {
    [SESSION_NONE] = "NONE", [SESSION_GRANTING] = "GRANTING", [SESSION_STORING] = "STORING",
    [SESSION_LIVE] = "LIVE", [SESSION_DETACHED] = "DETACHED", [SESSION_ENDING] = "ENDING",
};
static_assert(COUNT_OF(session_state_names) == SESSION_STATE_COUNT, "every state has a name");

static const char *const session_event_names[] = {
    [SESSION_ON_HELLO] = "hello",     [SESSION_ON_GRANTED] = "granted",
    [SESSION_ON_REFUSED] = "refused", [SESSION_ON_STORED] = "stored",
    [SESSION_ON_ADOPTED] = "adopted", [SESSION_ON_LOADED] = "loaded",
    [SESSION_ON_CLOSED] = "closed",   [SESSION_ON_LEFT] = "left",
    [SESSION_ON_SILENT] = "silent",   [SESSION_ON_ENDED] = "ended",
};
static_assert(COUNT_OF(session_event_names) == SESSION_EVENT_COUNT, "every event has a name");

static bool session_has_link(const struct session *session)
{
    return session->link != NULL;
}

static const struct session_edge session_edges[] = {
    { { SESSION_NONE, SESSION_ON_HELLO, SESSION_GRANTING, "the shard is free", false }, NULL },
    { { SESSION_NONE, SESSION_ON_LOADED, SESSION_DETACHED, "it lives on from before", false },
      NULL },
    { { SESSION_GRANTING, SESSION_ON_GRANTED, SESSION_STORING, "its agent is there", true },
      session_has_link },
    { { SESSION_GRANTING, SESSION_ON_GRANTED, SESSION_ENDING, "its agent has gone", false }, NULL },
    { { SESSION_GRANTING, SESSION_ON_REFUSED, SESSION_NONE, "asked again later", false }, NULL },
    { { SESSION_GRANTING, SESSION_ON_ADOPTED, SESSION_GRANTING, "a new stream", false }, NULL },
    { { SESSION_GRANTING, SESSION_ON_CLOSED, SESSION_GRANTING, "the answer will come", false },
      NULL },
    { { SESSION_STORING, SESSION_ON_STORED, SESSION_LIVE, "now it may be told", false }, NULL },
    { { SESSION_STORING, SESSION_ON_ADOPTED, SESSION_STORING, "a new stream", false }, NULL },
    { { SESSION_STORING, SESSION_ON_CLOSED, SESSION_ENDING, "its agent was told nothing", false },
      NULL },
    { { SESSION_STORING, SESSION_ON_ENDED, SESSION_NONE, "the lease was too short", false }, NULL },
    { { SESSION_LIVE, SESSION_ON_ADOPTED, SESSION_LIVE, "a new stream", false }, NULL },
    { { SESSION_LIVE, SESSION_ON_CLOSED, SESSION_DETACHED, "it may come back", false }, NULL },
    { { SESSION_LIVE, SESSION_ON_LEFT, SESSION_ENDING, "nothing is under way there", false },
      NULL },
    { { SESSION_LIVE, SESSION_ON_SILENT, SESSION_ENDING, "no heartbeat for a lease", false },
      NULL },
    { { SESSION_LIVE, SESSION_ON_ENDED, SESSION_NONE, "the lease is gone", false }, NULL },
    { { SESSION_DETACHED, SESSION_ON_ADOPTED, SESSION_LIVE, "its agent is back", false }, NULL },
    { { SESSION_DETACHED, SESSION_ON_SILENT, SESSION_ENDING, "nobody came back", false }, NULL },
    { { SESSION_DETACHED, SESSION_ON_ENDED, SESSION_NONE, "the lease is gone", false }, NULL },
    { { SESSION_ENDING, SESSION_ON_ENDED, SESSION_NONE, "the shard is free", false }, NULL },
};

static const bool session_terminal[SESSION_STATE_COUNT] = { false };

static const struct fsm_edge *session_edge_at(size_t index)
{
    assert(index < COUNT_OF(session_edges));
    return &session_edges[index].edge;
}

const struct fsm session_fsm = {
    .noun = "session",
    .state_names = session_state_names,
    .state_count = SESSION_STATE_COUNT,
    .event_names = session_event_names,
    .event_count = SESSION_EVENT_COUNT,
    .initial = SESSION_NONE,
    .terminal = session_terminal,
    .edge_count = COUNT_OF(session_edges),
    .edge_at = session_edge_at,
};

bool session_step(struct session *session, enum session_event on)
{
    assert(on < SESSION_EVENT_COUNT);
    for (size_t i = 0; i < COUNT_OF(session_edges); i++) {
        const struct session_edge *edge = &session_edges[i];
        if (edge->edge.from == (int)session->state && edge->edge.on == (int)on &&
            (edge->when == NULL || edge->when(session))) {
            session->state = (enum session_state)edge->edge.to;
            return true;
        }
    }
    return false;
}
