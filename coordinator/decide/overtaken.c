#include "coordinator/decide/overtaken.h"

#include <string.h>

#include "coordinator/decide/emit.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"

/* The rollout that moved it last, if that is another one that is still known. The younger ones are:
 * the oldest are forgotten first. */
static const struct rollout *overtaken_find(const struct fleet *fleet,
                                            const struct rollout *rollout,
                                            const struct tenant *tenant)
{
    const struct set_version *version = registry_version(tenant, rollout->spec.set);

    if (version == NULL || version->version[0] == '\0' || version->rollout[0] == '\0' ||
        strcmp(version->rollout, rollout->spec.id) == 0) {
        return NULL;
    }
    return rollout_find(fleet, version->rollout);
}

bool overtaken_is(const struct fleet *fleet, const struct rollout *rollout,
                  const struct tenant *tenant)
{
    const struct rollout *other = overtaken_find(fleet, rollout, tenant);

    return other != NULL && other->number > rollout->number;
}

void overtaken_expect(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->progress_count; i++) {
        struct shard_progress *progress = &rollout->progress[i];
        progress->expected = progress->counts.migrated;
        progress->overtaken = 0;
    }
    rollout->progress_dirty = true; /* written with the phase: the next leader may have to count */
}

/* It cannot be given anything of this rollout, or needs nothing. Settled it need not be: the
 * younger rollout's token keeps out whatever this one may have under way. */
static bool overtaken_fits(const struct fleet *fleet, const struct rollout *rollout,
                           const struct tenant_task *task)
{
    bool fails = task->state == TENANT_TASK_FAILED ||
                 (task->mode == TASK_SETTLE && task->end == TENANT_TASK_END_FAIL);

    if (task->state == TENANT_TASK_SKIPPED) {
        return overtaken_find(fleet, rollout, task->tenant) != NULL;
    }
    return fails && overtaken_is(fleet, rollout, task->tenant);
}

void overtaken_count(struct step *step, struct part *part)
{
    struct rollout *rollout = part->rollout;
    struct shard_progress *progress = &rollout->progress[part->progress];

    if (rollback_is_on(rollout) || progress->expected + progress->overtaken == 0) {
        return;
    }
    if (progress->expected > 0) {
        /* Written before the first of its tasks is locked: from then on the journals say more. */
        uint64_t found = progress->counts.migrated;
        progress->overtaken = progress->expected > found ? progress->expected - found : 0;
        progress->expected = 0;
    }
    uint64_t left = progress->overtaken;
    for (size_t i = 0; i < part->shard->tenant_count && left > 0; i++) {
        struct tenant_task *task = tenant_task_find(part->shard->tenants[i], rollout);
        if (task != NULL && overtaken_fits(step->fleet, rollout, task)) {
            task->end = TENANT_TASK_END_NONE;
            part_succeed(step, task);
            left--;
        }
    }
    emit_put_progress(step, rollout->spec.id, progress);
}
