#include <string.h>

#include "coordinator/decide/rollout.h"

#include "coordinator/decide/emit.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout_hook.h"
#include "coordinator/decide/wave.h"

void rollout_on_shard(struct step *step, struct shard *shard)
{
    for (size_t i = 0; i < step->fleet->rollout_count; i++) {
        struct rollout *rollout = step->fleet->rollouts[i];
        if (rollout_is_active(rollout) && rollout->open_now && !rollout->aborting &&
            part_find(shard, rollout) == NULL &&
            selector_may_match_shard(rollout->selector, shard->name, shard->labels)) {
            part_add(step, rollout, shard, false);
        }
    }
}

void rollout_on_tenant(struct step *step, struct tenant *tenant)
{
    for (struct part *part = tenant->shard->parts; part != NULL; part = part->next_of_shard) {
        if (part->planned && rollout_is_active(part->rollout)) {
            part_see(step, part, tenant);
        }
    }
}

void rollout_on_tenant_back(struct step *step, struct tenant *tenant)
{
    for (struct tenant_task *task = tenant->tasks; task != NULL; task = task->next_of_tenant) {
        if (rollout_is_active(task->part->rollout)) {
            part_doubt(step, task);
        }
    }
}

void rollout_on_tenant_gone(struct step *step, struct tenant *tenant)
{
    for (struct tenant_task *task = tenant->tasks; task != NULL; task = task->next_of_tenant) {
        part_unsee(step, task);
    }
}

void rollout_on_report(struct step *step, struct shard *shard)
{
    for (struct part *part = shard->parts; part != NULL; part = part->next_of_shard) {
        if (rollout_is_active(part->rollout)) {
            part_on_report(step, part);
        }
    }
    rollout_check_shard(step, shard);
    wave_dispatch_shard(step, shard);
}

void rollout_check_shard(struct step *step, struct shard *shard)
{
    struct part *next;

    /* A check may end a rollout and free its part. */
    for (struct part *part = shard->parts; part != NULL; part = next) {
        next = part->next_of_shard;
        rollout_check(step, part->rollout);
    }
}

void rollout_touch_shard(struct shard *shard)
{
    for (struct part *part = shard->parts; part != NULL; part = part->next_of_shard) {
        part->rollout->change++;
    }
}

void rollout_on_tick(struct step *step, struct rollout *rollout)
{
    if (!rollout_is_active(rollout)) {
        return;
    }
    for (size_t i = 0; i < rollout->part_count; i++) {
        part_wake(step, rollout->parts[i]);
    }
    wave_dispatch_rollout(step, rollout);
    rollout_hook_on_tick(step, rollout);
    rollout_check(step, rollout);
    rollout_persist_due(step, rollout, ROLLOUT_STATE_INTERVAL_MS);
}
