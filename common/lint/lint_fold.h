/* lint_fold.h - the texts that an expression of PL/pgSQL can have, as far as its constants say:
 * what EXECUTE is given.
 *
 * On the parser's thread only. Texts live in the arena. What nobody can know stands for a name that
 * nothing else has (LINT_FOLD_UNKNOWN), so that the rest of the statement can still be read. */
#ifndef SKEIN_COMMON_LINT_LINT_FOLD_H
#define SKEIN_COMMON_LINT_LINT_FOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"

#define LINT_FOLD_UNKNOWN "?"

/* So many texts are followed for one expression, and so many variables; more are not known. */
enum { LINT_FOLD_TEXTS_MAX = 16, LINT_FOLD_VARIABLES_MAX = 64 };

struct lint_fold_texts {
    const char *texts[LINT_FOLD_TEXTS_MAX];
    size_t count;
    bool unknown; /* some of them holds LINT_FOLD_UNKNOWN, or there are more */
};

struct lint_fold_variable {
    const char *name;
    struct lint_fold_texts texts;
};

/* Putting texts together stops when so many bytes were made for one piece of code. */
enum { LINT_FOLD_BYTES_MAX = 4 * 1024 * 1024 };

/* All values that a piece of code gives its variables, wherever it does. */
struct lint_fold {
    struct arena *arena;
    struct lint_fold_variable variables[LINT_FOLD_VARIABLES_MAX];
    size_t count;
    size_t bytes; /* made so far */
};

/* "variable := expression", or the elements of that expression where `each`. */
void lint_fold_assign(struct lint_fold *fold, const char *text, bool each);
/* The variable may be anything. */
void lint_fold_spoil(struct lint_fold *fold, const char *name);

void lint_fold_expression(struct lint_fold *fold, const char *text,
                          struct lint_fold_texts *ret_texts);

#endif
