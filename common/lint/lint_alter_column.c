#include "common/lint/lint_alter_column.h"

#include <string.h>

#include "common/lint/lint_alter_constraint.h"
#include "common/lint/lint_fix.h"
#include "common/lint/lint_sequence.h"
#include "common/lint/lint_style.h"
#include "common/lint/lint_tree.h"
#include "common/lint/lint_type.h"

enum { LINT_ALTER_CASTS_MAX = 16 };

/* What stands at a column, put together. */
struct lint_column_facts {
    const PgQuery__Node *value; /* its default */
    bool not_null;
    bool primary;
    bool unique;
    bool check;
    bool foreign;
    bool foreign_checked;
    bool identity;
    bool generated;
};

static void lint_alter_column_facts(const PgQuery__ColumnDef *definition,
                                    struct lint_column_facts *facts)
{
    for (size_t i = 0; i < definition->n_constraints; i++) {
        if (definition->constraints[i]->node_case != PG_QUERY__NODE__NODE_CONSTRAINT) {
            continue;
        }
        const PgQuery__Constraint *c = definition->constraints[i]->constraint;

        facts->not_null = facts->not_null || c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL;
        facts->primary = facts->primary || c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY;
        facts->unique = facts->unique || c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE;
        facts->check = facts->check || c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_CHECK;
        facts->foreign = facts->foreign || c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN;
        facts->identity = facts->identity || c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY;
        facts->generated =
            facts->generated || c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED;
        if (c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT) {
            facts->value = c->raw_expr;
        }
    }
}

/* "default" is the same as none. */
static const char *lint_alter_collation(struct lint_walk *walk,
                                        const PgQuery__ColumnDef *definition)
{
    const PgQuery__CollateClause *clause = definition->coll_clause;
    const char *name = clause == NULL ? "" : lint_tree_last(clause->collname, clause->n_collname);

    return strcmp(name, "default") == 0 ? "" : arena_strdup(&walk->catalog->arena, name);
}

struct lint_column *lint_alter_column_define(struct lint_walk *walk, struct lint_relation *table,
                                             const PgQuery__ColumnDef *definition)
{
    struct lint_column_facts facts = { 0 };
    struct lint_column *column = lint_column_add(walk->catalog, table, definition->colname);

    lint_alter_column_facts(definition, &facts);
    lint_tree_type(walk->catalog, definition->type_name, &column->type);
    column->not_null = definition->is_not_null || facts.not_null || facts.primary ||
                       facts.identity || lint_type_is_serial(&column->type);
    column->generated = facts.generated;
    column->identity = facts.identity;
    lint_tree_uses(walk->catalog, facts.value, &table->uses);
    if (facts.identity || lint_type_is_serial(&column->type)) {
        lint_sequence_make(walk, table, definition->colname);
    }
    column->collation = lint_alter_collation(walk, definition);
    lint_style_column(walk, table, definition, facts.primary || facts.identity);
    for (size_t i = 0; i < definition->n_constraints; i++) {
        if (definition->constraints[i]->node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
            (void)lint_alter_constrain(walk, table, definition->constraints[i]->constraint,
                                       definition->colname);
        }
    }
    return column;
}

static bool lint_alter_is_null(const PgQuery__Node *value)
{
    return value == NULL ||
           (value->node_case == PG_QUERY__NODE__NODE_A_CONST && value->a_const->isnull);
}

/* PostgreSQL looks keys of new columns up where any column of the statement has a DEFAULT, be it
 * NULL. */
static bool lint_alter_has_default(const struct lint_alter *alter)
{
    for (size_t i = 0; i < alter->statement->n_cmds; i++) {
        const PgQuery__AlterTableCmd *command = alter->statement->cmds[i]->alter_table_cmd;
        struct lint_column_facts facts = { 0 };
        struct lint_type type;

        if (command->subtype != PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn) {
            continue;
        }
        lint_alter_column_facts(command->def->column_def, &facts);
        lint_tree_type(alter->walk->catalog, command->def->column_def->type_name, &type);
        if (facts.value != NULL || facts.generated || lint_type_is_serial(&type)) {
            return true;
        }
    }
    return false;
}

