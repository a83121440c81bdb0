/* watch_shards.h - one line and one bar per shard, the ones that matter first.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_CLI_WATCH_SHARDS_H
#define SKEIN_COORDINATOR_CLI_WATCH_SHARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/core/buf.h"
#include "coordinator/cli/style.h"

enum { WATCH_SHARDS_SHOWN = 20 };

/* How many tenants of these counts need no more work in this phase. */
uint64_t watch_shards_done(const json_t *counts, bool dry_run);

/* Failed ones first, then those that have most to do, then the finished; what is beyond `lines_max`
 * is folded into one line. Nothing for a rollout without shards. */
void watch_shards_draw(const json_t *rollout, const struct style *style, size_t lines_max,
                       struct buf *buf);

#endif
