/* crash.h - named points at which a test makes the process die.
 *
 * Thread-safe. Only in builds with SKEIN_CRASH_POINTS; elsewhere it costs nothing. The environment
 * variable SKEIN_CRASH_AT=name[:N] kills the process with SIGKILL the N-th time (default 1) that
 * the point is passed. */
#ifndef SKEIN_COMMON_CORE_CRASH_H
#define SKEIN_COMMON_CORE_CRASH_H

#ifdef SKEIN_CRASH_POINTS
void crash_point(const char *name);
#else
static inline void crash_point(const char *name)
{
    (void)name;
}
#endif

#endif
