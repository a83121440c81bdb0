/* census.h - tenants grouped by what their schemas are.
 *
 * Main thread only. Agents read the schemas now, SCHEMAS_PER_CALL_MAX tenants at a time. */
#ifndef SKEIN_COORDINATOR_CLI_CENSUS_H
#define SKEIN_COORDINATOR_CLI_CENSUS_H

#include <stdbool.h>

#include <jansson.h>

#include "coordinator/cli/cli.h"

/* Of an array of tenants as cmd_tenant_find gives them: each gets "digest", or "error" where its
 * schema could not be read. An exit code. */
MUST_CHECK int census_read(struct cli *cli, json_t *tenants);

/* New array of classes, that of the tenant `reference` first ("": none), then by size: {"digest",
 * "count", "tenants": [names], "versions":
 * {"billing 1.0.0": 7}, "shards": {"eu-1": 7}}. */
json_t *census_classes(const json_t *tenants, const char *reference);

/* Whether it is a tenant of the class. */
bool census_has(const json_t *class, const char *tenant);

/* Each class gets "differences" to the first one, as schema_diff; at most CENSUS_DIFFS_MAX classes
 * are compared. An exit code. */
enum { CENSUS_DIFFS_MAX = 20 };
MUST_CHECK int census_compare(struct cli *cli, json_t *classes);

/* "billing 1.0.0, audit 0.3.0": the versions of all sets of a tenant; a new string. */
json_t *census_versions(const json_t *tenant);

#endif
