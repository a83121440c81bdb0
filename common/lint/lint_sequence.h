/* lint_sequence.h - sequences that belong to a column: of serial and identity columns, OWNED BY.
 *
 * Used on the parser's thread. They go where their table goes, and are locked with it. */
#ifndef SKEIN_COMMON_LINT_LINT_SEQUENCE_H
#define SKEIN_COMMON_LINT_LINT_SEQUENCE_H

#include "common/lint/lint_walk.h"
#include "common/sql/sql_tree.h"

/* A serial or identity column makes its own, under the name that PostgreSQL chooses. */
void lint_sequence_make(struct lint_walk *walk, struct lint_relation *table, const char *column);

/* CREATE and ALTER SEQUENCE ... OWNED BY. */
void lint_sequence_options(struct lint_walk *walk, struct lint_relation *sequence,
                           PgQuery__Node *const *options, size_t count);

/* Those of one column; of all of them where it is NULL. */
void lint_sequence_lock(struct lint_walk *walk, const struct lint_relation *table,
                        const char *column, enum lint_mode mode);
void lint_sequence_drop(struct lint_walk *walk, const struct lint_relation *table,
                        const char *column);
void lint_sequence_move(struct lint_walk *walk, const struct lint_relation *table,
                        const char *schema);

#endif
