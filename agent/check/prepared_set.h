/* prepared_set.h - a published set, ready to run: parsed once, every script cut into statements.
 *
 * Immutable after prepared_set_new and counted by references, so that workers share it. */
#ifndef SKEIN_AGENT_CHECK_PREPARED_SET_H
#define SKEIN_AGENT_CHECK_PREPARED_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/lint/lint_run.h"
#include "common/model/set.h"
#include "common/sql/sql_loose.h"
#include "common/sql/sql_script.h"

struct prepared_set;

/* `files` are those of the set's archive. Checks the digest, parses the set and every SQL script.
 * A script that cannot run (TRANSACTION_CONTROL, syntax, a kind that this agent does not support)
 * does not fail the set: the tasks that would run it fail, with file and line. */
MUST_CHECK bool prepared_set_new(struct sql_parser *parser, const char *name, const char *digest,
                                 const struct set_file *files, size_t file_count,
                                 struct prepared_set **ret_set, struct error *err);
void prepared_set_ref(struct prepared_set *set);
void prepared_set_unref(struct prepared_set **set);

/* What lint foresees of every script of the set, oldest first; empty for a very large set. */
const struct lint_report *prepared_set_lint(const struct prepared_set *set);

/* Whether tenants have been as lint foresees so far: no more once a dry run has seen work that it
 * cannot tell whose it is. Any thread. */
bool prepared_set_is_foreseen(const struct prepared_set *set);
void prepared_set_surprise(struct prepared_set *set);

const struct set *prepared_set_model(const struct prepared_set *set);

/* One file of an operation. */
struct prepared_file {
    struct sql_script script;   /* of SQL: its statements */
    struct sql_loose *loose;    /* outside a transaction: what each of them needs; else NULL */
    struct sql_problem problem; /* kind SQL_PROBLEM_NONE: it can run */
    bool changes_settings; /* SET, search_path, roles: to be put right before the next script */
    /* What lint foresees of each statement; NULL where it is opaque, or was not read. */
    const struct lint_statement *foreseen;
    size_t foreseen_count;
    /* Of a script upwards, by lint; what its author has allowed with a reason does not count. */
    bool grows;  /* it may work on a whole table while that is locked against writers */
    bool opaque; /* there is something in it that cannot be seen into */
    void *data;  /* of another kind: see prepared_kind.h */
};

struct prepared_operation {
    const struct operation *operation;
    struct prepared_file up;
    struct prepared_file down; /* empty where the operation has no down_path */
};
/* By index of migration and operation in the model. */
const struct prepared_operation *prepared_set_operation(const struct prepared_set *set,
                                                        size_t migration, size_t operation);
/* By index of the repeatable script in the model. */
const struct prepared_operation *prepared_set_repeatable(const struct prepared_set *set,
                                                         size_t repeatable);
/* NULL where the set has none. */
const struct prepared_operation *prepared_set_hook(const struct prepared_set *set,
                                                   enum set_hook hook);

#endif
