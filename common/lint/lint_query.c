#include "common/lint/lint_query.h"

#include <string.h>

#include "common/lint/lint_code.h"
#include "common/lint/lint_setting.h"
#include "common/lint/lint_style.h"
#include "common/lint/lint_tree.h"

/* A relation that is written to; its node comes by once more, as a child. */
struct lint_query_target {
    struct lint_query_target *next;
    const PgQuery__RangeVar *range;
};

struct lint_query {
    struct lint_walk *walk;
    struct lint_name *ctes; /* names that are no relations */
    struct lint_query_target *targets;
    enum lint_mode read;      /* ROW SHARE where rows are locked */
    struct lint_name *worked; /* keys of relations that count already */
};

static void lint_query_add_target(struct lint_query *query, const PgQuery__RangeVar *range)
{
    struct lint_query_target *target = arena_alloc(&query->walk->catalog->arena, sizeof(*target));

    target->range = range;
    target->next = query->targets;
    query->targets = target;
}

static bool lint_query_is_target(const struct lint_query *query, const PgQuery__RangeVar *range)
{
    const struct lint_query_target *target = query->targets;

    while (target != NULL && target->range != range) {
        target = target->next;
    }
    return target != NULL;
}

static void lint_query_see_names(void *context, const ProtobufCMessage *message)
{
    struct lint_query *query = context;

    if (message->descriptor == &pg_query__common_table_expr__descriptor) {
        const PgQuery__CommonTableExpr *cte =
            (const PgQuery__CommonTableExpr *)(const void *)message;
        lint_name_add(query->walk->catalog, &query->ctes, cte->ctename);
    } else if (message->descriptor == &pg_query__locking_clause__descriptor) {
        query->read = LINT_ROW_SHARE;
    }
}

/* A schema of PostgreSQL's own, or one that is not the tenant's. */
static void lint_query_look_schema(struct lint_walk *walk, const PgQuery__RangeVar *range,
                                   bool writes)
{
    bool own = strcmp(range->schemaname, "pg_catalog") == 0 ||
               strcmp(range->schemaname, "information_schema") == 0;

    if (own && writes) {
        lint_walk_find(walk, LINT_CATALOG_WRITE, NULL, NULL);
    }
}

static bool lint_query_is_system(const PgQuery__RangeVar *range)
{
    return strncmp(range->relname, "pg_", 3) == 0 || strcmp(range->schemaname, "pg_catalog") == 0 ||
           strcmp(range->schemaname, "information_schema") == 0;
}

/* It may be read or written whole. */
static void lint_query_work(struct lint_query *query, const struct lint_relation *relation)
{
    if (!lint_name_has(query->worked, relation->key)) {
        lint_name_add(query->walk->catalog, &query->worked, relation->key);
        lint_walk_work(query->walk, relation);
    }
}

static void lint_query_touch(struct lint_query *query, const PgQuery__RangeVar *range,
                             enum lint_mode mode)
{
    bool writes = mode == LINT_ROW_EXCLUSIVE;

    if (!writes && range->schemaname[0] == '\0' && lint_name_has(query->ctes, range->relname)) {
        return;
    }
    lint_query_look_schema(query->walk, range, writes);
    if (lint_query_is_system(range)) {
        if (writes && range->schemaname[0] == '\0') {
            lint_walk_find(query->walk, LINT_CATALOG_WRITE, NULL, NULL);
        }
        return;
    }
    struct lint_relation *relation = lint_tree_relation(query->walk, range, LINT_KIND_TABLE);
    lint_walk_lock_all(query->walk, relation, mode);
    if (!writes && lint_catalog_is_live(query->walk->catalog, relation)) {
        lint_query_work(query, relation);
    }
}

