/* cmd_lint_database.h - lint over the catalog of a live tenant.
 *
 * Reads, and changes nothing. */
#ifndef SKEIN_COORDINATOR_CLI_CMD_LINT_DATABASE_H
#define SKEIN_COORDINATOR_CLI_CMD_LINT_DATABASE_H

#include "common/lint/lint_run.h"
#include "common/model/set.h"
#include "coordinator/cli/cli.h"

/* The thresholds of the options into the run, or the general ones. False after saying why. */
MUST_CHECK bool cmd_lint_database_sizes(const struct cli *cli, struct lint_run *run);
/* Those that the set's skein.yaml has and no option. */
void cmd_lint_database_sizes_of_set(const struct cli *cli, const struct set *set,
                                    struct lint_run *run);

/* What --database says into the run's catalog; where it is not given, nothing. */
MUST_CHECK bool cmd_lint_database_load(const struct cli *cli, struct lint_run *run,
                                       struct error *err);

/* The index of the set's first migration that the tenant does not have: by --from, else by skein's
 * journal in that database; 0 without --database. */
MUST_CHECK bool cmd_lint_database_first(const struct cli *cli, const struct set *set,
                                        size_t *ret_first, struct error *err);

#endif
