/* process_words.h - the environment of a program that an operation runs.
 *
 * Pure but for the connection, which it asks where it leads. */
#ifndef SKEIN_AGENT_RUN_PROCESS_WORDS_H
#define SKEIN_AGENT_RUN_PROCESS_WORDS_H

#include <stddef.h>

#include "agent/run/runner.h"
#include "common/model/set_process.h"

/* The path, then the arguments, then a NULL; in the call's arena. */
const char *const *process_words(const struct runner_call *call, const char *path,
                                 const struct set_process *process);

/* All of a program's environment, up to a NULL, in the call's arena: PATH, LANG, SKEIN_..., the
 * tenant's SKEIN_DSN and PGPASSWORD, and what its file adds or changes. (HOME and TMPDIR, its own
 * empty folder, are added by skein-helper.) ERR_LIMIT. */
MUST_CHECK bool process_words_environment(const struct runner_call *call,
                                          const struct set_process *process,
                                          const char *const **ret_environment, struct error *err);
/* The same of a program that has no business in a database: without SKEIN_DSN and PGPASSWORD. */
const char *const *process_words_alone(const struct runner_call *call,
                                       const struct set_process *process);
/* That of a plugin's host, which connects to nothing. */
const char *const *process_words_host_environment(const struct runner_call *call);

/* The application_name of the sessions that the program opens with SKEIN_DSN: they can be told from
 * all others, and ended when the program is gone. */
const char *process_words_application(const struct runner_call *call);

#endif
