/* lint_create.h - statements that make things: into the catalog, and what they lock meanwhile.
 *
 * Runs on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_CREATE_H
#define SKEIN_COMMON_LINT_LINT_CREATE_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

void lint_create_table(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_table_as(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_view(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_index(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_sequence(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_domain(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_type(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_enum(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_function(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_trigger(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_rule(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_policy(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_create_statistics(struct lint_walk *walk, const PgQuery__Node *statement);

#endif
