#include "common/lint/lint_tree.h"

#include <string.h>
#include <strings.h>

#include "common/lint/lint_function.h"

const char *lint_tree_string(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval : "";
}

const char *lint_tree_last(PgQuery__Node *const *names, size_t count)
{
    return count == 0 ? "" : lint_tree_string(names[count - 1]);
}

const char *lint_tree_schema(PgQuery__Node *const *names, size_t count)
{
    return count < 2 ? "" : lint_tree_string(names[count - 2]);
}

bool lint_tree_option(PgQuery__Node *const *options, size_t count, const char *name)
{
    static const char *const offs[] = { "off", "false", "0" };

    for (size_t i = 0; i < count; i++) {
        const PgQuery__DefElem *option =
            options[i]->node_case == PG_QUERY__NODE__NODE_DEF_ELEM ? options[i]->def_elem : NULL;
        if (option == NULL || strcasecmp(option->defname, name) != 0) {
            continue;
        }
        for (size_t o = 0; o < COUNT_OF(offs); o++) {
            if (strcasecmp(lint_tree_string(option->arg), offs[o]) == 0) {
                return false;
            }
        }
        return option->arg == NULL || option->arg->node_case != PG_QUERY__NODE__NODE_INTEGER ||
               option->arg->integer->ival != 0;
    }
    return false;
}

static const char *lint_tree_range_schema(const PgQuery__RangeVar *range)
{
    return range->relpersistence[0] == 't' ? "pg_temp" : range->schemaname;
}

struct lint_relation *lint_tree_relation(struct lint_walk *walk, const PgQuery__RangeVar *range,
                                         enum lint_kind kind)
{
    return lint_catalog_need(walk->catalog, lint_tree_range_schema(range), range->relname, kind);
}

struct lint_relation *lint_tree_find(const struct lint_walk *walk, const PgQuery__RangeVar *range)
{
    return lint_catalog_find(walk->catalog, lint_tree_range_schema(range), range->relname);
}

void lint_tree_type(struct lint_catalog *catalog, const PgQuery__TypeName *name,
                    struct lint_type *ret_type)
{
    *ret_type = (struct lint_type){ .name = "" };
    if (name == NULL) {
        return;
    }
    ret_type->name = arena_strdup(&catalog->arena, lint_tree_last(name->names, name->n_names));
    ret_type->array = name->n_array_bounds > 0;
    for (size_t i = 0; i < name->n_typmods && i < LINT_TYPE_MODIFIERS; i++) {
        const PgQuery__Node *node = name->typmods[i];
        if (node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
            node->a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL) {
            ret_type->modifiers[ret_type->modifier_count++] = node->a_const->ival->ival;
        }
    }
}

struct lint_tree_columns {
    struct lint_catalog *catalog;
    struct lint_name **list;
};

static void lint_tree_add_column(void *context, const ProtobufCMessage *message)
{
    struct lint_tree_columns *columns = context;

    if (message->descriptor == &pg_query__column_ref__descriptor) {
        const PgQuery__ColumnRef *ref = (const PgQuery__ColumnRef *)(const void *)message;
        lint_name_add(columns->catalog, columns->list, lint_tree_last(ref->fields, ref->n_fields));
    }
}

void lint_tree_columns(struct lint_catalog *catalog, const PgQuery__Node *expression,
                       struct lint_name **list)
{
    struct lint_tree_columns columns = { .catalog = catalog, .list = list };

    if (expression != NULL) {
        sql_tree_each(&expression->base, lint_tree_add_column, &columns);
    }
}

/* nextval('schema.name'), with or without a cast to regclass. */
static void lint_tree_add_sequence(struct lint_tree_columns *uses, const PgQuery__Node *argument)
{
    if (argument->node_case == PG_QUERY__NODE__NODE_TYPE_CAST && argument->type_cast->arg != NULL) {
        argument = argument->type_cast->arg;
    }
    if (argument->node_case == PG_QUERY__NODE__NODE_A_CONST &&
        argument->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL) {
        const char *name = argument->a_const->sval->sval;
        const char *dot = strrchr(name, '.');
        const char *last = dot == NULL ? name : dot + 1;
        size_t size = strlen(last);
        bool quoted = size > 2 && last[0] == '"' && last[size - 1] == '"';

        lint_name_add(uses->catalog, uses->list,
                      arena_printf(&uses->catalog->arena, "%.*s", (int)(quoted ? size - 2 : size),
                                   quoted ? last + 1 : last));
    }
}

static void lint_tree_add_use(void *context, const ProtobufCMessage *message)
{
    struct lint_tree_columns *uses = context;

    if (message->descriptor == &pg_query__func_call__descriptor) {
        const PgQuery__FuncCall *call = (const PgQuery__FuncCall *)(const void *)message;
        const char *name = lint_tree_last(call->funcname, call->n_funcname);
        lint_name_add(uses->catalog, uses->list, name);
        if (strcmp(name, "nextval") == 0 && call->n_args == 1) {
            lint_tree_add_sequence(uses, call->args[0]);
        }
    }
}

void lint_tree_uses(struct lint_catalog *catalog, const PgQuery__Node *expression,
                    struct lint_name **list)
{
    struct lint_tree_columns uses = { .catalog = catalog, .list = list };

    if (expression != NULL) {
        sql_tree_each(&expression->base, lint_tree_add_use, &uses);
    }
}

struct lint_tree_volatility {
    const struct lint_catalog *catalog;
    bool found;
};

static void lint_tree_look_volatile(void *context, const ProtobufCMessage *message)
{
    struct lint_tree_volatility *answer = context;

    if (message->descriptor != &pg_query__func_call__descriptor) {
        return;
    }
    const PgQuery__FuncCall *call = (const PgQuery__FuncCall *)(const void *)message;
    const char *name = lint_tree_last(call->funcname, call->n_funcname);
    const struct lint_thing *thing = lint_catalog_thing(answer->catalog, name);
    if (thing != NULL && thing->function) {
        answer->found = answer->found || thing->is_volatile;
        return;
    }
    /* What nobody has seen made is volatile unless it says otherwise. */
    answer->found = answer->found || !lint_function_is_steady(name);
    const char *schema = lint_tree_schema(call->funcname, call->n_funcname);
    if (schema[0] != '\0' && strcmp(schema, "pg_catalog") != 0) {
        answer->found = true; /* a user's own, volatile unless it says otherwise */
    }
}

bool lint_tree_is_volatile(const struct lint_catalog *catalog, const PgQuery__Node *expression)
{
    struct lint_tree_volatility answer = { .catalog = catalog };

    if (expression != NULL) {
        sql_tree_each(&expression->base, lint_tree_look_volatile, &answer);
    }
    return answer.found;
}

void lint_tree_not_null(struct lint_catalog *catalog, const PgQuery__Node *check,
                        struct lint_name **list)
{
    if (check == NULL) {
        return;
    }
    if (check->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR &&
        check->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        for (size_t i = 0; i < check->bool_expr->n_args; i++) {
            lint_tree_not_null(catalog, check->bool_expr->args[i], list);
        }
        return;
    }
    if (check->node_case == PG_QUERY__NODE__NODE_NULL_TEST &&
        check->null_test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NOT_NULL &&
        check->null_test->arg != NULL &&
        check->null_test->arg->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
        lint_tree_columns(catalog, check->null_test->arg, list);
    }
}
