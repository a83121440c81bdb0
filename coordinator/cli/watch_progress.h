/* watch_progress.h - operations of a rollout that take long: how far each is.
 *
 * Pure. `rollout` is in the form of rollout_shape. */
#ifndef SKEIN_COORDINATOR_CLI_WATCH_PROGRESS_H
#define SKEIN_COORDINATOR_CLI_WATCH_PROGRESS_H

#include <jansson.h>

#include "common/core/buf.h"
#include "coordinator/cli/style.h"

enum { WATCH_PROGRESS_SHOWN = 4 };

/* Nothing where there is none. */
void watch_progress_draw(const json_t *rollout, struct buf *buf);

#endif
