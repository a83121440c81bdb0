/* rollout_counts.h - a rollout's numbers: those of its shards, which always add up to its own.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_ROLLOUT_COUNTS_H
#define SKEIN_COORDINATOR_DECIDE_ROLLOUT_COUNTS_H

#include "coordinator/decide/rollout.h"

/* Takes a shard's numbers out, here and there. */
void rollout_counts_forget(struct rollout *rollout, struct rollout_counts *counts);
/* Until its shards report, the numbers of one that is opened again are those of the last write. */
void rollout_counts_take_over(struct rollout *rollout);
/* Nothing more will be heard of this shard: what was to be done there may have been done. */
void rollout_counts_settle_shard(struct rollout *rollout, struct shard_progress *progress);
/* The same for all of them, at the end. */
void rollout_counts_settle(struct rollout *rollout);

#endif
