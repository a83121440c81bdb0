#include "common/lint/lint_create.h"

#include <string.h>
#include <strings.h>

#include "common/lint/lint_alter_column.h"
#include "common/lint/lint_alter_constraint.h"
#include "common/lint/lint_code.h"
#include "common/lint/lint_fix.h"
#include "common/lint/lint_query.h"
#include "common/lint/lint_sequence.h"
#include "common/lint/lint_style.h"
#include "common/lint/lint_tree.h"

static const char *lint_create_schema(const PgQuery__RangeVar *range)
{
    return range->relpersistence[0] == 't' ? "pg_temp" : range->schemaname;
}

/* A parent makes room for its child: ACCESS EXCLUSIVE for a partition, else a gentle lock. */
static void lint_create_below(struct lint_walk *walk, struct lint_relation *table,
                              const PgQuery__CreateStmt *create)
{
    for (size_t i = 0; i < create->n_inh_relations; i++) {
        if (create->inh_relations[i]->node_case != PG_QUERY__NODE__NODE_RANGE_VAR) {
            continue;
        }
        struct lint_relation *parent =
            lint_tree_relation(walk, create->inh_relations[i]->range_var,
                               create->partbound != NULL ? LINT_KIND_PARTITIONED : LINT_KIND_TABLE);
        table->parent = parent;
        if (create->partbound == NULL) {
            lint_walk_lock(walk, parent, LINT_SHARE_UPDATE_EXCLUSIVE);
            continue;
        }
        table->is_default = create->partbound->is_default;
        lint_walk_lock(walk, parent, LINT_ACCESS_EXCLUSIVE);
        for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
            if (r->parent == parent && r->is_default && r != table) {
                lint_walk_lock(walk, r, LINT_ACCESS_EXCLUSIVE);
                lint_walk_scan(walk, r);
                lint_walk_find(walk, LINT_ATTACH_PARTITION, r, NULL);
            }
        }
        lint_walk_find(walk, LINT_CREATE_PARTITION, parent, NULL);
        if (table->columns == NULL) {
            table->columns = parent->columns;
        }
    }
}

static void lint_create_like(struct lint_walk *walk, struct lint_relation *table,
                             const PgQuery__TableLikeClause *like)
{
    struct lint_relation *source = lint_tree_relation(walk, like->relation, LINT_KIND_TABLE);

    lint_walk_lock(walk, source, LINT_ACCESS_SHARE);
    for (const struct lint_column *c = source->columns; c != NULL; c = c->next) {
        struct lint_column *copy = lint_column_add(walk->catalog, table, c->name);
        copy->type = c->type;
        copy->not_null = c->not_null;
    }
}

/* CREATE TABLE ... OF type: its columns are the type's. */
static void lint_create_typed(struct lint_walk *walk, struct lint_relation *table,
                              const PgQuery__TypeName *type)
{
    if (type == NULL) {
        return;
    }
    table->type = arena_strdup(&walk->catalog->arena, lint_tree_last(type->names, type->n_names));
    const struct lint_thing *thing = lint_catalog_thing(walk->catalog, table->type);
    for (const struct lint_column *c = thing == NULL ? NULL : thing->attributes; c != NULL;
         c = c->next) {
        struct lint_column *copy = lint_column_add(walk->catalog, table, c->name);
        copy->type = c->type;
    }
}

void lint_create_type(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CompositeTypeStmt *create = statement->composite_type_stmt;
    struct lint_thing *thing = lint_catalog_add_thing(walk->catalog, create->typevar->relname);

    for (size_t i = 0; i < create->n_coldeflist; i++) {
        const PgQuery__ColumnDef *definition = create->coldeflist[i]->column_def;
        struct lint_column *column = arena_alloc(&walk->catalog->arena, sizeof(*column));
        column->name = arena_strdup(&walk->catalog->arena, definition->colname);
        column->collation = "";
        lint_tree_type(walk->catalog, definition->type_name, &column->type);
        column->next = thing->attributes;
        thing->attributes = column;
    }
}

