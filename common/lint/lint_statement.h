/* lint_statement.h - which function looks at which kind of statement.
 *
 * Runs on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_STATEMENT_H
#define SKEIN_COMMON_LINT_LINT_STATEMENT_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

/* A sql_tree_visitor; `context` is the walk. */
void lint_statement_visit(void *context, const PgQuery__Node *statement);

#endif
