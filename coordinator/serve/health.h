/* health.h - grpc.health.v1: SERVING while this coordinator leads.
 *
 * Handlers run on the rpc loop; health_set_serving comes from any thread. A coordinator that stands
 * by is NOT_SERVING, so that a load balancer sends everybody to the leader. */
#ifndef SKEIN_COORDINATOR_SERVE_HEALTH_H
#define SKEIN_COORDINATOR_SERVE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/rpc/rpc_server.h"

struct health;

struct health *health_new(void);
void health_free(struct health **pointer); /* after the server has stopped */

enum { HEALTH_METHODS = 2 };
size_t health_methods(struct health *health, struct rpc_method ret_methods[HEALTH_METHODS]);

/* Not serving at first. Watchers hear of a change at once. */
void health_set_serving(struct health *health, bool serving);
/* Not serving, for good: ends every Watch, also those that are still to come. */
void health_close(struct health *health);

#endif
