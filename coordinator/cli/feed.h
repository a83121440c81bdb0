/* feed.h - the newest message of a stream that stays open, for somebody who looks now and then.
 *
 * The rpc loop writes, the main thread reads; a slow reader misses the ones in between, which is
 * what somebody wants who draws pictures. */
#ifndef SKEIN_COORDINATOR_CLI_FEED_H
#define SKEIN_COORDINATOR_CLI_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "coordinator/cli/call.h"

struct feed;

enum feed_news {
    FEED_NOTHING, /* the wait is over */
    FEED_MESSAGE, /* *ret_message is the newest; the reader owns it */
    FEED_CLOSED,  /* *ret_end says how */
};

/* Opens the stream at the caller's current address. On failure it is as good as closed. */
MUST_CHECK bool feed_open(struct caller *caller, const char *method, const json_t *request,
                          struct feed **ret_feed, struct error *err);
enum feed_news feed_wait(struct feed *feed, uint64_t until_ms, json_t **ret_message,
                         struct rpc_end *ret_end);
/* Ends the stream, and the caller's connection with it, which is what makes sure that nothing
 * calls back any more. */
void feed_free(struct feed **feed);

#endif
