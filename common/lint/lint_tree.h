/* lint_tree.h - small questions to a parse tree, and to the catalog about what the tree names.
 *
 * Runs on the parser's thread only, whose stack holds the deepest tree that sql_tree_visit gives
 * out: that bound is why these may recurse. */
#ifndef SKEIN_COMMON_LINT_LINT_TREE_H
#define SKEIN_COMMON_LINT_LINT_TREE_H

#include <stdbool.h>

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

/* "" where the node is no string. Borrowed from the tree. */
const char *lint_tree_string(const PgQuery__Node *node);

/* Of a qualified name: its last part, and the part before it ("" for none). */
const char *lint_tree_last(PgQuery__Node *const *names, size_t count);
const char *lint_tree_schema(PgQuery__Node *const *names, size_t count);

/* Whether a DefElem of that name is there and not off: VACUUM (FULL), REINDEX (CONCURRENTLY). */
bool lint_tree_option(PgQuery__Node *const *options, size_t count, const char *name);

/* The relation that is meant; taken to exist where it was never seen. */
struct lint_relation *lint_tree_relation(struct lint_walk *walk, const PgQuery__RangeVar *range,
                                         enum lint_kind kind);
/* NULL where it was never seen. */
struct lint_relation *lint_tree_find(const struct lint_walk *walk, const PgQuery__RangeVar *range);

void lint_tree_type(struct lint_catalog *catalog, const PgQuery__TypeName *name,
                    struct lint_type *ret_type);

/* The plain columns that an expression mentions, into `list`. */
void lint_tree_columns(struct lint_catalog *catalog, const PgQuery__Node *expression,
                       struct lint_name **list);

/* Whether the expression may differ from row to row, so that a default has to be written out. */
/* The functions that an expression calls, and the sequences that it asks for a value. */
void lint_tree_uses(struct lint_catalog *catalog, const PgQuery__Node *expression,
                    struct lint_name **list);

bool lint_tree_is_volatile(const struct lint_catalog *catalog, const PgQuery__Node *expression);

/* The columns that a CHECK proves not to be NULL: those under `IS NOT NULL`, joined by AND. */
void lint_tree_not_null(struct lint_catalog *catalog, const PgQuery__Node *check,
                        struct lint_name **list);

#endif
