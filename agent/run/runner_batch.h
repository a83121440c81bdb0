/* runner_batch.h - runs a `.batch.sql`: chunk after chunk, each in a transaction of its own.
 *
 * Blocks; used by a worker's thread inside a walk. */
#ifndef SKEIN_AGENT_RUN_RUNNER_BATCH_H
#define SKEIN_AGENT_RUN_RUNNER_BATCH_H

#include "agent/run/runner.h"

extern const struct runner runner_batch;

#endif
