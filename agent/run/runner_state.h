/* runner_state.h - runs a `.state.yaml`: page after page of streams is folded and written.
 *
 * Blocks; used by a worker's thread inside a walk. */
#ifndef SKEIN_AGENT_RUN_RUNNER_STATE_H
#define SKEIN_AGENT_RUN_RUNNER_STATE_H

#include "agent/run/runner.h"

extern const struct runner runner_state;

#endif
