#include "common/core/crash.h"

#ifdef SKEIN_CRASH_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Which passing of the point the variable means; 0 if it names another point, or none. */
static unsigned long crash_wanted_at(const char *variable, const char *name)
{
    const char *wanted = getenv(variable);
    size_t length = strlen(name);

    if (wanted == NULL || strncmp(wanted, name, length) != 0) {
        return 0;
    }
    if (wanted[length] == ':') {
        return strtoul(wanted + length + 1, NULL, 10);
    }
    return wanted[length] == '\0' ? 1 : 0;
}

bool crash_is_wanted(const char *name)
{
    return crash_wanted_at("SKEIN_CRASH_AT", name) > 0 ||
           crash_wanted_at("SKEIN_PAUSE_AT", name) > 0;
}

void crash_point(const char *name)
{
    static _Atomic unsigned long passed_to_die;
    static _Atomic unsigned long passed_to_stop;
    unsigned long die_at = crash_wanted_at("SKEIN_CRASH_AT", name);
    unsigned long stop_at = crash_wanted_at("SKEIN_PAUSE_AT", name);

    if (die_at > 0 && ++passed_to_die == die_at) {
        kill(getpid(), SIGKILL);
    }
    if (stop_at > 0 && ++passed_to_stop == stop_at) {
        kill(getpid(), SIGSTOP);
    }
}

#endif
