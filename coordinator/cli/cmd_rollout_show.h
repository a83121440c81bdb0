/* cmd_rollout_show.h - parts of the rollout verbs that others need.
 *
 * Main thread only. */
#ifndef SKEIN_COORDINATOR_CLI_CMD_ROLLOUT_SHOW_H
#define SKEIN_COORDINATOR_CLI_CMD_ROLLOUT_SHOW_H

#include <jansson.h>

#include "coordinator/cli/cli.h"

/* The rollout of the first argument, shaped, with at most so many errors (0: 1,000). An exit code;
 * the caller owns *ret_rollout when it is EXIT_CODE_DONE. */
int cmd_rollout_get(struct cli *cli, uint64_t errors_max, json_t **ret_rollout);

/* A new idempotency key. */
json_t *cmd_rollout_new_key(void);

#endif
