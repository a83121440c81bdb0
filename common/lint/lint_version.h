/* lint_version.h - which versions of PostgreSQL know a statement.
 *
 * Runs on the parser's thread. What a statement locks, rewrites and scans is the same from 12 to 17
 * for all that lint knows; what differs is whether an older server takes the statement at all. */
#ifndef SKEIN_COMMON_LINT_LINT_VERSION_H
#define SKEIN_COMMON_LINT_LINT_VERSION_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

enum {
    LINT_VERSION_OLDEST = 12,
    LINT_VERSION_NEWEST = 17, /* that was looked at; the grammar is that of 15 */
};

/* The statement's `since` and `needs`; a finding where that is above the walk's version. To be
 * called before the statement changes the catalog. */
void lint_version(struct lint_walk *walk, const PgQuery__Node *statement);

#endif