void lint_create_table(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateStmt *create = statement->create_stmt;
    const PgQuery__RangeVar *name = create->relation;

    if (create->if_not_exists && lint_tree_find(walk, name) != NULL) {
        return;
    }
    struct lint_relation *table =
        lint_catalog_add(walk->catalog, lint_create_schema(name), name->relname,
                         create->partspec != NULL ? LINT_KIND_PARTITIONED : LINT_KIND_TABLE);
    table->unlogged = name->relpersistence[0] == 'u';
    table->tablespace = arena_strdup(&walk->catalog->arena, create->tablespacename);
    table->method = arena_strdup(&walk->catalog->arena, create->access_method);
    lint_create_typed(walk, table, create->of_typename);
    for (size_t i = 0; i < create->n_table_elts; i++) {
        const PgQuery__Node *element = create->table_elts[i];

        if (element->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF) {
            (void)lint_alter_column_define(walk, table, element->column_def);
        } else if (element->node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
            struct lint_constraint *c =
                lint_alter_constrain(walk, table, element->constraint, NULL);
            if (c != NULL && c->kind == LINT_CONSTRAINT_PRIMARY) {
                lint_style_primary_key(walk, table, c->columns);
            }
            if (c != NULL) {
                c->valid = true; /* whatever it says: there are no rows yet */
            }
            for (const struct lint_name *n = c == NULL ? NULL : c->columns;
                 n != NULL && c->kind == LINT_CONSTRAINT_PRIMARY; n = n->next) {
                struct lint_column *column = lint_column_find(table, n->name);
                if (column != NULL) {
                    column->not_null = true;
                }
            }
        } else if (element->node_case == PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE) {
            lint_create_like(walk, table, element->table_like_clause);
        }
    }
    lint_create_below(walk, table, create);
}

struct lint_create_reads {
    struct lint_walk *walk;
    struct lint_relation *view;
};

static void lint_create_add_read(void *context, const ProtobufCMessage *message)
{
    struct lint_create_reads *reads = context;

    if (message->descriptor == &pg_query__range_var__descriptor) {
        const struct lint_relation *relation =
            lint_tree_find(reads->walk, (const PgQuery__RangeVar *)(const void *)message);
        if (relation != NULL) {
            lint_name_add(reads->walk->catalog, &reads->view->reads, relation->key);
        }
    }
}

/* What a view stands on, for DROP ... CASCADE. */
static void lint_create_reads(struct lint_walk *walk, struct lint_relation *view,
                              const PgQuery__Node *query)
{
    struct lint_create_reads reads = { .walk = walk, .view = view };

    if (query != NULL) {
        sql_tree_each(&query->base, lint_create_add_read, &reads);
        lint_tree_columns(walk->catalog, query, &view->mentions);
    }
}

void lint_create_table_as(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateTableAsStmt *create = statement->create_table_as_stmt;
    const PgQuery__RangeVar *name = create->into->rel;

    lint_query_read(walk, create->query);
    if (create->if_not_exists && lint_tree_find(walk, name) != NULL) {
        return;
    }
    bool view = create->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW;
    struct lint_relation *made =
        lint_catalog_add(walk->catalog, lint_create_schema(name), name->relname,
                         view ? LINT_KIND_MATVIEW : LINT_KIND_TABLE);
    if (view) {
        lint_create_reads(walk, made, create->query);
    }
}

void lint_create_view(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__ViewStmt *create = statement->view_stmt;
    struct lint_relation *before = lint_tree_find(walk, create->view);
    struct lint_work work = walk->work;

    lint_query_read(walk, create->query);
    walk->work = work; /* the query is not run */
    if (before != NULL && create->replace) {
        lint_walk_lock(walk, before, LINT_ACCESS_EXCLUSIVE);
        return;
    }
    struct lint_relation *view = lint_catalog_add(walk->catalog, lint_create_schema(create->view),
                                                  create->view->relname, LINT_KIND_VIEW);
    lint_create_reads(walk, view, create->query);
}

