#include "common/lint/lint_code.h"

#include <string.h>
#include <strings.h>

#include "common/lint/lint_query.h"
#include "common/lint/lint_statement.h"
#include "common/lint/lint_tree.h"
#include "common/sql/sql_code.h"

/* Functions that call each other, and how many calls of one statement are followed: together they
 * bound the work that a few lines can ask for. */
enum { LINT_CODE_DEPTH_MAX = 8, LINT_CODE_CALLS_MAX = 1000 };

static void lint_code_see(void *context, enum sql_code_kind kind, const char *text)
{
    struct lint_walk *walk = context;

    if (kind == SQL_CODE_TRANSACTION) {
        lint_walk_find(walk, LINT_TRANSACTION_CONTROL, NULL, NULL);
        return;
    }
    if (kind == SQL_CODE_UNKNOWN) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
        return;
    }
    if (!sql_tree_visit_here(text, lint_statement_visit, walk) && kind == SQL_CODE_DYNAMIC) {
        lint_walk_find(walk, LINT_OPAQUE, NULL, NULL);
    }
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
    bool seen = sql_code_each(walk->text, lint_code_see, walk);
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

    if (function == NULL || !function->function || walk->schema_only) {
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
                    ? sql_code_each(function->source, lint_code_see, walk)
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
