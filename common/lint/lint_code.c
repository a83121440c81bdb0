#include "common/lint/lint_code.h"

#include <string.h>
#include <strings.h>

#include "common/lint/lint_fold.h"
#include "common/lint/lint_function.h"
#include "common/lint/lint_query.h"
#include "common/lint/lint_statement.h"
#include "common/lint/lint_tree.h"
#include "common/sql/sql_code.h"

/* Functions that call each other, and how many calls of one statement are followed: together they
 * bound the work that a few lines can ask for. */
enum { LINT_CODE_DEPTH_MAX = 8, LINT_CODE_CALLS_MAX = 200 };

/* The code that is read, and what its variables can be. */
struct lint_code {
    struct lint_walk *walk;
    const char *statement;
    bool valued; /* the variables were looked at, which only EXECUTE needs */
    struct lint_fold fold;
};

static void lint_code_see_values(void *context, enum sql_code_kind kind, const char *text)
{
    struct lint_code *code = context;

    if (kind == SQL_CODE_VALUE || kind == SQL_CODE_ELEMENTS) {
        lint_fold_assign(&code->fold, text, kind == SQL_CODE_ELEMENTS);
    } else if (kind == SQL_CODE_ANYTHING) {
        lint_fold_spoil(&code->fold, text);
    }
}

/* EXECUTE of an expression: each statement that it can be. Where a part is not known, that is said,
 * and the rest is read with a name in its place that the catalog forgets again. */
static void lint_code_see_expression(struct lint_code *code, const char *text)
{
    struct lint_walk *walk = code->walk;
    struct lint_fold_texts texts;
    bool opaque = false;

    if (!code->valued) {
        code->valued = sql_code_each(code->statement, lint_code_see_values, code);
    }
    lint_fold_expression(&code->fold, text, &texts);
    opaque = texts.unknown;
    for (size_t i = 0; i < texts.count; i++) {
        if (!sql_tree_visit_here(texts.texts[i], lint_statement_visit, walk)) {
            opaque = true;
        }
    }
    struct lint_relation *unknown = lint_catalog_find(walk->catalog, "", LINT_FOLD_UNKNOWN);
    if (unknown != NULL) {
        lint_catalog_remove(walk->catalog, unknown);
    }
    if (opaque) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
    }
}

static void lint_code_see(void *context, enum sql_code_kind kind, const char *text)
{
    struct lint_code *code = context;
    struct lint_walk *walk = code->walk;

    switch (kind) {
    case SQL_CODE_TRANSACTION:
        lint_walk_find(walk, LINT_TRANSACTION_CONTROL, NULL, NULL);
        return;
    case SQL_CODE_EXPRESSION:
        lint_code_see_expression(code, text);
        return;
    case SQL_CODE_VALUE: {
        const char *sign = strstr(text, ":=");
        text = sign == NULL ? "" : sign + 2;
        break;
    }
    case SQL_CODE_ELEMENTS:
    case SQL_CODE_ANYTHING:
        return;
    case SQL_CODE_DYNAMIC:
        if (!sql_tree_visit_here(text, lint_statement_visit, walk)) {
            lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
        }
        return;
    case SQL_CODE_QUERY:
        if (sql_tree_visit_here(text, lint_statement_visit, walk)) {
            return;
        }
        break;
    }
    /* An expression: it may read tables and call functions. What is none says nothing. */
    (void)!sql_tree_visit_here(arena_printf(walk->arena, "SELECT %s", text), lint_statement_visit,
                               walk);
}

/* PL/pgSQL, as the statement that holds it. False where it cannot be read. */
static bool lint_code_read(struct lint_walk *walk, const char *statement)
{
    struct lint_code code = { .walk = walk,
                              .statement = statement,
                              .fold = { .arena = walk->arena } };

    return sql_code_each(statement, lint_code_see, &code);
}

static const char *lint_code_option(PgQuery__Node *const *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i]->node_case != PG_QUERY__NODE__NODE_DEF_ELEM ||
            strcmp(options[i]->def_elem->defname, name) != 0 || options[i]->def_elem->arg == NULL) {
            continue;
        }
        const PgQuery__Node *value = options[i]->def_elem->arg;
        if (value->node_case == PG_QUERY__NODE__NODE_LIST && value->list->n_items > 0) {
            value = value->list->items[0];
        }
        return lint_tree_string(value);
    }
    return "";
}

void lint_code_do(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__DoStmt *code = statement->do_stmt;
    const char *language = lint_code_option(code->args, code->n_args, "language");
    bool plpgsql = language[0] == '\0' || strcasecmp(language, "plpgsql") == 0;

    /* A DO inside of code has no text of its own here. */
    if (!plpgsql || walk->depth > 0) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
        return;
    }
    walk->depth++;
    bool seen = lint_code_read(walk, walk->text);
    walk->depth--;
    if (!seen) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
    }
}

void lint_code_define(struct lint_walk *walk, const PgQuery__CreateFunctionStmt *create,
                      struct lint_thing *function)
{
    const char *language = lint_code_option(create->options, create->n_options, "language");
    struct arena *arena = &walk->catalog->arena;

    function->source = NULL;
    function->plpgsql = strcasecmp(language, "plpgsql") == 0;
    if (walk->depth == 0 && function->plpgsql) {
        function->source = arena_strdup(arena, walk->text);
    } else if (strcasecmp(language, "sql") == 0) {
        function->source =
            arena_strdup(arena, lint_code_option(create->options, create->n_options, "as"));
    }
}

void lint_code_call(struct lint_walk *walk, const char *name)
{
    const struct lint_thing *function = lint_catalog_thing(walk->catalog, name);

    if (walk->schema_only) {
        return;
    }
    if (function == NULL && !lint_function_is_postgres(name)) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
    }
    if (function == NULL || !function->function) {
        return;
    }
    if (function->source == NULL || walk->depth == LINT_CODE_DEPTH_MAX ||
        walk->calls == LINT_CODE_CALLS_MAX) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
        return;
    }
    walk->depth++;
    walk->calls++;
    bool seen = function->plpgsql
                    ? lint_code_read(walk, function->source)
                    : sql_tree_visit_here(function->source, lint_statement_visit, walk);
    walk->depth--;
    if (!seen) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
    }
}

/* No function's name begins like that. */
static const char *lint_code_prepared(struct lint_walk *walk, const char *name)
{
    return arena_printf(walk->arena, "PREPARE %s", name);
}

void lint_code_prepare(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__PrepareStmt *prepare = statement->prepare_stmt;
    struct lint_work work = walk->work;
    struct lint_thing *thing =
        lint_catalog_add_thing(walk->catalog, lint_code_prepared(walk, prepare->name));

    lint_query(walk, statement);
    walk->work = work; /* it does not run yet */
    thing->source = walk->depth > 0 ? NULL : arena_strdup(&walk->catalog->arena, walk->text);
}

static void lint_code_see_prepared(void *context, const PgQuery__Node *statement)
{
    if (statement->node_case == PG_QUERY__NODE__NODE_PREPARE_STMT) {
        lint_query_read(context, statement->prepare_stmt->query);
    }
}

void lint_code_execute(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const struct lint_thing *thing =
        lint_catalog_thing(walk->catalog, lint_code_prepared(walk, statement->execute_stmt->name));
    bool seen = thing != NULL && thing->source != NULL &&
                sql_tree_visit_here(thing->source, lint_code_see_prepared, walk);

    if (!seen) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
    }
}
