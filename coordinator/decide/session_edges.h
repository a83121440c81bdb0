/* session_edges.h - the table of a session's life.
 *
 * Pure. Only session.c uses it. */
#ifndef SKEIN_COORDINATOR_DECIDE_SESSION_EDGES_H
#define SKEIN_COORDINATOR_DECIDE_SESSION_EDGES_H

#include "coordinator/decide/session.h"

struct session_edge {
    struct fsm_edge edge;
    bool (*when)(const struct session *session);
};

/* The only place that sets session->state. False if the event means nothing in this state. */
bool session_step(struct session *session, enum session_event on);

#endif