void lint_alter_add_column(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    const PgQuery__ColumnDef *definition = command->def->column_def;
    struct lint_walk *walk = alter->walk;
    struct lint_relation *table = alter->table;
    struct lint_column_facts facts = { 0 };
    struct lint_type type;

    lint_walk_lock_all(walk, table, LINT_ACCESS_EXCLUSIVE);
    if (command->missing_ok && lint_column_find(table, definition->colname) != NULL) {
        return;
    }
    lint_alter_column_facts(definition, &facts);
    lint_tree_type(walk->catalog, definition->type_name, &type);
    bool serial = lint_type_is_serial(&type);
    bool has_value = !lint_alter_is_null(facts.value) || facts.identity || serial;

    if (facts.identity || facts.generated || serial ||
        lint_type_is_constrained(walk->catalog, &type) ||
        lint_tree_is_volatile(walk->catalog, facts.value)) {
        const char *name = lint_fix_name(walk, table);
        const char *column_name = lint_fix_quote(walk->arena, definition->colname);

        lint_walk_rewrite_all(walk, table);
        lint_walk_find(walk, LINT_ADD_COLUMN_REWRITE, table,
                       facts.value == NULL
                           ? NULL
                           : arena_printf(walk->arena,
                                          "ALTER TABLE %s ADD COLUMN %s ...;\nALTER TABLE %s ALTER "
                                          "COLUMN %s SET DEFAULT ...;\n-- then fill the old rows "
                                          "with a .batch.sql",
                                          name, column_name, name, column_name));
    }
    if ((facts.not_null || facts.primary) && !has_value && !facts.generated) {
        lint_walk_find(walk, LINT_ADD_COLUMN_REQUIRED, table, NULL);
    }
    if (facts.check) {
        lint_walk_scan_all(walk, table);
        lint_walk_find(walk, LINT_ADD_COLUMN_CHECK, table, NULL);
    }
    if (facts.primary || facts.unique) {
        lint_walk_scan_all(walk, table);
        lint_walk_find(walk, LINT_ADD_COLUMN_UNIQUE, table, NULL);
    }
    if (facts.foreign && lint_alter_has_default(alter)) {
        lint_walk_scan_all(walk, table);
        lint_walk_find(walk, LINT_ADD_COLUMN_FOREIGN_KEY, table, NULL);
    }
    (void)lint_alter_column_define(walk, table, definition);
}

/* What hangs on the column: indexes that are rebuilt, checks that are tried, tables that point to
 * it. */
struct lint_column_dependents {
    bool index;      /* a plain key of an index */
    bool parts;      /* such an index has partitions, which are always made again */
    bool expression; /* an index's expression or predicate */
    bool check;      /* a valid CHECK */
};

/* Whether a foreign key points to that column of the table. */
static bool lint_alter_is_referenced(const struct lint_relation *table,
                                     const struct lint_constraint *foreign, const char *column)
{
    if (foreign->target != table) {
        return false;
    }
    if (foreign->references != NULL) {
        return lint_name_has(foreign->references, column);
    }
    for (const struct lint_constraint *c = table->constraints; c != NULL; c = c->next) {
        if (c->kind == LINT_CONSTRAINT_PRIMARY) {
            return lint_name_has(c->columns, column);
        }
    }
    return true; /* the primary key was not seen: it may be this column */
}

static struct lint_column_dependents lint_alter_dependents(struct lint_alter *alter,
                                                           const char *column, bool rewrites)
{
    struct lint_column_dependents found = { 0 };

    for (struct lint_relation *r = alter->walk->catalog->relations; r != NULL; r = r->hh.next) {
        if (r->kind == LINT_KIND_INDEX && r->table == alter->table) {
            found.index = found.index || lint_name_has(r->keys, column);
            found.parts = found.parts || (alter->table->kind == LINT_KIND_PARTITIONED &&
                                          lint_name_has(r->keys, column));
            found.expression = found.expression || lint_name_has(r->mentions, column);
        }
        for (const struct lint_constraint *c = r->constraints; c != NULL; c = c->next) {
            bool mine = r == alter->table && lint_name_has(c->columns, column);

            if (mine && c->kind == LINT_CONSTRAINT_CHECK) {
                found.check = found.check || c->valid;
            }
            if (mine && c->kind == LINT_CONSTRAINT_FOREIGN && c->target != NULL) {
                lint_walk_lock(alter->walk, c->target, LINT_ACCESS_EXCLUSIVE);
                if (rewrites) {
                    lint_walk_scan(alter->walk, c->target);
                }
            }
            if (r != alter->table && lint_alter_is_referenced(alter->table, c, column)) {
                lint_walk_lock(alter->walk, r, LINT_ACCESS_EXCLUSIVE);
                if (rewrites) {
                    lint_walk_scan(alter->walk, r);
                }
            }
        }
    }
    return found;
}

