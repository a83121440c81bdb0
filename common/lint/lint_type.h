/* lint_type.h - what ALTER COLUMN TYPE costs.
 *
 * Pure. What was measured on PostgreSQL 15, and is documented for 12 to 17: a change is free where
 * the stored bytes of every old value are a value of the new type. */
#ifndef SKEIN_COMMON_LINT_LINT_TYPE_H
#define SKEIN_COMMON_LINT_LINT_TYPE_H

#include <stdbool.h>

#include "common/lint/lint_catalog.h"

/* Whether the table has to be rewritten. An unknown old type counts as another one. */
bool lint_type_change_rewrites(const struct lint_catalog *catalog, const struct lint_type *from,
                               const struct lint_type *to);

/* Whether a plain index on the column is made again although the table is not. */
bool lint_type_change_reindexes(const struct lint_catalog *catalog, const struct lint_type *from,
                                const struct lint_type *to);

/* A domain whose values are checked: adding or changing a column to it writes the table. */
bool lint_type_is_constrained(const struct lint_catalog *catalog, const struct lint_type *type);

bool lint_type_is_serial(const struct lint_type *type);

#endif
