/* helper_host.h - the process that loads a plugin and calls its functions.
 *
 * One thread. What the plugin sends goes to the agent on HELPER_FD_TALK, as frames; the agent runs
 * it in the tenant's transaction and answers. */
#ifndef SKEIN_AGENT_HELPER_HELPER_HOST_H
#define SKEIN_AGENT_HELPER_HELPER_HOST_H

/* The words: OBJECT (its path), TENANT, FROM, TARGET, "dry_run" or "run", ARGUMENTS... Loads the
 * object, says HELPER_FRAME_LOADED, and answers each HELPER_FRAME_CALL with a
 * HELPER_FRAME_RETURNED, until the agent closes. Returns the exit code. */
int helper_host(int word_count, char *words[]);

#endif
