/* brain_metrics.h - the coordinator's series, kept up to date by its brain.
 *
 * Owned by the brain thread. */
#ifndef SKEIN_COORDINATOR_BRAIN_METRICS_H
#define SKEIN_COORDINATOR_BRAIN_METRICS_H

#include "common/core/metrics.h"
#include "coordinator/decide/fleet_view.h"
#include "coordinator/decide/leader.h"

struct brain_metrics;

struct brain_metrics *brain_metrics_new(struct metrics *metrics);
void brain_metrics_free(struct brain_metrics **metrics);

void brain_metrics_count_event(struct brain_metrics *metrics, enum event_type type);
void brain_metrics_update(struct brain_metrics *all, const struct fleet *fleet,
                          enum leader_state state, size_t mailbox_depth, size_t mailbox_bytes);

#endif
