/* http_server.h - the small HTTP port of a program: /healthz, /readyz, /metrics.
 *
 * Its own thread (libmicrohttpd). Answers GET and HEAD only; anything else is 404 or 405. */
#ifndef SKEIN_COMMON_HTTP_HTTP_SERVER_H
#define SKEIN_COMMON_HTTP_HTTP_SERVER_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/metrics.h"

struct http_server;

struct http_server_options {
    const char *listen; /* HOST:PORT; port 0 chooses one */
    struct metrics *metrics;
    /* Called on the server's thread. True: 200 "ok"; false: 503 with one line of `reason`. */
    bool (*is_healthy)(void *context, char reason[256]);
    bool (*is_ready)(void *context, char reason[256]);
    void *context;
};

MUST_CHECK bool http_server_start(const struct http_server_options *options,
                                  struct http_server **ret_server, struct error *err);
int http_server_port(const struct http_server *server);
void http_server_free(struct http_server **server);

#endif
