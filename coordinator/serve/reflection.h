/* reflection.h - grpc.reflection v1 and v1alpha: which services there are, and their protos.
 *
 * Immutable after reflection_new; handlers run on the rpc loop. The descriptors are embedded by the
 * build. */
#ifndef SKEIN_COORDINATOR_SERVE_REFLECTION_H
#define SKEIN_COORDINATOR_SERVE_REFLECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/rpc/rpc_server.h"

struct reflection;

struct reflection *reflection_new(void);
void reflection_free(struct reflection **pointer); /* after the server has stopped */

enum { REFLECTION_METHODS = 2 };
size_t reflection_methods(struct reflection *reflection,
                          struct rpc_method ret_methods[REFLECTION_METHODS]);

/* One ServerReflectionRequest -> one ServerReflectionResponse (the same in both versions of the
 * protocol), in the arena. What is not found is an answer, too; ERR_INVALID is for bytes that are
 * no request. */
MUST_CHECK bool reflection_answer(const struct reflection *reflection, struct bytes request,
                                  struct arena *arena, struct bytes *ret_response,
                                  struct error *err);

#endif
