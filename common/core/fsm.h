/* fsm.h - checks and prints state machines that are tables.
 *
 * Pure. A machine's module keeps typed rows whose first member is a struct fsm_edge; it describes
 * them once as a struct fsm. Rows with the same (from, on) are tried in order; all but the last of
 * them have a guard, the last has none. */
#ifndef SKEIN_COMMON_CORE_FSM_H
#define SKEIN_COMMON_CORE_FSM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/buf.h"
#include "common/core/error.h"

struct fsm_edge {
    int from;
    int on;
    int to;
    const char *why; /* one short clause for logs and the diagram */
    bool guarded;    /* the row has a guard of its own */
};

struct fsm {
    const char *noun;
    const char *const *state_names;
    int state_count;
    const char *const *event_names;
    int event_count;
    int initial;
    const bool *terminal; /* per state: has no way out */
    size_t edge_count;
    const struct fsm_edge *(*edge_at)(size_t index);
};

/* Known states and events, `why` present, every state reachable, terminal states without a way out
 * and others with one, guards as described above. ERR_INTERNAL names the row. */
MUST_CHECK bool fsm_check(const struct fsm *fsm, struct error *err);

/* Mermaid's stateDiagram-v2. */
void fsm_print_mermaid(const struct fsm *fsm, struct buf *buf);

#endif
