/* cmd_lint.h - reading a set from a directory, for the verbs that do.
 *
 * Main thread only. */
#ifndef SKEIN_COORDINATOR_CLI_CMD_LINT_H
#define SKEIN_COORDINATOR_CLI_CMD_LINT_H

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/model/set.h"
#include "coordinator/cli/cli.h"

/* The files (in `arena`) and the set made of them. */
MUST_CHECK bool cmd_lint_read_set(const char *directory, struct arena *arena,
                                  struct set_file **ret_files, size_t *ret_count,
                                  struct set *ret_set, struct error *err);

/* The file of --schema, without what pg_dump writes for psql alone. */
MUST_CHECK bool cmd_lint_read_schema(const char *path, struct buf *text, struct error *err);

#endif
