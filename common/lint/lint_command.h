/* lint_command.h - the other commands: VACUUM, REINDEX, REFRESH, LOCK, SET and their like.
 *
 * Runs on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_COMMAND_H
#define SKEIN_COMMON_LINT_LINT_COMMAND_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

void lint_command_cluster(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_vacuum(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_reindex(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_refresh(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_lock(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_publication(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_sequence(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_domain(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_enum(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_comment(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_command_explain(struct lint_walk *walk, const PgQuery__Node *statement);

#endif
