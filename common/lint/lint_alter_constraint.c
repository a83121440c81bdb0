#include "common/lint/lint_alter_constraint.h"

#include <string.h>

#include "common/lint/lint_fix.h"
#include "common/lint/lint_tree.h"

enum { LINT_FIX_COLUMNS_BYTES = 4096 };

static bool lint_constraint_kind_of(const PgQuery__Constraint *definition,
                                    enum lint_constraint_kind *ret_kind)
{
    static const struct {
        PgQuery__ConstrType type;
        enum lint_constraint_kind kind;
    } kinds[] = {
        { PG_QUERY__CONSTR_TYPE__CONSTR_CHECK, LINT_CONSTRAINT_CHECK },
        { PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN, LINT_CONSTRAINT_FOREIGN },
        { PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY, LINT_CONSTRAINT_PRIMARY },
        { PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE, LINT_CONSTRAINT_UNIQUE },
        { PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION, LINT_CONSTRAINT_EXCLUDE },
    };

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].type == definition->contype) {
            *ret_kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static void lint_constraint_names(struct lint_walk *walk, PgQuery__Node *const *names, size_t count,
                                  struct lint_name **list)
{
    for (size_t i = 0; i < count; i++) {
        lint_name_add(walk->catalog, list, lint_tree_string(names[i]));
    }
}

/* "a_b" of the columns a and b; NULL without any. */
static const char *lint_constraint_join(struct arena *arena, PgQuery__Node *const *names,
                                        size_t count)
{
    const char *joined = NULL;

    for (size_t i = 0; i < count; i++) {
        const char *name = lint_tree_string(names[i]);

        joined = joined == NULL ? name : arena_printf(arena, "%s_%s", joined, name);
    }
    return joined;
}

/* The name that PostgreSQL would choose, for DROP and VALIDATE to find it. */
static const char *lint_constraint_name(struct lint_walk *walk, const struct lint_relation *table,
                                        const PgQuery__Constraint *definition,
                                        enum lint_constraint_kind kind, const char *column)
{
    static const char *const endings[] = { "check", "fkey", "pkey", "key", "excl" };

    if (definition->conname[0] != '\0') {
        return definition->conname;
    }
    if (kind == LINT_CONSTRAINT_PRIMARY) {
        return arena_printf(&walk->catalog->arena, "%s_pkey", table->name);
    }
    if (column == NULL && definition->n_fk_attrs > 0) {
        column = lint_constraint_join(&walk->catalog->arena, definition->fk_attrs,
                                      definition->n_fk_attrs);
    } else if (column == NULL && definition->n_keys > 0) {
        column = lint_constraint_join(&walk->catalog->arena, definition->keys, definition->n_keys);
    } else if (column == NULL && kind == LINT_CONSTRAINT_CHECK) {
        struct lint_name *mentions = NULL;

        lint_tree_columns(walk->catalog, definition->raw_expr, &mentions);
        for (const struct lint_name *m = mentions; m != NULL; m = m->next) {
            bool other = column != NULL && strcmp(column, m->name) != 0;

            column = other ? NULL : m->name;
            if (other) {
                break;
            }
        }
    }
    return column == NULL ? arena_printf(&walk->catalog->arena, "%s_%s", table->name, endings[kind])
                          : arena_printf(&walk->catalog->arena, "%s_%s_%s", table->name, column,
                                         endings[kind]);
}

/* UNIQUE and PRIMARY KEY are indexes too. */
static void lint_constraint_index(struct lint_walk *walk, struct lint_relation *table,
                                  const struct lint_constraint *constraint)
{
    struct lint_relation *index = lint_catalog_add(walk->catalog, lint_catalog_schema_of(table),
                                                   constraint->name, LINT_KIND_INDEX);

    index->table = table;
    index->keys = constraint->columns;
    index->known = table->known;
    index->temporary = table->temporary;
}

struct lint_constraint *lint_alter_constrain(struct lint_walk *walk, struct lint_relation *table,
                                             const PgQuery__Constraint *definition,
                                             const char *column)
{
    enum lint_constraint_kind kind;

    if (!lint_constraint_kind_of(definition, &kind)) {
        return NULL;
    }
    struct lint_constraint *constraint = lint_constraint_add(
        walk->catalog, table, lint_constraint_name(walk, table, definition, kind, column), kind);
    constraint->valid = !definition->skip_validation;
    if (column != NULL) {
        lint_name_add(walk->catalog, &constraint->columns, column);
    }
    lint_constraint_names(walk, definition->keys, definition->n_keys, &constraint->columns);
    lint_constraint_names(walk, definition->fk_attrs, definition->n_fk_attrs, &constraint->columns);
    lint_tree_columns(walk->catalog, definition->raw_expr, &constraint->columns);
    lint_tree_uses(walk->catalog, definition->raw_expr, &table->uses);
    if (kind == LINT_CONSTRAINT_CHECK) {
        lint_tree_not_null(walk->catalog, definition->raw_expr, &constraint->not_null);
    }
    if (kind == LINT_CONSTRAINT_FOREIGN && definition->pktable != NULL) {
        constraint->target = lint_tree_relation(walk, definition->pktable, LINT_KIND_TABLE);
        lint_constraint_names(walk, definition->pk_attrs, definition->n_pk_attrs,
                              &constraint->references);
        lint_walk_lock(walk, constraint->target, LINT_SHARE_ROW_EXCLUSIVE);
        constraint->needs_index = !walk->schema_only && (table->known || column != NULL);
        constraint->statement = walk->statement->number;
    }
    if ((kind == LINT_CONSTRAINT_PRIMARY || kind == LINT_CONSTRAINT_UNIQUE ||
         kind == LINT_CONSTRAINT_EXCLUDE) &&
        definition->indexname[0] == '\0') {
        lint_constraint_index(walk, table, constraint);
    }
    return constraint;
}

static void lint_constraint_not_null(struct lint_alter *alter, const struct lint_name *columns)
{
    for (; columns != NULL; columns = columns->next) {
        struct lint_column *column = lint_column_find(alter->table, columns->name);
        if (column == NULL) {
            column = lint_column_add(alter->walk->catalog, alter->table, columns->name);
        }
        column->not_null = true;
    }
}

static bool lint_constraint_columns_are_not_null(const struct lint_relation *table,
                                                 const struct lint_name *columns)
{
    bool all = columns != NULL;

    for (; columns != NULL; columns = columns->next) {
        const struct lint_column *column = lint_column_find(table, columns->name);
        bool proved = column != NULL && column->not_null;
        for (const struct lint_constraint *c = table->constraints; c != NULL; c = c->next) {
            proved = proved || (c->valid && lint_name_has(c->not_null, columns->name));
        }
        all = all && proved;
    }
    return all;
}

/* ADD CONSTRAINT ... USING INDEX: the index becomes the constraint's. */
static void lint_constraint_using_index(struct lint_alter *alter,
                                        const PgQuery__Constraint *definition,
                                        struct lint_constraint *constraint)
{
    struct lint_walk *walk = alter->walk;
    struct lint_relation *index = lint_catalog_find(
        walk->catalog, lint_catalog_schema_of(alter->table), definition->indexname);
    const struct lint_name *keys = index == NULL ? NULL : index->keys;

    constraint->columns = index == NULL ? NULL : index->keys;
    if (constraint->kind == LINT_CONSTRAINT_PRIMARY &&
        !lint_constraint_columns_are_not_null(alter->table, keys)) {
        lint_walk_scan_all(walk, alter->table);
        lint_walk_find(walk, LINT_PRIMARY_KEY_NULLABLE, alter->table, NULL);
    }
    if (index != NULL && definition->conname[0] != '\0') {
        lint_catalog_rename(walk->catalog, index, index->schema, definition->conname);
    }
}

static void lint_constraint_fix(struct lint_alter *alter, enum lint_rule rule,
                                const struct lint_constraint *constraint, const char *kind)
{
    struct lint_walk *walk = alter->walk;
    const char *table = lint_fix_name(walk, alter->table);
    const char *name = lint_fix_quote(walk->arena, constraint->name);
    const char *first =
        alter->statement->n_cmds == 1 && walk->depth == 0
            ? lint_walk_rewritten(walk, "", "NOT VALID")
            : arena_printf(walk->arena, "ALTER TABLE %s ADD CONSTRAINT %s %s ... NOT VALID;", table,
                           name, kind);

    lint_walk_find(walk, rule, alter->table,
                   arena_printf(walk->arena,
                                "%s\n-- then, in a rollout of its own:\n"
                                "ALTER TABLE %s VALIDATE CONSTRAINT %s;",
                                first, table, name));
}

/* The index first, beside the traffic, then the constraint of it. */
static const char *lint_constraint_by_index(const struct lint_walk *walk,
                                            const struct lint_relation *table,
                                            const struct lint_constraint *constraint,
                                            const PgQuery__Constraint *definition)
{
    CLEANUP(buf_release) struct buf columns = { .size_max = LINT_FIX_COLUMNS_BYTES };
    const char *on = lint_fix_name(walk, table);
    const char *name = lint_fix_quote(walk->arena, constraint->name);

    for (size_t i = 0; i < definition->n_keys; i++) {
        buf_printf(&columns, "%s%s", i == 0 ? "" : ", ",
                   lint_fix_quote(walk->arena, lint_tree_string(definition->keys[i])));
    }
    return lint_fix_outside(
        walk,
        arena_printf(walk->arena,
                     "CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s);\n"
                     "-- then, in the next script:\n"
                     "ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s;",
                     name, on, buf_text(&columns), on, name,
                     constraint->kind == LINT_CONSTRAINT_PRIMARY ? "PRIMARY KEY" : "UNIQUE", name));
}

/* UNIQUE builds an index on each partition as CREATE INDEX does; children that are no partitions
 * get none. PRIMARY KEY makes the columns NOT NULL in all of them, too. */
static void lint_alter_lock_constraint(struct lint_alter *alter,
                                       const PgQuery__Constraint *definition)
{
    struct lint_walk *walk = alter->walk;
    bool foreign = definition->contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN;
    bool unique = definition->contype == PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE;

    if (unique && definition->indexname[0] == '\0') {
        bool only = lint_walk_parts(walk, alter->table);
        lint_walk_lock_all(walk, alter->table, LINT_SHARE);
        lint_walk_whole(walk, only);
        lint_walk_lock(walk, alter->table, LINT_ACCESS_EXCLUSIVE);
        return;
    }
    lint_walk_lock_all(walk, alter->table,
                       foreign ? LINT_SHARE_ROW_EXCLUSIVE : LINT_ACCESS_EXCLUSIVE);
}

void lint_alter_add_constraint(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_walk *walk = alter->walk;
    struct lint_relation *table = alter->table;
    const PgQuery__Constraint *definition = command->def->constraint;
    bool foreign = definition->contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN;

    lint_alter_lock_constraint(alter, definition);
    struct lint_constraint *constraint = lint_alter_constrain(walk, table, definition, NULL);
    if (constraint == NULL) {
        return;
    }
    if (definition->indexname[0] != '\0') {
        lint_constraint_using_index(alter, definition, constraint);
    } else if (constraint->kind == LINT_CONSTRAINT_PRIMARY ||
               constraint->kind == LINT_CONSTRAINT_UNIQUE) {
        bool only = lint_walk_parts(walk, table);
        lint_walk_scan_all(walk, table);
        lint_walk_whole(walk, only);
        lint_walk_find(walk, LINT_ADD_UNIQUE, table,
                       lint_constraint_by_index(walk, table, constraint, definition));
    } else if (constraint->kind == LINT_CONSTRAINT_EXCLUDE) {
        lint_walk_scan_all(walk, table);
        lint_walk_find(walk, LINT_ADD_EXCLUDE, table, NULL);
    } else if (constraint->valid) {
        lint_walk_scan_all(walk, table);
        if (constraint->target != NULL && lint_catalog_is_live(walk->catalog, table)) {
            lint_walk_scan(walk, constraint->target); /* else there is nothing to look up in it */
        }
        lint_constraint_fix(alter, foreign ? LINT_ADD_FOREIGN_KEY : LINT_ADD_CHECK, constraint,
                            foreign ? "FOREIGN KEY" : "CHECK");
    }
    if (constraint->kind == LINT_CONSTRAINT_PRIMARY) {
        lint_constraint_not_null(alter, constraint->columns);
    }
}

void lint_alter_validate(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_walk *walk = alter->walk;
    struct lint_constraint *constraint = lint_constraint_find(alter->table, command->name);

    lint_walk_lock_all(walk, alter->table, LINT_SHARE_UPDATE_EXCLUSIVE);
    if (constraint != NULL && constraint->target != NULL) {
        lint_walk_lock(walk, constraint->target, LINT_ROW_SHARE);
    }
    if (constraint != NULL && constraint->valid) {
        return;
    }
    lint_walk_scan_all(walk, alter->table);
    if (walk->statement->transactional && walk->transaction->held.mode >= LINT_SHARE) {
        walk->transaction->told_long = true;
        lint_walk_find(walk, LINT_VALIDATE_IN_TRANSACTION, alter->table, NULL);
    }
    if (constraint != NULL) {
        constraint->valid = true;
    }
}

void lint_alter_drop_constraint(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_walk *walk = alter->walk;
    struct lint_constraint *constraint = lint_constraint_find(alter->table, command->name);

    lint_walk_lock_all(walk, alter->table, LINT_ACCESS_EXCLUSIVE);
    if (constraint == NULL && command->missing_ok && alter->table->known) {
        return;
    }
    lint_walk_find(walk, LINT_DROP_CONSTRAINT, alter->table, NULL);
    if (constraint == NULL) {
        return;
    }
    if (constraint->target != NULL) {
        lint_walk_lock(walk, constraint->target, LINT_ACCESS_EXCLUSIVE);
    }
    for (struct lint_relation *r = walk->catalog->relations;
         r != NULL && constraint->kind == LINT_CONSTRAINT_PRIMARY &&
         command->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
         r = r->hh.next) {
        for (const struct lint_constraint *c = r->constraints; c != NULL; c = c->next) {
            if (c->target == alter->table) {
                lint_walk_lock(walk, r, LINT_ACCESS_EXCLUSIVE);
            }
        }
    }
    struct lint_relation *index =
        lint_catalog_find(walk->catalog, lint_catalog_schema_of(alter->table), constraint->name);
    if (index != NULL && index->kind == LINT_KIND_INDEX) {
        lint_walk_lock(walk, index, LINT_ACCESS_EXCLUSIVE);
        lint_catalog_remove(walk->catalog, index);
    }
    lint_constraint_remove(alter->table, constraint);
}
