/* sql_code.h - the SQL inside PL/pgSQL: of DO blocks and CREATE FUNCTION.
 *
 * Only on the parser's thread, from a sql_tree_visitor. */
#ifndef SKEIN_COMMON_SQL_SQL_CODE_H
#define SKEIN_COMMON_SQL_SQL_CODE_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/sql/sql_tree.h"

enum sql_code_kind {
    SQL_CODE_QUERY,       /* a statement, or an expression: what does not parse is the latter */
    SQL_CODE_DYNAMIC,     /* EXECUTE of a constant: the statement */
    SQL_CODE_EXPRESSION,  /* EXECUTE of an expression: that one */
    SQL_CODE_VALUE,       /* "variable := expression": a default, an assignment */
    SQL_CODE_ELEMENTS,    /* the same of FOREACH, which takes an array's elements in turn */
    SQL_CODE_ANYTHING,    /* the name of a variable that gets a value that is not seen here */
    SQL_CODE_TRANSACTION, /* COMMIT or ROLLBACK inside */
};

typedef void sql_code_visitor(void *context, enum sql_code_kind kind, const char *text);

/* `statement` is the whole DO or CREATE FUNCTION. False where it is not PL/pgSQL. */
MUST_CHECK bool sql_code_each(const char *statement, sql_code_visitor *visitor, void *context);

#endif
