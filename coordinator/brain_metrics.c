#include "coordinator/brain_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/log.h"
#include "common/core/memory.h"

static const char *const event_names[EVENT_TYPE_COUNT] = {
    [EVENT_TICK] = "tick",
    [EVENT_LEADING] = "leading",
    [EVENT_DEPOSED] = "deposed",
    [EVENT_STORED] = "stored",
    [EVENT_LEASE_GRANTED] = "lease_granted",
    [EVENT_LEASE_KEPT] = "lease_kept",
    [EVENT_LEASE_ENDED] = "lease_ended",
    [EVENT_AGENT_MESSAGE] = "agent_message",
    [EVENT_AGENT_CLOSED] = "agent_closed",
    [EVENT_OPERATOR] = "operator",
    [EVENT_STORE_ANSWER] = "store_answer",
    [EVENT_QUERY] = "query",
    [EVENT_CALL_CLOSED] = "call_closed",
};

struct brain_metrics {
    struct metric *events[EVENT_TYPE_COUNT];
    struct metric *leading, *mailbox, *mailbox_bytes;
    struct metric *sessions, *standbys, *shards, *tenants;
    struct metric *locks_rollout, *locks_operator;
    struct metric *rollouts[ROLLOUT_PHASE_COUNT];
    struct metric *in_flight[TASK_MODE_COUNT];
    struct metric *results[TASK_MODE_COUNT][TASK_OUTCOME_COUNT];
    struct metric *log_lines[LOG_LEVEL_COUNT];
};

static struct metric *gauge(struct metrics *metrics, const char *name, const char *labels,
                            const char *help)
{
    return metrics_get(metrics, METRIC_GAUGE, name, labels, help);
}

static void brain_metrics_make_tasks(struct brain_metrics *all, struct metrics *metrics)
{
    char labels[128];

    for (int mode = 0; mode < TASK_MODE_COUNT; mode++) {
        const char *mode_name = task_mode_name((enum task_mode)mode);
        snprintf(labels, sizeof(labels), "mode=\"%s\"", mode_name);
        all->in_flight[mode] = gauge(metrics, "skein_tasks_in_flight", labels,
                                     "Tasks that agents work on or have queued.");
        for (int outcome = 0; outcome < TASK_OUTCOME_COUNT; outcome++) {
            snprintf(labels, sizeof(labels), "mode=\"%s\",outcome=\"%s\"", mode_name,
                     task_outcome_name((enum task_outcome)outcome));
            all->results[mode][outcome] =
                gauge(metrics, "skein_task_results", labels,
                      "Results that came in since this coordinator leads.");
        }
    }
}

struct brain_metrics *brain_metrics_new(struct metrics *metrics)
{
    struct brain_metrics *all = memory_alloc(sizeof(*all));
    static const char *const levels[] = { "debug", "info", "warning", "error" };
    char labels[128];

    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        snprintf(labels, sizeof(labels), "type=\"%s\"", event_names[i]);
        all->events[i] = metrics_get(metrics, METRIC_COUNTER, "skein_events_total", labels,
                                     "Events that the brain has taken in.");
    }
    all->leading = gauge(metrics, "skein_leading", "", "1 while this coordinator leads.");
    all->mailbox = gauge(metrics, "skein_mailbox_depth", "", "Events that wait for the brain.");
    all->mailbox_bytes =
        gauge(metrics, "skein_mailbox_bytes", "", "What the events that wait for the brain hold.");
    all->sessions = gauge(metrics, "skein_agent_sessions", "", "Agents that work for a shard.");
    all->standbys = gauge(metrics, "skein_agent_standbys", "", "Agents that stand by.");
    all->shards = gauge(metrics, "skein_shards", "", "Known shards.");
    all->tenants = gauge(metrics, "skein_tenants", "", "Known tenants.");
    all->locks_rollout = gauge(metrics, "skein_locks", "owner=\"rollout\"", "Locked tenants.");
    all->locks_operator = gauge(metrics, "skein_locks", "owner=\"operator\"", "Locked tenants.");
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++) {
        snprintf(labels, sizeof(labels), "phase=\"%s\"", rollout_phase_name((enum rollout_phase)i));
        all->rollouts[i] = gauge(metrics, "skein_rollouts", labels, "Rollouts by phase.");
    }
    brain_metrics_make_tasks(all, metrics);
    for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
        snprintf(labels, sizeof(labels), "level=\"%s\"", levels[i]);
        all->log_lines[i] = gauge(metrics, "skein_log_lines", labels, "Lines logged.");
    }
    return all;
}

void brain_metrics_free(struct brain_metrics **metrics)
{
    free(*metrics);
    *metrics = NULL;
}

void brain_metrics_count_event(struct brain_metrics *metrics, enum event_type type)
{
    metric_add(metrics->events[type], 1);
}

void brain_metrics_update(struct brain_metrics *all, const struct fleet *fleet,
                          enum leader_state state, size_t mailbox_depth, size_t mailbox_bytes)
{
    struct fleet_numbers numbers;

    fleet_numbers(fleet, &numbers);
    metric_set(all->leading, state == LEADER_LEADING ? 1 : 0);
    metric_set(all->mailbox, (double)mailbox_depth);
    metric_set(all->mailbox_bytes, (double)mailbox_bytes);
    metric_set(all->sessions, (double)numbers.sessions);
    metric_set(all->standbys, (double)numbers.standbys);
    metric_set(all->shards, (double)numbers.shards);
    metric_set(all->tenants, (double)numbers.tenants);
    metric_set(all->locks_rollout, (double)numbers.locks_rollout);
    metric_set(all->locks_operator, (double)numbers.locks_operator);
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++) {
        metric_set(all->rollouts[i], (double)numbers.rollouts[i]);
    }
    for (int mode = 0; mode < TASK_MODE_COUNT; mode++) {
        metric_set(all->in_flight[mode], (double)numbers.tasks_in_flight[mode]);
        for (int outcome = 0; outcome < TASK_OUTCOME_COUNT; outcome++) {
            metric_set(all->results[mode][outcome], (double)numbers.task_results[mode][outcome]);
        }
    }
    for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
        metric_set(all->log_lines[i], (double)log_count((enum log_level)i));
    }
}
