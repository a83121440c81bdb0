/* lint_alter_column.h - ADD COLUMN, ALTER COLUMN TYPE and SET NOT NULL.
 *
 * Runs on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_ALTER_COLUMN_H
#define SKEIN_COMMON_LINT_LINT_ALTER_COLUMN_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

/* One ALTER TABLE statement. */
struct lint_alter {
    struct lint_walk *walk;
    struct lint_relation *table;
    const PgQuery__AlterTableStmt *statement;
};

/* A table of the catalog gets the column, with its type and its plain NOT NULL. */
struct lint_column *lint_alter_column_define(struct lint_walk *walk, struct lint_relation *table,
                                             const PgQuery__ColumnDef *definition);

void lint_alter_add_column(struct lint_alter *alter, const PgQuery__AlterTableCmd *command);
void lint_alter_column_type(struct lint_alter *alter, const PgQuery__AlterTableCmd *command);
void lint_alter_set_not_null(struct lint_alter *alter, const PgQuery__AlterTableCmd *command);

#endif
