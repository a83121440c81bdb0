/* quiet_rollout.h - a rollout that a command starts and waits for without showing it, because what
 * the user asked for is one thing (a baseline, a tenant to be made) and its outcome the answer. */
#ifndef SKEIN_COORDINATOR_CLI_QUIET_ROLLOUT_H
#define SKEIN_COORDINATOR_CLI_QUIET_ROLLOUT_H

#include <jansson.h>

#include "coordinator/cli/cli.h"

/* Sends `request` (taken over; with an idempotency key, as it may be repeated) and waits until the
 * rollout has settled. Returns the exit code. *ret_rollout is what is known of it then, for the
 * caller to print and to release; NULL where the caller has nothing to say any more: it was
 * refused, was not heard of again, or --timeout ended. */
int quiet_rollout_run(struct cli *cli, json_t *request, json_t **ret_rollout);

#endif
