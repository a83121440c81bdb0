/* serve_check.h - holds the handlers against the protos, once, at start-up.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_SERVE_SERVE_CHECK_H
#define SKEIN_COORDINATOR_SERVE_SERVE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/error.h"
#include "common/rpc/rpc_server.h"

/* Every method of every service that the protos describe has one handler, and every handler is of
 * such a method. ERR_INTERNAL names the first that breaks this. */
MUST_CHECK bool serve_check(const struct rpc_method *methods, size_t count, struct error *err);

/* A service's full name is one of those served. */
bool serve_check_is_service(const char *name);

#endif
