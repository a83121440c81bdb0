/* lint_alter.h - ALTER TABLE, command by command.
 *
 * Runs on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_ALTER_H
#define SKEIN_COMMON_LINT_LINT_ALTER_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

void lint_alter(struct lint_walk *walk, const PgQuery__Node *statement);

#endif
