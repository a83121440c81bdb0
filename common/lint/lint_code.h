/* lint_code.h - what code inside does: DO blocks, and functions of the set when they are called.
 *
 * Runs on the parser's thread. All branches are taken to run; what is put together at run time
 * cannot be seen, and is said so. */
#ifndef SKEIN_COMMON_LINT_LINT_CODE_H
#define SKEIN_COMMON_LINT_LINT_CODE_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

void lint_code_do(struct lint_walk *walk, const PgQuery__Node *statement);

/* A function of that name is called; nothing for one that no script made. */
/* PREPARE of a statement, and EXECUTE of what was prepared. */
void lint_code_prepare(struct lint_walk *walk, const PgQuery__Node *statement);
void lint_code_execute(struct lint_walk *walk, const PgQuery__Node *statement);

void lint_code_call(struct lint_walk *walk, const char *name);

/* The function's source into the catalog. */
void lint_code_define(struct lint_walk *walk, const PgQuery__CreateFunctionStmt *create,
                      struct lint_thing *function);

#endif
