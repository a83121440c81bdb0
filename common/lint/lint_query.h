/* lint_query.h - what queries touch: SELECT, INSERT, UPDATE, DELETE, MERGE, COPY and what holds
 * them.
 *
 * Runs on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_QUERY_H
#define SKEIN_COMMON_LINT_LINT_QUERY_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

/* Locks, work and findings of every query in the statement, however deep. */
void lint_query(struct lint_walk *walk, const PgQuery__Node *statement);

/* Only what the statement reads: the query of a view or of CREATE TABLE AS. */
void lint_query_read(struct lint_walk *walk, const PgQuery__Node *query);

void lint_query_copy(struct lint_walk *walk, const PgQuery__Node *statement);

#endif