static const char *lint_create_index_name(struct lint_walk *walk, const PgQuery__IndexStmt *create)
{
    if (create->idxname[0] != '\0') {
        return create->idxname;
    }
    const char *name = create->relation->relname;

    for (size_t i = 0; i < create->n_index_params + create->n_index_including_params; i++) {
        const PgQuery__Node *param =
            i < create->n_index_params ? create->index_params[i]
                                       : create->index_including_params[i - create->n_index_params];
        const PgQuery__IndexElem *element = param->index_elem;
        const char *column = element->name[0] == '\0' ? "expr" : element->name;

        if (element->expr != NULL && element->expr->node_case == PG_QUERY__NODE__NODE_FUNC_CALL) {
            const PgQuery__FuncCall *call = element->expr->func_call;
            column = lint_tree_string(call->funcname[call->n_funcname - 1]);
        }
        name = arena_printf(&walk->catalog->arena, "%s_%s", name, column);
    }
    return arena_printf(&walk->catalog->arena, "%s_idx", name);
}

static void lint_create_index_define(struct lint_walk *walk, struct lint_relation *table,
                                     const PgQuery__IndexStmt *create)
{
    struct lint_relation *index =
        lint_catalog_add(walk->catalog, lint_catalog_schema_of(table),
                         lint_create_index_name(walk, create), LINT_KIND_INDEX);

    index->table = table;
    index->temporary = table->temporary;
    index->tablespace = arena_strdup(&walk->catalog->arena, create->table_space);
    for (size_t i = 0; i < create->n_index_params; i++) {
        const PgQuery__IndexElem *element = create->index_params[i]->index_elem;
        if (element->name[0] != '\0') {
            lint_name_add(walk->catalog, &index->keys, element->name);
        }
        lint_tree_columns(walk->catalog, element->expr, &index->mentions);
        lint_tree_uses(walk->catalog, element->expr, &table->uses);
    }
    lint_tree_columns(walk->catalog, create->where_clause, &index->mentions);
}

/* A partitioned table takes none CONCURRENTLY; and outside of a transaction it needs a name. */
static const char *lint_create_index_fix(struct lint_walk *walk, const struct lint_relation *table,
                                         const PgQuery__IndexStmt *create)
{
    const char *name = lint_create_index_name(walk, create);

    if (table->kind == LINT_KIND_PARTITIONED) {
        return "Create it ON ONLY the parent, CONCURRENTLY on each partition, and then ALTER INDEX "
               "... ATTACH PARTITION for each of them.";
    }
    return lint_fix_outside(
        walk, lint_walk_rewritten(walk, "INDEX",
                                  create->idxname[0] != '\0'
                                      ? "CONCURRENTLY"
                                      : arena_printf(walk->arena, "CONCURRENTLY %s",
                                                     lint_fix_quote(walk->arena, name))));
}

void lint_create_index(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__IndexStmt *create = statement->index_stmt;
    struct lint_relation *table = lint_tree_relation(walk, create->relation, LINT_KIND_TABLE);

    if (create->if_not_exists &&
        lint_catalog_find(walk->catalog, lint_catalog_schema_of(table), create->idxname) != NULL) {
        lint_walk_lock(walk, table, create->concurrent ? LINT_SHARE_UPDATE_EXCLUSIVE : LINT_SHARE);
        return; /* locked before it is looked up */
    }
    if (create->concurrent) {
        lint_walk_lock(walk, table, LINT_SHARE_UPDATE_EXCLUSIVE);
        lint_walk_scan(walk, table);
        if (walk->statement->transactional) {
            lint_walk_find(walk, LINT_NOT_IN_TRANSACTION, NULL, NULL);
        }
    } else if (!create->relation->inh && table->kind == LINT_KIND_PARTITIONED) {
        lint_walk_lock(walk, table, LINT_SHARE); /* only the parent's, which is empty */
    } else {
        bool only = lint_walk_parts(walk, table);
        lint_walk_lock_all(walk, table, LINT_SHARE);
        lint_walk_scan_all(walk, table);
        lint_walk_whole(walk, only);
        lint_walk_find(walk, LINT_CREATE_INDEX, table, lint_create_index_fix(walk, table, create));
    }
    lint_create_index_define(walk, table, create);
    lint_style_index(walk, create);
}

void lint_create_sequence(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateSeqStmt *create = statement->create_seq_stmt;

    if (create->if_not_exists && lint_tree_find(walk, create->sequence) != NULL) {
        return;
    }
    lint_sequence_options(walk,
                          lint_catalog_add(walk->catalog, lint_create_schema(create->sequence),
                                           create->sequence->relname, LINT_KIND_SEQUENCE),
                          create->options, create->n_options);
}