/* What USING makes of a column's values: the column itself, and casts that change no stored byte,
 * are what happens without it. *type is the column's, and becomes that of the expression. */
static bool lint_alter_using_rewrites(struct lint_catalog *catalog, const PgQuery__Node *value,
                                      const char *column, struct lint_type *type)
{
    const PgQuery__TypeName *casts[LINT_ALTER_CASTS_MAX];
    size_t count = 0;

    while (value != NULL && value->node_case == PG_QUERY__NODE__NODE_TYPE_CAST &&
           count < COUNT_OF(casts)) {
        casts[count++] = value->type_cast->type_name;
        value = value->type_cast->arg;
    }
    if (value == NULL || value->node_case != PG_QUERY__NODE__NODE_COLUMN_REF ||
        strcmp(lint_tree_last(value->column_ref->fields, value->column_ref->n_fields), column) !=
            0) {
        return true;
    }
    while (count > 0) {
        struct lint_type to;
        lint_tree_type(catalog, casts[--count], &to);
        if (lint_type_change_rewrites(catalog, type, &to)) {
            return true;
        }
        if (to.modifier_count > 0 || to.array != type->array || strcmp(to.name, type->name) != 0) {
            *type = to;
        }
    }
    return false;
}

void lint_alter_column_type(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_walk *walk = alter->walk;
    struct lint_relation *table = alter->table;
    const PgQuery__ColumnDef *definition = command->def->column_def;
    struct lint_column *column = lint_column_find(table, command->name);
    struct lint_type from = { .name = "" };
    struct lint_type to;

    lint_walk_lock_all(walk, table, LINT_ACCESS_EXCLUSIVE);
    lint_tree_type(walk->catalog, definition->type_name, &to);
    if (column != NULL) {
        from = column->type;
    }
    if (column != NULL && column->identity) {
        lint_sequence_lock(walk, table, command->name, LINT_SHARE_ROW_EXCLUSIVE);
    }
    struct lint_type value = from;
    bool rewrites =
        definition->raw_default != NULL &&
        lint_alter_using_rewrites(walk->catalog, definition->raw_default, command->name, &value);
    rewrites = rewrites || lint_type_change_rewrites(walk->catalog, &value, &to);
    const char *collation = lint_alter_collation(walk, definition);
    bool collates =
        column == NULL ? collation[0] != '\0' : strcmp(column->collation, collation) != 0;
    struct lint_column_dependents on = lint_alter_dependents(alter, command->name, rewrites);

    if (rewrites) {
        lint_walk_rewrite_all(walk, table);
        lint_walk_find(walk, LINT_COLUMN_TYPE_REWRITE, table, NULL);
    } else if (on.expression || on.check || on.parts ||
               (on.index && (lint_type_change_reindexes(walk->catalog, &from, &to) || collates))) {
        lint_walk_scan_all(walk, table);
        lint_walk_find(walk, LINT_COLUMN_TYPE_SCAN, table, NULL);
    }
    if (column == NULL) {
        column = lint_column_add(walk->catalog, table, command->name);
    }
    column->type = to;
    column->collation = collation;
}

void lint_alter_set_not_null(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_walk *walk = alter->walk;
    struct lint_relation *table = alter->table;
    struct lint_column *column = lint_column_find(table, command->name);
    bool proved = column != NULL && column->not_null;

    lint_walk_lock_all(walk, table, LINT_ACCESS_EXCLUSIVE);
    for (const struct lint_constraint *c = table->constraints; c != NULL; c = c->next) {
        proved = proved || (c->valid && lint_name_has(c->not_null, command->name));
    }
    if (!proved) {
        const char *name = lint_fix_name(walk, table);
        const char *of = lint_fix_quote(walk->arena, command->name);
        const char *check =
            lint_fix_quote(walk->arena, arena_printf(walk->arena, "%s_not_null", command->name));

        lint_walk_scan_all(walk, table);
        lint_walk_find(walk, LINT_SET_NOT_NULL, table,
                       arena_printf(walk->arena,
                                    "ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT "
                                    "VALID;\n-- then, in a rollout of its own:\n"
                                    "ALTER TABLE %s VALIDATE CONSTRAINT %s;\n-- then:\n"
                                    "ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;",
                                    name, check, of, name, check, name, of));
    }
    if (column == NULL) {
        column = lint_column_add(walk->catalog, table, command->name);
    }
    column->not_null = true;
}
