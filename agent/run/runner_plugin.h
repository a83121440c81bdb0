/* runner_plugin.h - operations of the kind plugin: a shared object, in a process of its own, whose
 * SQL runs in one transaction of the tenant.
 *
 * The transaction also stores that it was applied, so a try after a lost COMMIT knows. */
#ifndef SKEIN_AGENT_RUN_RUNNER_PLUGIN_H
#define SKEIN_AGENT_RUN_RUNNER_PLUGIN_H

#include "agent/run/runner.h"

extern const struct runner runner_plugin;

#endif
