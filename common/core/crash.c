#include "common/core/crash.h"

#ifdef SKEIN_CRASH_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void crash_point(const char *name)
{
    static _Atomic unsigned long passed;
    const char *wanted = getenv("SKEIN_CRASH_AT");
    size_t length = strlen(name);

    if (wanted == NULL || strncmp(wanted, name, length) != 0) {
        return;
    }
    unsigned long at = 1;
    if (wanted[length] == ':') {
        at = strtoul(wanted + length + 1, NULL, 10);
    } else if (wanted[length] != '\0') {
        return;
    }
    if (++passed == at) {
        kill(getpid(), SIGKILL);
    }
}

#endif
