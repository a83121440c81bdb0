/* measure_compare.h - what was measured in a dry run, held against what lint foresaw of its
 * scripts.
 *
 * Pure. Lint knows the catalog as the set's own scripts make it. Only what was there before the dry
 * run is compared, and only statements that were looked at by themselves. */
#ifndef SKEIN_AGENT_RUN_MEASURE_COMPARE_H
#define SKEIN_AGENT_RUN_MEASURE_COMPARE_H

#include "agent/run/measure_read.h"
#include "common/core/buf.h"
#include "common/lint/lint_run.h"

struct measure_compare {
    const struct lint_report *foreseen; /* of the whole set; empty: nothing is compared */
    const struct measure_live *live;    /* what was there before */
    size_t live_count;
    struct arena *arena; /* of the warnings */
    struct task_error *warnings;
    size_t warning_count; /* at most MEASURE_WARNINGS_MAX: without tenant and mode */
};

/* A measure_visit; `context` is a measure_compare. */
void measure_compare_visit(void *context, const struct measure_look *look,
                           const struct trace_measure *measure);

/* The first fix that lint knows for that statement; "" for none. */
const char *measure_compare_fix(const struct lint_report *foreseen, const char *file,
                                uint32_t statement);

#endif
