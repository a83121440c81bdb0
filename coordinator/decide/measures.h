/* measures.h - what the dry runs of a rollout have measured, all in all.
 *
 * Pure. Bounded: two histograms, and the measures of the MEASURE_WORST_MAX worst tenants. Durable
 * as one record beside the progress; sums of each shard are in its progress. A new leader that
 * looks at every tenant again begins anew. */
#ifndef SKEIN_COORDINATOR_DECIDE_MEASURES_H
#define SKEIN_COORDINATOR_DECIDE_MEASURES_H

#include <stdbool.h>

#include "common/core/arena.h"
#include "common/model/measure.h"

struct rollout;
struct step;
struct tenant_task;

/* One that is kept, in an arena of its own: a worse one takes its place. */
struct measures_kept {
    struct arena arena;
    const struct task_measure *measure;
};

struct measures {
    struct rollout_measures sum;                  /* `worst` points to `shown` */
    struct measures_kept kept[MEASURE_WORST_MAX]; /* the worst first */
    const struct task_measure *shown[MEASURE_WORST_MAX];
    bool dirty; /* not in the store yet */
};

void measures_release(struct measures *measures);

/* A dry run came to its end. One that failed for what was measured is kept among the worst, but not
 * counted until it has passed; a tenant is counted once. */
void measures_add(struct step *step, struct tenant_task *task, const struct task_measure *measure,
                  bool passed);
void measures_load(struct rollout *rollout, const struct rollout_measures *from);
/* Every tenant is looked at again. */
void measures_forget(struct step *step, struct rollout *rollout);
/* Writes the record if there is news. */
void measures_persist(struct step *step, struct rollout *rollout);

/* Range of how long the real run takes: each shard's dry runs one after another in its workers, or
 * in as many as the rollout allows; the slowest shard counts. Zeros where nothing was measured. */
void measures_estimate(const struct rollout *rollout, uint64_t *ret_min_ms, uint64_t *ret_max_ms);

#endif
