/* operator_view.h - what the fleet shows (fleet_view.h) as the messages that operators get.
 *
 * Pure. Messages live in the arena and borrow the fleet's texts: use them before the next step. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_VIEW_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_VIEW_H

#include "common/core/arena.h"
#include "coordinator/decide/fleet_view.h"
#include "skein/v1/operator.pb-c.h"

/* Without errors, warnings and shards. */
Skein__V1__Rollout *operator_view_rollout(const struct rollout_view *view, struct arena *arena);
/* Adds at most `errors_max` errors and warnings (0: ERRORS_PER_REPORT_DEFAULT), and the shards;
 * fewer where they would not fit into one message. */
void operator_view_add_lists(Skein__V1__Rollout *rollout, const struct rollout_view *view,
                             uint32_t errors_max, struct arena *arena);
Skein__V1__ShardStatus *operator_view_shard(const struct shard_view *view, struct arena *arena);
Skein__V1__Tenant *operator_view_tenant(const struct tenant_view *view, struct arena *arena);
/* Where the tenant would go: `target` is a version that plan_check_target gave, `baseline` "" or
 * one that plan_check_baseline has passed. */
Skein__V1__PlannedTenant *operator_view_plan(const struct tenant_view *view, const struct set *set,
                                             const char *target, const char *baseline,
                                             struct arena *arena);
Skein__V1__GetSetResponse *operator_view_set(const struct set *set, const struct set_head *head,
                                             struct arena *arena);

#endif
