/* helper_watch.h - the process between the agent and a program that a migration runs.
 *
 * One thread. It starts the program in a process group and an empty folder of its own, passes on
 * nothing but standard streams, and outlives it: when the program ends it kills what that has left
 * behind, removes the folder and tells the agent. It ends the program when the agent says so, when
 * the agent is gone (HELPER_FD_CONTROL closes) and, without a word from an agent that stands still,
 * at the deadline that the agent has given last. */
#ifndef SKEIN_AGENT_HELPER_HELPER_WATCH_H
#define SKEIN_AGENT_HELPER_HELPER_WATCH_H

/* The words: DEADLINE (ms by the monotonic clock), "talk" or "mute" (whether the program gets
 * HELPER_FD_TALK), PROGRAM, ARGUMENTS... `words` ends in NULL. Returns the exit code. */
int helper_watch(int word_count, char *words[]);

/* What helper_watch starts, because posix_spawn cannot do it: asks the kernel to kill this process
 * when the watcher dies, and becomes the program. The words: PARENT, PROGRAM, ARGUMENTS... Returns
 * only when that fails; the errno is written to HELPER_FD_CONTROL. */
int helper_watch_become(int word_count, char *words[]);

#endif
