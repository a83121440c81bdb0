/* runner_exec.h - operations of the kind exec: a program beside the agent.
 *
 * What the program does is its own business, so nobody can say how far one came that was killed:
 * after a crash it is called again, with SKEIN_STARTED_BEFORE=1. */
#ifndef SKEIN_AGENT_RUN_RUNNER_EXEC_H
#define SKEIN_AGENT_RUN_RUNNER_EXEC_H

#include "agent/run/runner.h"

extern const struct runner runner_exec;

#endif
