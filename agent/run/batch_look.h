/* batch_look.h - what can be seen of a batch before, and beside, its chunks.
 *
 * Blocks; used by a worker's thread. Functions with a report return false as runner_fail and
 * runner_fail_pg say. */
#ifndef SKEIN_AGENT_RUN_BATCH_LOOK_H
#define SKEIN_AGENT_RUN_BATCH_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/run/runner.h"
#include "common/sql/batch_script.h"

/* No key may be NULL: it would be passed over, because no key is greater than it. Costs nothing
 * where the table says NOT NULL, else a look at the keys. */
MUST_CHECK bool batch_look_keys(const struct runner_call *call, const struct batch_script *script,
                                struct runner_report *report);

/* Warns where no index yields the keys in their order, so that each chunk would read and sort the
 * whole table. Inside a transaction. */
MUST_CHECK bool batch_look_plan(const struct runner_call *call, const struct batch_script *script,
                                struct runner_report *report);

/* The first chunk, inside a transaction that is rolled back. Says in the report's output how many
 * rows there are by PostgreSQL's estimate. */
MUST_CHECK bool batch_look_first(const struct runner_call *call, const struct batch_script *script,
                                 uint64_t rows, struct runner_report *report);

/* How many keys there are behind `key` (key[0] NULL: from the start), by PostgreSQL's estimate; 0
 * where it has none. No transaction may be open: an error has no consequences then. */
uint64_t batch_look_rows(const struct runner_call *call, const struct batch_script *script,
                         char *const key[]);

/* The standby that has not replayed `mark` yet; "" for none. */
MUST_CHECK bool batch_look_behind(const struct runner_call *call, const char *mark,
                                  char ret_behind[NAME_BYTES_MAX + 1],
                                  struct runner_report *report);

#endif
