/* main.c of skein-helper: what an agent starts to run a program or a plugin. Not for people. */
#include <stdio.h>
#include <string.h>

#include "agent/helper/helper_fold.h"
#include "agent/helper/helper_frame.h"
#include "agent/helper/helper_host.h"
#include "agent/helper/helper_watch.h"

enum { EXIT_USAGE = 2 };

static const struct {
    const char *name;
    int (*run)(int word_count, char *words[]);
} main_jobs[] = {
    { "watch", helper_watch },
    { "start", helper_watch_become },
    { "host", helper_host },
    { "fold", helper_fold },
};

int main(int argc, char *argv[])
{
    for (size_t i = 0; argc > 2 && i < COUNT_OF(main_jobs); i++) {
        if (strcmp(argv[1], main_jobs[i].name) != 0) {
            continue;
        }
        if (strcmp(argv[2], HELPER_PROTOCOL) != 0) {
            fprintf(stderr, "skein-helper: the agent is of another release: restart it\n");
            return EXIT_USAGE;
        }
        return main_jobs[i].run(argc - 3, argv + 3);
    }
    fprintf(stderr, "skein-helper " SKEIN_VERSION ": started by skein-agent for operations of the "
                    "kinds exec, plugin and state; see skein-agent(8)\n");
    return EXIT_USAGE;
}
