/* lint_function.h - the functions that PostgreSQL itself brings along, by name.
 *
 * Pure, constant. A name that is not here is some extension's, or somebody's own. */
#ifndef SKEIN_COMMON_LINT_LINT_FUNCTION_H
#define SKEIN_COMMON_LINT_LINT_FUNCTION_H

#include <stdbool.h>

/* Not volatile: every row of a statement gets the same. */
bool lint_function_is_steady(const char *name);

bool lint_function_is_postgres(const char *name);

#endif
