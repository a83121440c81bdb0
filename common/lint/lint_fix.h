/* lint_fix.h - the pieces of a safe way that is ready to paste.
 *
 * Runs on the parser's thread. What is returned is the walk's arena's. */
#ifndef SKEIN_COMMON_LINT_LINT_FIX_H
#define SKEIN_COMMON_LINT_LINT_FIX_H

#include "common/core/arena.h"
#include "common/lint/lint_walk.h"

/* A name as SQL: in double quotes where PostgreSQL would read it as something else without. */
const char *lint_fix_quote(struct arena *arena, const char *name);

/* As lint_walk_name, as SQL. */
const char *lint_fix_name(const struct lint_walk *walk, const struct lint_relation *relation);

/* `sql` as a script of its own, where the statement stands in one that is a transaction. */
const char *lint_fix_outside(const struct lint_walk *walk, const char *sql);

#endif