/* `column = constant`, where the column alone is a key of the table. */
static bool lint_query_is_key(struct lint_walk *walk, const struct lint_relation *relation,
                              const PgQuery__AExpr *e)
{
    bool equals = e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP &&
                  strcmp(lint_tree_last(e->name, e->n_name), "=") == 0 && e->lexpr != NULL &&
                  e->rexpr != NULL && e->lexpr->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
                  e->rexpr->node_case != PG_QUERY__NODE__NODE_COLUMN_REF &&
                  e->rexpr->node_case != PG_QUERY__NODE__NODE_SUB_LINK;
    if (!equals) {
        return false;
    }
    struct lint_name *columns = NULL;
    lint_tree_columns(walk->catalog, e->lexpr, &columns);
    for (const struct lint_constraint *c = relation->constraints; c != NULL; c = c->next) {
        bool unique = c->kind == LINT_CONSTRAINT_PRIMARY || c->kind == LINT_CONSTRAINT_UNIQUE;
        if (unique && c->columns != NULL && c->columns->next == NULL && columns != NULL &&
            strcmp(c->columns->name, columns->name) == 0) {
            return true;
        }
    }
    return false;
}

/* A row, not a table: a key, whatever else is asked with AND. */
static bool lint_query_is_one_row(struct lint_walk *walk, const struct lint_relation *relation,
                                  const PgQuery__Node *where)
{
    if (where == NULL) {
        return false;
    }
    if (where->node_case == PG_QUERY__NODE__NODE_A_EXPR) {
        return lint_query_is_key(walk, relation, where->a_expr);
    }
    if (where->node_case != PG_QUERY__NODE__NODE_BOOL_EXPR ||
        where->bool_expr->boolop != PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        return false;
    }
    for (size_t i = 0; i < where->bool_expr->n_args; i++) {
        const PgQuery__Node *argument = where->bool_expr->args[i];
        if (argument->node_case == PG_QUERY__NODE__NODE_A_EXPR &&
            lint_query_is_key(walk, relation, argument->a_expr)) {
            return true;
        }
    }
    return false;
}

/* SELECT of one row by its key: locked like any other, but no work. */
static void lint_query_see_select(struct lint_query *query, const PgQuery__SelectStmt *select)
{
    if (select->n_from_clause != 1 ||
        select->from_clause[0]->node_case != PG_QUERY__NODE__NODE_RANGE_VAR) {
        return;
    }
    const PgQuery__RangeVar *range = select->from_clause[0]->range_var;
    bool named = range->schemaname[0] == '\0' && lint_name_has(query->ctes, range->relname);
    const struct lint_relation *relation = named ? NULL : lint_tree_find(query->walk, range);

    if (relation != NULL && lint_query_is_one_row(query->walk, relation, select->where_clause)) {
        lint_query_add_target(query, range);
        lint_walk_lock_all(query->walk, relation, query->read);
    }
}

static void lint_query_change(struct lint_query *query, const PgQuery__RangeVar *range,
                              const PgQuery__Node *where, bool from)
{
    lint_query_add_target(query, range);
    lint_query_touch(query, range, LINT_ROW_EXCLUSIVE);
    if (lint_query_is_system(range)) {
        return;
    }
    const struct lint_relation *relation = lint_tree_relation(query->walk, range, LINT_KIND_TABLE);
    if (!lint_catalog_is_live(query->walk->catalog, relation)) {
        return;
    }
    if (!lint_query_is_one_row(query->walk, relation, where)) {
        lint_query_work(query, relation);
    }
    if (where == NULL && !from) {
        lint_walk_find(query->walk, LINT_NO_WHERE, relation, NULL);
    }
}

static void lint_query_see_call(struct lint_query *query, const PgQuery__FuncCall *call)
{
    static const char *const outside[] = {
        "dblink",
        "dblink_exec",
        "dblink_connect",
        "pg_read_file",
        "pg_ls_dir",
        "pg_read_binary_file",
        "pg_terminate_backend",
        "pg_cancel_backend",
        "pg_reload_conf",
        "lo_import",
        "lo_export",
        "pg_rotate_logfile",
    };
    static const char *const sessions[] = { "pg_advisory_lock", "pg_advisory_lock_shared" };
    const char *name = lint_tree_last(call->funcname, call->n_funcname);

    lint_code_call(query->walk, name);
    lint_setting_call(query->walk, call);
    for (size_t i = 0; i < COUNT_OF(outside); i++) {
        if (strcmp(name, outside[i]) == 0) {
            lint_walk_find(query->walk, LINT_OUTSIDE, NULL, NULL);
        }
    }
    for (size_t i = 0; i < COUNT_OF(sessions); i++) {
        if (strcmp(name, sessions[i]) == 0) {
            lint_walk_find(query->walk, LINT_SESSION_STATE, NULL, NULL);
        }
    }
}

