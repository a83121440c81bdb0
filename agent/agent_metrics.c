#include "agent/agent_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/memory.h"

struct agent_metrics {
    struct metric *states[UPLINK_STATE_COUNT];
    struct metric *tenants, *tasks, *mailbox, *lease, *workers;
    struct metric *results[TASK_MODE_COUNT][TASK_OUTCOME_COUNT];
    struct metric *seconds[TASK_MODE_COUNT];
};

struct agent_metrics *agent_metrics_new(struct metrics *metrics)
{
    struct agent_metrics *all = memory_alloc(sizeof(*all));
    char labels[128];

    for (int i = 0; i < UPLINK_STATE_COUNT; i++) {
        snprintf(labels, sizeof(labels), "state=\"%s\"", uplink_state_name((enum uplink_state)i));
        all->states[i] = metrics_get(metrics, METRIC_GAUGE, "skein_uplink", labels,
                                     "1 for the state of the line to the coordinator.");
    }
    all->tenants = metrics_get(metrics, METRIC_GAUGE, "skein_tenants", "", "Known tenants.");
    all->tasks = metrics_get(metrics, METRIC_GAUGE, "skein_tasks_in_flight", "",
                             "Tasks whose results are not acknowledged yet.");
    all->mailbox = metrics_get(metrics, METRIC_GAUGE, "skein_mailbox_depth", "",
                               "Events that wait for the brain.");
    all->lease = metrics_get(metrics, METRIC_GAUGE, "skein_lease_seconds", "",
                             "How much longer the session's lease holds.");
    all->workers = metrics_get(metrics, METRIC_GAUGE, "skein_workers_allowed", "",
                               "Workers that may work now; fewer while the server suffers.");
    for (int mode = 0; mode < TASK_MODE_COUNT; mode++) {
        const char *name = task_mode_name((enum task_mode)mode);
        snprintf(labels, sizeof(labels), "mode=\"%s\"", name);
        all->seconds[mode] = metrics_get(metrics, METRIC_HISTOGRAM, "skein_task_seconds", labels,
                                         "Time that a task took on a worker.");
        for (int outcome = 0; outcome < TASK_OUTCOME_COUNT; outcome++) {
            snprintf(labels, sizeof(labels), "mode=\"%s\",outcome=\"%s\"", name,
                     task_outcome_name((enum task_outcome)outcome));
            all->results[mode][outcome] = metrics_get(metrics, METRIC_COUNTER, "skein_tasks_total",
                                                      labels, "Tasks that have ended.");
        }
    }
    return all;
}

void agent_metrics_free(struct agent_metrics **metrics)
{
    free(*metrics);
    *metrics = NULL;
}

void agent_metrics_count_result(struct agent_metrics *metrics, const struct task_result *result)
{
    metric_add(metrics->results[result->mode][result->outcome], 1);
    metric_observe_us(metrics->seconds[result->mode], result->duration_us);
}

void agent_metrics_set_tenants(struct agent_metrics *metrics, size_t count)
{
    metric_set(metrics->tenants, (double)count);
}

void agent_metrics_update(struct agent_metrics *metrics, enum uplink_state state,
                          size_t tasks_in_flight, size_t mailbox_depth, uint64_t lease_ms)
{
    for (int i = 0; i < UPLINK_STATE_COUNT; i++) {
        metric_set(metrics->states[i], i == (int)state ? 1 : 0);
    }
    metric_set(metrics->tasks, (double)tasks_in_flight);
    metric_set(metrics->mailbox, (double)mailbox_depth);
    metric_set(metrics->lease, (double)lease_ms / 1000);
}

void agent_metrics_set_workers(struct agent_metrics *metrics, uint32_t allowed)
{
    metric_set(metrics->workers, (double)allowed);
}
