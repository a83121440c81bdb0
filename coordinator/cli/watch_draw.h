/* watch_draw.h - a rollout as people want to see it: is it moving, waiting or broken, and if
 * waiting, for what; counts, shards, failures by cause, and what to do next.
 *
 * Pure. `rollout` is in the form of rollout_shape; `now_ms` is wall time. */
#ifndef SKEIN_COORDINATOR_CLI_WATCH_DRAW_H
#define SKEIN_COORDINATOR_CLI_WATCH_DRAW_H

#include <stdint.h>

#include <jansson.h>

#include "common/core/buf.h"
#include "coordinator/cli/style.h"

/* One line without its end: "moving: 43 of 100 tenants migrated, 41.2/s, 1m 10s to 2m 00s left". */
void watch_draw_headline(const json_t *rollout, const struct style *style, int64_t now_ms,
                         struct buf *buf);

/* The whole picture, for `rollout status` and `rollout watch`; at most the style's height. */
void watch_draw_status(const json_t *rollout, const struct style *style, int64_t now_ms,
                       struct buf *buf);

/* One line of key=value pairs, for logs. */
void watch_draw_line(const json_t *rollout, int64_t now_ms, struct buf *buf);

/* The parts that `rollout report` shows too. */
void watch_draw_failures(const json_t *rollout, const struct style *style, size_t groups_max,
                         struct buf *buf);
void watch_draw_next(const json_t *rollout, const struct style *style, struct buf *buf);

#endif