/* The value that this very migration added to an enum. */
static void lint_query_see_constant(struct lint_query *query, const PgQuery__AConst *constant)
{
    if (constant->val_case != PG_QUERY__A__CONST__VAL_SVAL) {
        return;
    }
    for (const struct lint_thing *t = query->walk->catalog->things; t != NULL; t = t->hh.next) {
        if (t->added_epoch == query->walk->catalog->epoch &&
            lint_name_has(t->added, constant->sval->sval)) {
            lint_walk_find(query->walk, LINT_ENUM_USE, NULL, NULL);
            return;
        }
    }
}

static void lint_query_see(void *context, const ProtobufCMessage *message)
{
    struct lint_query *query = context;
    const void *any = message;

    if (message->descriptor == &pg_query__range_var__descriptor) {
        if (!lint_query_is_target(query, any)) {
            lint_query_touch(query, any, query->read);
        }
    } else if (message->descriptor == &pg_query__select_stmt__descriptor) {
        lint_query_see_select(query, any);
    } else if (message->descriptor == &pg_query__insert_stmt__descriptor) {
        const PgQuery__InsertStmt *insert = any;
        lint_query_add_target(query, insert->relation);
        lint_query_touch(query, insert->relation, LINT_ROW_EXCLUSIVE);
    } else if (message->descriptor == &pg_query__update_stmt__descriptor) {
        const PgQuery__UpdateStmt *update = any;
        lint_style_update(query->walk, update);
        lint_query_change(query, update->relation, update->where_clause, update->n_from_clause > 0);
    } else if (message->descriptor == &pg_query__delete_stmt__descriptor) {
        const PgQuery__DeleteStmt *remove = any;
        lint_query_change(query, remove->relation, remove->where_clause,
                          remove->n_using_clause > 0);
    } else if (message->descriptor == &pg_query__merge_stmt__descriptor) {
        const PgQuery__MergeStmt *merge = any;
        lint_query_change(query, merge->relation, merge->join_condition, true);
    } else if (message->descriptor == &pg_query__func_call__descriptor) {
        lint_query_see_call(query, any);
    } else if (message->descriptor == &pg_query__a__const__descriptor) {
        lint_query_see_constant(query, any);
    }
}

static void lint_query_run(struct lint_walk *walk, const ProtobufCMessage *root)
{
    struct lint_query query = { .walk = walk, .read = LINT_ACCESS_SHARE };

    sql_tree_each(root, lint_query_see_names, &query);
    sql_tree_each(root, lint_query_see, &query);
}

void lint_query(struct lint_walk *walk, const PgQuery__Node *statement)
{
    lint_query_run(walk, &statement->base);
}

void lint_query_read(struct lint_walk *walk, const PgQuery__Node *query)
{
    if (query != NULL) {
        lint_query_run(walk, &query->base);
    }
}

void lint_query_copy(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CopyStmt *copy = statement->copy_stmt;

    if (copy->is_program || copy->filename[0] != '\0') {
        lint_walk_find(walk, LINT_OUTSIDE, NULL, NULL);
    }
    if (copy->relation != NULL) {
        struct lint_relation *relation = lint_tree_relation(walk, copy->relation, LINT_KIND_TABLE);
        lint_walk_lock_all(walk, relation, copy->is_from ? LINT_ROW_EXCLUSIVE : LINT_ACCESS_SHARE);
        if (copy->is_from) {
            walk->work.any = true; /* as many rows as it brings */
        } else {
            lint_walk_work(walk, relation);
        }
    }
    lint_query_read(walk, copy->query);
}
