/* watch_locks.h - the tenants that a rollout waits for: who has them, why, and for how long yet.
 *
 * Pure. `rollout` is in the form of rollout_shape; `now_ms` is wall time. */
#ifndef SKEIN_COORDINATOR_CLI_WATCH_LOCKS_H
#define SKEIN_COORDINATOR_CLI_WATCH_LOCKS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/core/buf.h"
#include "coordinator/cli/style.h"

enum { WATCH_LOCKS_SHOWN = 4 };

/* Nothing for a rollout that waits for none. */
void watch_locks_draw(const json_t *rollout, const struct style *style, int64_t now_ms,
                      struct buf *buf);
/* How many tenants it has skipped because somebody held them. */
uint64_t watch_locks_skipped(const json_t *rollout);

#endif