void lint_create_domain(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateDomainStmt *create = statement->create_domain_stmt;
    struct lint_thing *thing = lint_catalog_add_thing(
        walk->catalog, lint_tree_last(create->domainname, create->n_domainname));

    thing->domain = true;
    lint_style_domain(walk, create);
    lint_tree_type(walk->catalog, create->type_name, &thing->base);
    for (size_t i = 0; i < create->n_constraints; i++) {
        PgQuery__ConstrType type = create->constraints[i]->constraint->contype;
        thing->constrained = thing->constrained || type == PG_QUERY__CONSTR_TYPE__CONSTR_CHECK ||
                             type == PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL;
    }
}

void lint_create_enum(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateEnumStmt *create = statement->create_enum_stmt;

    lint_style_enum(walk);
    /* The values of a type that is new itself may be used at once. */
    (void)lint_catalog_add_thing(walk->catalog,
                                 lint_tree_last(create->type_name, create->n_type_name));
}

void lint_create_function(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateFunctionStmt *create = statement->create_function_stmt;
    struct lint_thing *thing =
        lint_catalog_add_thing(walk->catalog, lint_tree_last(create->funcname, create->n_funcname));

    thing->function = true;
    thing->is_volatile = true;
    lint_code_define(walk, create, thing);
    for (size_t i = 0; i < create->n_options; i++) {
        const PgQuery__DefElem *option = create->options[i]->def_elem;
        if (strcmp(option->defname, "volatility") == 0) {
            thing->is_volatile = strcasecmp(lint_tree_string(option->arg), "volatile") == 0;
        }
    }
}

void lint_create_trigger(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateTrigStmt *create = statement->create_trig_stmt;
    struct lint_relation *table = lint_tree_relation(walk, create->relation, LINT_KIND_TABLE);

    bool only = lint_walk_parts(walk, table);
    walk->only = walk->only || !create->row;
    lint_walk_lock_all(walk, table, LINT_SHARE_ROW_EXCLUSIVE);
    lint_walk_whole(walk, only);
    if (create->constrrel != NULL) {
        lint_walk_lock(walk, lint_tree_relation(walk, create->constrrel, LINT_KIND_TABLE),
                       LINT_ROW_SHARE);
    }
    lint_walk_find(walk, LINT_TRIGGER, table, NULL);
    lint_name_add(walk->catalog, &table->hooks, create->trigname);
    lint_name_add(walk->catalog, &table->uses,
                  lint_tree_last(create->funcname, create->n_funcname));
}

void lint_create_rule(struct lint_walk *walk, const PgQuery__Node *statement)
{
    struct lint_relation *table =
        lint_tree_relation(walk, statement->rule_stmt->relation, LINT_KIND_TABLE);

    lint_walk_lock(walk, table, LINT_ACCESS_EXCLUSIVE);
    lint_walk_find(walk, LINT_TRIGGER, table, NULL);
    lint_name_add(walk->catalog, &table->hooks, statement->rule_stmt->rulename);
}

void lint_create_policy(struct lint_walk *walk, const PgQuery__Node *statement)
{
    bool creates = statement->node_case == PG_QUERY__NODE__NODE_CREATE_POLICY_STMT;
    struct lint_relation *table = lint_tree_relation(
        walk, creates ? statement->create_policy_stmt->table : statement->alter_policy_stmt->table,
        LINT_KIND_TABLE);

    lint_walk_lock(walk, table, LINT_ACCESS_EXCLUSIVE);
    if (creates) {
        const PgQuery__CreatePolicyStmt *create = statement->create_policy_stmt;
        lint_name_add(walk->catalog, &table->hooks, create->policy_name);
        lint_tree_uses(walk->catalog, create->qual, &table->uses);
        lint_tree_uses(walk->catalog, create->with_check, &table->uses);
    }
}

void lint_create_statistics(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateStatsStmt *create = statement->create_stats_stmt;

    for (size_t i = 0; i < create->n_relations; i++) {
        if (create->relations[i]->node_case == PG_QUERY__NODE__NODE_RANGE_VAR) {
            lint_walk_lock(
                walk, lint_tree_relation(walk, create->relations[i]->range_var, LINT_KIND_TABLE),
                LINT_SHARE_UPDATE_EXCLUSIVE);
        }
    }
}
