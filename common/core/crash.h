/* crash.h - named points at which a test makes the process die, or stand still.
 *
 * Thread-safe. Only in builds with SKEIN_CRASH_POINTS; elsewhere it costs nothing. The environment
 * variable SKEIN_CRASH_AT=name[:N] kills the process with SIGKILL the N-th time (default 1) that
 * the point is passed. SKEIN_PAUSE_AT=name[:N] stops all of it with SIGSTOP there; it goes on when
 * the test sends SIGCONT, however late that is. */
#ifndef SKEIN_COMMON_CORE_CRASH_H
#define SKEIN_COMMON_CORE_CRASH_H

#include <stdbool.h>

#ifdef SKEIN_CRASH_POINTS
void crash_point(const char *name);
/* Whether one of the variables names this point. */
bool crash_is_wanted(const char *name);
#else
static inline void crash_point(const char *name)
{
    (void)name;
}
static inline bool crash_is_wanted(const char *name)
{
    (void)name;
    return false;
}
#endif

#endif
