/* cmd_tenant.h - what the tenant verbs share.
 *
 * Main thread only. */
#ifndef SKEIN_COORDINATOR_CLI_CMD_TENANT_H
#define SKEIN_COORDINATOR_CLI_CMD_TENANT_H

#include <jansson.h>

#include "common/core/buf.h"
#include "coordinator/cli/cli.h"

/* "eu-1/t_7" as a selector of this one tenant; false after saying what is wrong with it. */
MUST_CHECK bool cmd_tenant_selector(const struct cli *cli, const char *tenant,
                                    struct buf *selector);

/* The tenants of a selector ("" for all) as `skein tenant list` shows them; an exit code.
 * *ret_tenants is a new array. Shards whose tenants are not known yet are named on stderr;
 * *ret_unknown (may be NULL) is how many. */
MUST_CHECK int cmd_tenant_find(struct cli *cli, const char *selector, json_t **ret_tenants,
                               size_t *ret_unknown);

#endif
