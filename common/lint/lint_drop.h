/* lint_drop.h - statements that take away, rename or empty what is there.
 *
 * Runs on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_DROP_H
#define SKEIN_COMMON_LINT_LINT_DROP_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

void lint_drop(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_drop_truncate(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_drop_rename(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_drop_set_schema(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_drop_owner(struct lint_walk *walk, const PgQuery__Node *statement);

#endif
