/* lint_setting.h - SET, RESET and set_config(): where names are looked up from then on, and what a
 * migration had better leave alone.
 *
 * Used on the parser's thread. */
#ifndef SKEIN_COMMON_LINT_LINT_SETTING_H
#define SKEIN_COMMON_LINT_LINT_SETTING_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

void lint_setting(struct lint_walk *walk, const PgQuery__Node *statement);

/* A call of any function; set_config() is seen. */
void lint_setting_call(struct lint_walk *walk, const PgQuery__FuncCall *call);

#endif
