/* lint_style.h - what works today and hurts later: types, names, keys and indexes that are hard to
 * change once there are rows.
 *
 * Used on the parser's thread. Notes and warnings about what a migration makes; they lock nothing.
 */
#ifndef SKEIN_COMMON_LINT_LINT_STYLE_H
#define SKEIN_COMMON_LINT_LINT_STYLE_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

/* A column of CREATE TABLE or ADD COLUMN; `key` where it is (part of) the primary key. */
void lint_style_column(struct lint_walk *walk, const struct lint_relation *table,
                       const PgQuery__ColumnDef *definition, bool key);

/* PRIMARY KEY (...) of a table, whose columns are known by then. */
void lint_style_primary_key(struct lint_walk *walk, const struct lint_relation *table,
                            const struct lint_name *columns);

void lint_style_index(struct lint_walk *walk, const PgQuery__IndexStmt *create);
void lint_style_domain(struct lint_walk *walk, const PgQuery__CreateDomainStmt *create);
void lint_style_enum(struct lint_walk *walk);
void lint_style_enum_value(struct lint_walk *walk, const PgQuery__AlterEnumStmt *alter);

/* UPDATE ... SET a = 1, a = 2, which PostgreSQL refuses when it runs. */
void lint_style_update(struct lint_walk *walk, const PgQuery__UpdateStmt *update);

/* ALTER TABLE of the table that the statement before altered, too. */
void lint_style_alter(struct lint_walk *walk, const struct lint_relation *table,
                      const PgQuery__AlterTableStmt *alter);

/* Names that PostgreSQL cuts. Of the whole statement, by its text. */
void lint_style_names(struct lint_walk *walk);

/* Whether an index begins with a column of the foreign key. */
bool lint_style_has_index(const struct lint_catalog *catalog, const struct lint_relation *table,
                          const struct lint_constraint *foreign);

#endif
