/* watch_facts.h - what a rollout is, who asked for it, and its numbers: three or four lines.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_CLI_WATCH_FACTS_H
#define SKEIN_COORDINATOR_CLI_WATCH_FACTS_H

#include <stdint.h>

#include <jansson.h>

#include "common/core/buf.h"
#include "coordinator/cli/style.h"

/* `rollout` is in the form of rollout_shape; `now_ms` is wall time. */
void watch_facts_draw(const json_t *rollout, const struct style *style, int64_t now_ms,
                      struct buf *buf);

#endif
