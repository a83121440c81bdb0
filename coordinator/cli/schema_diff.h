/* schema_diff.h - where two schemas differ, for people.
 *
 * Pure. A schema is its sorted lines: "column accounts.id bigint not null", kind and name first. */
#ifndef SKEIN_COORDINATOR_CLI_SCHEMA_DIFF_H
#define SKEIN_COORDINATOR_CLI_SCHEMA_DIFF_H

#include <jansson.h>

/* What `odd` has otherwise than `usual` (arrays of lines), as a new array of {"what": "missing",
 * "extra" or "changed", "object": "column accounts.id", "is", "usual"}: `is` is "" for what is
 * missing, `usual` for what is extra. */
json_t *schema_diff(const json_t *usual, const json_t *odd);

#endif
