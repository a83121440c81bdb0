#include "common/core/fsm.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

static bool fsm_check_edge(const struct fsm *fsm, size_t index, struct error *err)
{
    const struct fsm_edge *edge = fsm->edge_at(index);

    if (edge->from < 0 || edge->from >= fsm->state_count || edge->to < 0 ||
        edge->to >= fsm->state_count) {
        return error_set(err, ERR_INTERNAL, "%s row %zu: unknown state", fsm->noun, index);
    }
    if (edge->on < 0 || edge->on >= fsm->event_count) {
        return error_set(err, ERR_INTERNAL, "%s row %zu: unknown event", fsm->noun, index);
    }
    if (edge->why == NULL || edge->why[0] == '\0') {
        return error_set(err, ERR_INTERNAL, "%s row %zu: no reason given", fsm->noun, index);
    }
    if (fsm->terminal[edge->from]) {
        return error_set(err, ERR_INTERNAL, "%s row %zu: leaves the end state %s", fsm->noun, index,
                         fsm->state_names[edge->from]);
    }
    return true;
}

/* All but the last row of one (from, on) have a guard; the last has none. */
static bool fsm_check_guards(const struct fsm *fsm, size_t index, struct error *err)
{
    const struct fsm_edge *edge = fsm->edge_at(index);
    bool last = true;

    for (size_t i = index + 1; i < fsm->edge_count; i++) {
        const struct fsm_edge *other = fsm->edge_at(i);
        if (other->from == edge->from && other->on == edge->on) {
            last = false;
        }
    }
    if (last == edge->guarded) {
        return error_set(err, ERR_INTERNAL, "%s row %zu (%s on %s): %s", fsm->noun, index,
                         fsm->state_names[edge->from], fsm->event_names[edge->on],
                         last ? "the last row has a guard" : "rows after it are never tried");
    }
    return true;
}

static bool fsm_check_reach(const struct fsm *fsm, struct error *err)
{
    CLEANUP(memory_free) bool *seen = memory_alloc_array((size_t)fsm->state_count, sizeof(bool));
    bool grew = true;

    seen[fsm->initial] = true;
    while (grew) {
        grew = false;
        for (size_t i = 0; i < fsm->edge_count; i++) {
            const struct fsm_edge *edge = fsm->edge_at(i);
            if (seen[edge->from] && !seen[edge->to]) {
                seen[edge->to] = true;
                grew = true;
            }
        }
    }
    for (int state = 0; state < fsm->state_count; state++) {
        bool leaves = false;
        for (size_t i = 0; i < fsm->edge_count; i++) {
            leaves = leaves || fsm->edge_at(i)->from == state;
        }
        if (!seen[state]) {
            return error_set(err, ERR_INTERNAL, "%s: state %s is never reached", fsm->noun,
                             fsm->state_names[state]);
        }
        if (!leaves && !fsm->terminal[state]) {
            return error_set(err, ERR_INTERNAL, "%s: state %s has no way out", fsm->noun,
                             fsm->state_names[state]);
        }
    }
    return true;
}

bool fsm_check(const struct fsm *fsm, struct error *err)
{
    for (size_t i = 0; i < fsm->edge_count; i++) {
        if (!fsm_check_edge(fsm, i, err) || !fsm_check_guards(fsm, i, err)) {
            return false;
        }
    }
    return fsm_check_reach(fsm, err);
}

void fsm_print_mermaid(const struct fsm *fsm, struct buf *buf)
{
    buf_printf(buf, "stateDiagram-v2\n    [*] --> %s\n", fsm->state_names[fsm->initial]);
    for (size_t i = 0; i < fsm->edge_count; i++) {
        const struct fsm_edge *edge = fsm->edge_at(i);
        buf_printf(buf, "    %s --> %s: %s%s (%s)\n", fsm->state_names[edge->from],
                   fsm->state_names[edge->to], fsm->event_names[edge->on], edge->guarded ? "?" : "",
                   edge->why);
    }
    for (int state = 0; state < fsm->state_count; state++) {
        if (fsm->terminal[state]) {
            buf_printf(buf, "    %s --> [*]\n", fsm->state_names[state]);
        }
    }
}
