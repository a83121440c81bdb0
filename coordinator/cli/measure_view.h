/* measure_view.h - what the dry runs of a rollout have measured, for people.
 *
 * Pure; `rollout` as rollout_shape has it. Nothing is written where nothing was measured. */
#ifndef SKEIN_COORDINATOR_CLI_MEASURE_VIEW_H
#define SKEIN_COORDINATOR_CLI_MEASURE_VIEW_H

#include <jansson.h>

#include "common/core/buf.h"
#include "coordinator/cli/style.h"

/* One line or two: the longest lock, and how long the real run takes. */
void measure_view_line(const json_t *rollout, struct buf *buf);

/* All of it: histogram, the worst tenants, and the statements of the worst. */
void measure_view_report(const json_t *rollout, const struct style *style, struct buf *buf);

#endif
