/* A plugin that folds streams, for test_states.py: it counts events, and misbehaves on demand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skein_migration.h"

static int fold(struct skein_context *context, const char *stream)
{
    char state[128];
    size_t events = 0;

    printf("this is no answer\n");
    if (strstr(stream, "\"dies\"") != NULL) {
        abort();
    }
    if (strstr(stream, "\"fails\"") != NULL) {
        return skein_fail(context, "no such \"account\"\n");
    }
    if (strstr(stream, "\"asks\"") != NULL && skein_exec(context, "SELECT 1") != 0) {
        return -1;
    }
    if (strstr(stream, "\"other\"") != NULL) {
        return 0;
    }
    for (const char *at = stream; (at = strstr(at, "\"sequence\"")) != NULL; at++) {
        events++;
    }
    snprintf(state, sizeof(state), "{\"events\":\n%zu, \"of\": \"%s\"}", events,
             skein_argument(context, 0));
    return skein_set_state(context, state);
}

const struct skein_fold skein_fold = { .abi = SKEIN_MIGRATION_ABI, .fold = fold };
