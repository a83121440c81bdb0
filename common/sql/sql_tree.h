/* sql_tree.h - one statement as the tree that PostgreSQL's own parser makes of it.
 *
 * Thread-safe: trees are read on the parser's thread, which has the stack for the deepest of them,
 * so a visitor may recurse. The tree is libpg_query's (PostgreSQL 15's grammar) and is gone when
 * the visitor returns. */
#ifndef SKEIN_COMMON_SQL_SQL_TREE_H
#define SKEIN_COMMON_SQL_SQL_TREE_H

#include <stdbool.h>

#include <pg_query/pg_query.pb-c.h>

#include "common/core/base.h"
#include "common/sql/sql_script.h"

typedef void sql_tree_visitor(void *context, const PgQuery__Node *statement);

/* Calls the visitor for each statement in `text` (as cut by sql_script: one). Blocks. False,
 * without a call, where the text is not PostgreSQL's SQL, or is nested deeper than PostgreSQL
 * itself reads. */
MUST_CHECK bool sql_tree_visit(struct sql_parser *parser, const char *text,
                               sql_tree_visitor *visitor, void *context);

/* The same from inside of a visitor, which is on that thread already. */
MUST_CHECK bool sql_tree_visit_here(const char *text, sql_tree_visitor *visitor, void *context);

/* Calls for every message below `root`, `root` included, parents first. Messages are told apart by
 * comparing the descriptor. On the parser's thread only. */
typedef void sql_tree_callback(void *context, const ProtobufCMessage *message);
void sql_tree_each(const ProtobufCMessage *root, sql_tree_callback *callback, void *context);

#endif
