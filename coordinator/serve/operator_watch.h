/* operator_watch.h - WatchRollout: a rollout now, then whenever it has changed, until it ends.
 *
 * Brain thread only; a function for `next` of struct operator_stream. A watcher that reads slowly
 * misses what lies between, never the end. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_WATCH_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_WATCH_H

#include "coordinator/serve/operator_stream.h"

bool operator_watch_next(struct operator_stream *stream, const struct fleet *fleet,
                         uint64_t now_ms);

#endif
