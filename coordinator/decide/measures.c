#include "coordinator/decide/measures.h"

#include <string.h>

#include "coordinator/decide/emit.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"

void measures_release(struct measures *measures)
{
    for (size_t i = 0; i < measures->sum.worst_count; i++) {
        arena_release(&measures->kept[i].arena);
    }
    *measures = (struct measures){ 0 };
}

static void measures_show(struct measures *measures)
{
    for (size_t i = 0; i < measures->sum.worst_count; i++) {
        measures->shown[i] = measures->kept[i].measure;
    }
    measures->sum.worst = measures->shown;
}

static void measures_drop(struct measures *measures, size_t index)
{
    arena_release(&measures->kept[index].arena);
    const size_t behind = --measures->sum.worst_count - index;
    memmove(&measures->kept[index], &measures->kept[index + 1], behind * sizeof(measures->kept[0]));
    measures->kept[measures->sum.worst_count] = (struct measures_kept){ 0 };
}

/* Among the worst, if it is one of them; what was known of the tenant before is old. */
static void measures_keep(struct measures *measures, const struct task_measure *measure)
{
    size_t place = 0;

    for (size_t i = 0; i < measures->sum.worst_count; i++) {
        if (strcmp(measures->kept[i].measure->tenant, measure->tenant) == 0) {
            measures_drop(measures, i);
            break;
        }
    }
    while (place < measures->sum.worst_count &&
           measure_compare(measures->kept[place].measure, measure) < 0) {
        place++;
    }
    if (place < MEASURE_WORST_MAX) {
        if (measures->sum.worst_count == MEASURE_WORST_MAX) {
            measures_drop(measures, MEASURE_WORST_MAX - 1);
        }
        for (size_t i = measures->sum.worst_count; i > place; i--) {
            measures->kept[i] = measures->kept[i - 1];
        }
        struct measures_kept kept = { 0 };
        kept.measure = measure_copy(&kept.arena, measure);
        measures->kept[place] = kept;
        measures->sum.worst_count++;
    }
    measures_show(measures);
}

void measures_add(struct step *step, struct tenant_task *task, const struct task_measure *measure,
                  bool passed)
{
    struct rollout *rollout = task->part->rollout;
    struct measures *measures = &rollout->measures;
    struct shard_progress *progress = &rollout->progress[task->part->progress];
    struct task_measure named = *measure;

    named.tenant = part_path(step, task);
    measures_keep(measures, &named);
    measures->dirty = true;
    /* Behind the barrier tenants are looked at again that nobody remembers to have looked at. */
    if (passed && !task->measured && !rollout->ran) {
        task->measured = true;
        measures->sum.tenants++;
        measures->sum.took[measure_bucket(measure->took_us)]++;
        measures->sum.blocked[measure_bucket(measure->blocked_us)]++;
        progress->measured++;
        progress->measured_us += measure->took_us;
        if (measure->took_us > progress->measured_max_us) {
            progress->measured_max_us = measure->took_us;
        }
    }
}

void measures_load(struct rollout *rollout, const struct rollout_measures *from)
{
    struct measures *measures = &rollout->measures;

    measures_release(measures);
    for (size_t i = 0; i < from->worst_count; i++) {
        measures_keep(measures, from->worst[i]);
    }
    measures->sum.tenants = from->tenants;
    memcpy(measures->sum.took, from->took, sizeof(from->took));
    memcpy(measures->sum.blocked, from->blocked, sizeof(from->blocked));
}

void measures_forget(struct step *step, struct rollout *rollout)
{
    bool any = rollout->measures.sum.tenants > 0 || rollout->measures.sum.worst_count > 0;

    measures_release(&rollout->measures);
    for (size_t i = 0; i < rollout->progress_count; i++) {
        rollout->progress[i].measured = 0;
        rollout->progress[i].measured_us = 0;
        rollout->progress[i].measured_max_us = 0;
    }
    if (any) {
        emit_delete(step, RECORD_MEASURES, rollout->spec.id, "");
    }
}

void measures_persist(struct step *step, struct rollout *rollout)
{
    if (rollout->measures.dirty) {
        rollout->measures.dirty = false;
        emit_put_measures(step, rollout->spec.id, &rollout->measures.sum);
    }
}

static uint64_t measures_slots(const struct rollout *rollout, const struct part *part)
{
    const struct agent_link *link = part->shard->session.link;
    uint64_t slots = link == NULL || link->workers == 0 ? 1 : link->workers;
    uint32_t allowed = rollout->spec.concurrency_per_shard;

    return allowed > 0 && allowed < slots ? allowed : slots;
}

void measures_estimate(const struct rollout *rollout, uint64_t *ret_min_ms, uint64_t *ret_max_ms)
{
    uint64_t slowest_us = 0;
    uint64_t longest_us = 0;
    uint64_t sum_us = 0;

    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct shard_progress *progress = &rollout->progress[rollout->parts[i]->progress];
        uint64_t shard_us = progress->measured_us / measures_slots(rollout, rollout->parts[i]);

        slowest_us = shard_us > slowest_us ? shard_us : slowest_us;
        if (progress->measured_max_us > longest_us) {
            longest_us = progress->measured_max_us;
        }
        sum_us += progress->measured_us;
    }
    if (rollout->spec.concurrency > 0 && sum_us / rollout->spec.concurrency > slowest_us) {
        slowest_us = sum_us / rollout->spec.concurrency;
    }
    slowest_us = longest_us > slowest_us ? longest_us : slowest_us;
    *ret_min_ms = (slowest_us + 999) / 1000;
    /* Commits have to reach the disk, and the longest may come last. */
    *ret_max_ms = sum_us == 0 ? 0 : (3 * slowest_us / 2 + longest_us + 999) / 1000;
}
