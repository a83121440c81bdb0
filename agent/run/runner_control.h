/* runner_control.h - operations of the scope control: done by the agent next to that database.
 *
 * See control_client.h. The position that it stores is the key by which the control database tells
 * this time from other times: the rollout that began it here. */
#ifndef SKEIN_AGENT_RUN_RUNNER_CONTROL_H
#define SKEIN_AGENT_RUN_RUNNER_CONTROL_H

#include "agent/run/runner.h"

extern const struct runner runner_control;

#endif
