/* lint_alter_constraint.h - constraints added, validated and dropped.
 *
 * Runs on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_ALTER_CONSTRAINT_H
#define SKEIN_COMMON_LINT_LINT_ALTER_CONSTRAINT_H

#include "common/lint/lint_alter_column.h"

/* The constraint goes into the catalog; `column` for one that stands at a column, else NULL. NULL
 * for what is no constraint of the catalog's (NOT NULL, a default). A foreign key locks the table
 * that it points to. */
struct lint_constraint *lint_alter_constrain(struct lint_walk *walk, struct lint_relation *table,
                                             const PgQuery__Constraint *definition,
                                             const char *column);

void lint_alter_add_constraint(struct lint_alter *alter, const PgQuery__AlterTableCmd *command);
void lint_alter_validate(struct lint_alter *alter, const PgQuery__AlterTableCmd *command);
void lint_alter_drop_constraint(struct lint_alter *alter, const PgQuery__AlterTableCmd *command);

#endif
