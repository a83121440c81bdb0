/* watch.h - following a rollout until it ends or waits for a person.
 *
 * Main thread only. Leaving never stops the work; a coordinator that restarts is waited for. */
#ifndef SKEIN_COORDINATOR_CLI_WATCH_H
#define SKEIN_COORDINATOR_CLI_WATCH_H

#include <jansson.h>

#include "coordinator/cli/cli.h"

enum watch_view {
    WATCH_LIVE,   /* one picture, drawn again in its place: for terminals */
    WATCH_LINES,  /* one line per second */
    WATCH_NDJSON, /* one object per change */
    WATCH_QUIET,  /* a sentence on stderr whenever the phase changes */
    WATCH_SILENT, /* nothing; the caller shows what it gets */
};

struct watch_request {
    const char *id;
    enum watch_view view;
    bool until_settled; /* also return when only a person can move it on */
};

/* The exit code; *ret_last is the last that was seen of it (shaped), or NULL; the caller owns it.
 */
int watch_run(struct cli *cli, const struct watch_request *request, json_t **ret_last);

#endif
