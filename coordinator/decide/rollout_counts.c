#include "coordinator/decide/rollout_counts.h"

static void rollout_counts_add(struct rollout_counts *sum, const struct rollout_counts *counts,
                               uint64_t sign)
{
    sum->total += sign * counts->total;
    sum->queued += sign * counts->queued;
    sum->running += sign * counts->running;
    sum->migrated += sign * counts->migrated;
    sum->skipped += sign * counts->skipped;
    sum->failed += sign * counts->failed;
    sum->unknown += sign * counts->unknown;
    sum->rolled_back += sign * counts->rolled_back;
    sum->dry_run_passed += sign * counts->dry_run_passed;
}

void rollout_counts_forget(struct rollout *rollout, struct rollout_counts *counts)
{
    rollout_counts_add(&rollout->state.counts, counts, UINT64_MAX); /* minus one */
    *counts = (struct rollout_counts){ 0 };
}

void rollout_counts_take_over(struct rollout *rollout)
{
    rollout->state.counts = (struct rollout_counts){ 0 };
    for (size_t i = 0; i < rollout->progress_count; i++) {
        struct rollout_counts *counts = &rollout->progress[i].counts;
        if (!rollout->ran) {
            *counts = (struct rollout_counts){ 0 };
        }
        counts->unknown += counts->running;
        counts->running = 0;
        rollout_counts_add(&rollout->state.counts, counts, 1);
    }
}

void rollout_counts_settle_shard(struct rollout *rollout, struct shard_progress *progress)
{
    struct rollout_counts *counts = &progress->counts;

    rollout_counts_add(&rollout->state.counts, counts, UINT64_MAX);
    *(rollout->ran ? &counts->unknown : &counts->skipped) += counts->queued;
    counts->unknown += counts->running;
    counts->queued = 0;
    counts->running = 0;
    rollout_counts_add(&rollout->state.counts, counts, 1);
}

void rollout_counts_settle(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->progress_count; i++) {
        rollout_counts_settle_shard(rollout, &rollout->progress[i]);
    }
}
