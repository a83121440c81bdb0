/* agent_metrics.h - the agent's series, kept up to date by its brain. Brain thread. */
#ifndef SKEIN_AGENT_AGENT_METRICS_H
#define SKEIN_AGENT_AGENT_METRICS_H

#include <stddef.h>

#include "agent/decide/uplink.h"
#include "common/core/metrics.h"
#include "common/model/message.h"

struct agent_metrics;

struct agent_metrics *agent_metrics_new(struct metrics *metrics);
void agent_metrics_free(struct agent_metrics **metrics);

void agent_metrics_count_result(struct agent_metrics *metrics, const struct task_result *result);
void agent_metrics_set_tenants(struct agent_metrics *metrics, size_t count);
void agent_metrics_set_workers(struct agent_metrics *metrics, uint32_t allowed);
void agent_metrics_update(struct agent_metrics *metrics, enum uplink_state state,
                          size_t tasks_in_flight, size_t mailbox_depth, uint64_t lease_ms);

#endif
