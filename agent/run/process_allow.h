/* process_allow.h - which programs and plugins the agent's own configuration lets sets run.
 *
 * Looks at the file system. Thread-safe. Without --allow-exec and --plugin-dir: none. */
#ifndef SKEIN_AGENT_RUN_PROCESS_ALLOW_H
#define SKEIN_AGENT_RUN_PROCESS_ALLOW_H

#include <stdbool.h>

#include "agent/run/executor_options.h"
#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"

/* The real path of `program`, an absolute path, in `arena`: every link on the way is followed, and
 * what it leads to must match one of --allow-exec, be executable, and not be writable by
 * everybody. The real path is what must be run. ERR_REFUSED says what is not allowed. */
MUST_CHECK bool process_allow_program(const struct executor_options *options, const char *program,
                                      struct arena *arena, const char **ret_path,
                                      struct error *err);
/* The same for a shared object in --plugin-dir, outside of which no link may lead. */
MUST_CHECK bool process_allow_plugin(const struct executor_options *options, const char *object,
                                     struct arena *arena, const char **ret_path, struct error *err);

#endif
