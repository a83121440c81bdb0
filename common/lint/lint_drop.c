#include "common/lint/lint_drop.h"

#include <string.h>

#include "common/lint/lint_fix.h"
#include "common/lint/lint_sequence.h"
#include "common/lint/lint_tree.h"

/* The names of one object of a DROP: a list of strings, or one type name. */
static void lint_drop_names(const PgQuery__Node *object, PgQuery__Node *const **ret_names,
                            size_t *ret_count)
{
    *ret_names = NULL;
    *ret_count = 0;
    if (object->node_case == PG_QUERY__NODE__NODE_LIST) {
        *ret_names = object->list->items;
        *ret_count = object->list->n_items;
    } else if (object->node_case == PG_QUERY__NODE__NODE_TYPE_NAME) {
        *ret_names = object->type_name->names;
        *ret_count = object->type_name->n_names;
    }
}

static void lint_drop_table_locks(struct lint_walk *walk, struct lint_relation *table, bool cascade)
{
    lint_walk_lock_all(walk, table, LINT_ACCESS_EXCLUSIVE);
    if (table->parent != NULL && table->parent->kind == LINT_KIND_PARTITIONED) {
        lint_walk_lock(walk, table->parent, LINT_ACCESS_EXCLUSIVE);
    }
    for (const struct lint_constraint *c = table->constraints; c != NULL; c = c->next) {
        if (c->target != NULL) {
            lint_walk_lock(walk, c->target, LINT_ACCESS_EXCLUSIVE);
        }
    }
    lint_sequence_drop(walk, table, NULL);
    if (cascade) {
        lint_walk_lock_readers(walk, table, NULL, LINT_ACCESS_EXCLUSIVE);
    }
    for (struct lint_relation *r = walk->catalog->relations; r != NULL && cascade; r = r->hh.next) {
        for (struct lint_constraint *c = r->constraints; c != NULL; c = c->next) {
            if (c->target == table) {
                lint_walk_lock(walk, r, LINT_ACCESS_EXCLUSIVE);
                lint_constraint_remove(r, c);
            }
        }
    }
}

static void lint_drop_table(struct lint_walk *walk, const PgQuery__DropStmt *drop,
                            PgQuery__Node *const *names, size_t count, enum lint_kind kind)
{
    const char *schema = lint_tree_schema(names, count);
    const char *name = lint_tree_last(names, count);
    struct lint_relation *table = lint_catalog_find(walk->catalog, schema, name);

    if (table == NULL && drop->missing_ok) {
        return; /* never seen: there may be nothing to drop */
    }
    table = lint_catalog_need(walk->catalog, schema, name, kind);
    lint_drop_table_locks(walk, table, drop->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE);
    lint_walk_find(walk, LINT_DROP_TABLE, table, NULL);
    lint_catalog_remove(walk->catalog, table);
}

static void lint_drop_index(struct lint_walk *walk, const PgQuery__DropStmt *drop,
                            PgQuery__Node *const *names, size_t count)
{
    struct lint_relation *index = lint_catalog_need(walk->catalog, lint_tree_schema(names, count),
                                                    lint_tree_last(names, count), LINT_KIND_INDEX);
    enum lint_mode mode = drop->concurrent ? LINT_SHARE_UPDATE_EXCLUSIVE : LINT_ACCESS_EXCLUSIVE;

    if (index->table != NULL) {
        lint_walk_lock_all(walk, index->table, mode);
    }
    lint_walk_lock(walk, index, mode);
    if (drop->concurrent && walk->statement->transactional) {
        lint_walk_find(walk, LINT_NOT_IN_TRANSACTION, NULL, NULL);
    } else if (!drop->concurrent) {
        const struct lint_relation *on = index->table != NULL ? index->table : index;
        lint_walk_find(
            walk, LINT_DROP_INDEX, on,
            lint_fix_outside(walk, arena_printf(walk->arena, "DROP INDEX CONCURRENTLY %s;",
                                                lint_fix_name(walk, index))));
    }
    lint_catalog_remove(walk->catalog, index);
}

/* DROP TRIGGER, RULE, POLICY: the last name is its own, those before are the table's. */
static void lint_drop_of_table(struct lint_walk *walk, const PgQuery__DropStmt *drop,
                               PgQuery__Node *const *names, size_t count)
{
    if (count >= 2) {
        struct lint_relation *table =
            lint_catalog_need(walk->catalog, lint_tree_schema(names, count - 1),
                              lint_tree_last(names, count - 1), LINT_KIND_TABLE);
        if (drop->missing_ok && table->known &&
            !lint_name_has(table->hooks, lint_tree_last(names, count))) {
            return; /* nothing to drop: looked up before it is locked */
        }
        lint_walk_lock_all(walk, table, LINT_ACCESS_EXCLUSIVE);
        lint_walk_find(walk, LINT_TRIGGER, table, NULL);
    }
}

/* DROP TYPE ... CASCADE takes the columns of that type with it. */
static void lint_drop_type(struct lint_walk *walk, const char *name)
{
    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        if (r->type != NULL && strcmp(r->type, name) == 0) {
            lint_walk_lock_all(walk, r, LINT_ACCESS_EXCLUSIVE);
            lint_walk_find(walk, LINT_DROP_TABLE, r, NULL);
        }
        for (const struct lint_column *c = r->columns; c != NULL; c = c->next) {
            if (strcmp(c->type.name, name) == 0) {
                lint_walk_lock(walk, r, LINT_ACCESS_EXCLUSIVE);
                lint_walk_lock_readers(walk, r, c->name, LINT_ACCESS_EXCLUSIVE);
                lint_walk_find(walk, LINT_DROP_COLUMN, r, NULL);
                break;
            }
        }
    }
}

/* DROP FUNCTION and SEQUENCE ... CASCADE take triggers, defaults and checks with them. */
static void lint_drop_used(struct lint_walk *walk, const char *name)
{
    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        if (lint_name_has(r->uses, name)) {
            lint_walk_lock_all(walk, r, LINT_ACCESS_EXCLUSIVE);
            lint_walk_find(walk, LINT_TRIGGER, r, NULL);
        }
    }
}

/* Functions are objects with arguments, which says nothing here: all of that name. */
static const char *lint_drop_function_name(const PgQuery__Node *object)
{
    return object->node_case == PG_QUERY__NODE__NODE_OBJECT_WITH_ARGS
               ? lint_tree_last(object->object_with_args->objname,
                                object->object_with_args->n_objname)
               : "";
}

static void lint_drop_all_in(struct lint_walk *walk, const char *schema)
{
    struct lint_relation *next = NULL;

    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        if (lint_catalog_is_in(walk->catalog, r, schema) && r->kind != LINT_KIND_INDEX) {
            lint_drop_table_locks(walk, r, true);
        }
    }
    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = next) {
        next = r->hh.next;
        if (lint_catalog_is_in(walk->catalog, r, schema)) {
            lint_catalog_remove(walk->catalog, r);
        }
    }
}

/* The types that come with extensions that people use for columns. */
static void lint_drop_extension(struct lint_walk *walk, const char *extension)
{
    static const struct {
        const char *extension;
        const char *type;
    } types[] = {
        { "citext", "citext" }, { "hstore", "hstore" },      { "ltree", "ltree" },
        { "cube", "cube" },     { "postgis", "geometry" },   { "postgis", "geography" },
        { "vector", "vector" }, { "isn", "isbn13" },         { "isn", "ean13" },
        { "seg", "seg" },       { "intarray", "query_int" }, { "semver", "semver" },
    };

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].extension, extension) == 0) {
            lint_drop_type(walk, types[i].type);
        }
    }
    lint_walk_find(walk, LINT_OPAQUE, NULL, NULL); /* indexes, defaults: nobody has said */
}

static void lint_drop_one(struct lint_walk *walk, const PgQuery__DropStmt *drop,
                          const PgQuery__Node *object)
{
    static const struct {
        PgQuery__ObjectType type;
        enum lint_kind kind;
    } relations[] = {
        { PG_QUERY__OBJECT_TYPE__OBJECT_TABLE, LINT_KIND_TABLE },
        { PG_QUERY__OBJECT_TYPE__OBJECT_VIEW, LINT_KIND_VIEW },
        { PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW, LINT_KIND_MATVIEW },
        { PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE, LINT_KIND_SEQUENCE },
        { PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE, LINT_KIND_TABLE },
    };
    PgQuery__Node *const *names = NULL;
    size_t count = 0;

    lint_drop_names(object, &names, &count);
    for (size_t i = 0; i < COUNT_OF(relations); i++) {
        if (relations[i].type == drop->remove_type) {
            lint_drop_table(walk, drop, names, count, relations[i].kind);
        }
    }
    bool cascade = drop->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
    if (cascade && drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE) {
        lint_drop_used(walk, lint_tree_last(names, count));
    } else if (cascade && object->node_case == PG_QUERY__NODE__NODE_OBJECT_WITH_ARGS) {
        lint_drop_used(walk, lint_drop_function_name(object));
    } else if (cascade && drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_EXTENSION) {
        lint_drop_extension(walk, lint_tree_string(object));
    }
    bool type = drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE ||
                drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN;
    if (type && drop->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE) {
        lint_drop_type(walk, lint_tree_last(names, count));
    } else if (drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX) {
        lint_drop_index(walk, drop, names, count);
    } else if (drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER ||
               drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_RULE ||
               drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_POLICY) {
        lint_drop_of_table(walk, drop, names, count);
    }
}

void lint_drop(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__DropStmt *drop = statement->drop_stmt;

    if (drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA) {
        lint_walk_find(walk, LINT_DROP_SCHEMA, NULL, NULL);
        for (size_t i = 0;
             i < drop->n_objects && drop->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE; i++) {
            lint_drop_all_in(walk, lint_tree_string(drop->objects[i]));
        }
        return;
    }
    if (drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_EXTENSION) {
        lint_walk_find(walk, LINT_EXTENSION, NULL, NULL);
    }
    for (size_t i = 0; i < drop->n_objects; i++) {
        lint_drop_one(walk, drop, drop->objects[i]);
    }
}

void lint_drop_truncate(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__TruncateStmt *truncate = statement->truncate_stmt;
    bool cascade = truncate->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;

    for (size_t i = 0; i < truncate->n_relations; i++) {
        struct lint_relation *table =
            lint_tree_relation(walk, truncate->relations[i]->range_var, LINT_KIND_TABLE);
        walk->only = !truncate->relations[i]->range_var->inh;
        lint_walk_lock_all(walk, table, LINT_ACCESS_EXCLUSIVE);
        walk->only = false;
        if (truncate->restart_seqs) {
            lint_sequence_lock(walk, table, NULL, LINT_ACCESS_EXCLUSIVE);
        }
        for (struct lint_relation *r = walk->catalog->relations; r != NULL && cascade;
             r = r->hh.next) {
            for (const struct lint_constraint *c = r->constraints; c != NULL; c = c->next) {
                if (c->target == table) {
                    lint_walk_lock_all(walk, r, LINT_ACCESS_EXCLUSIVE);
                }
            }
        }
        lint_walk_find(walk, LINT_TRUNCATE, table, NULL);
    }
}

static void lint_drop_rename_in(struct lint_name *names, const char *from, const char *to)
{
    for (; names != NULL; names = names->next) {
        names->name = strcmp(names->name, from) == 0 ? to : names->name;
    }
}

/* A column's new name in the catalog, and in what mentions it. */
static void lint_drop_rename_column(struct lint_walk *walk, struct lint_relation *table,
                                    const PgQuery__RenameStmt *rename)
{
    const char *to = arena_strdup(&walk->catalog->arena, rename->newname);

    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        bool mine = r == table || (r->parent != NULL && lint_catalog_is_below(r, table));
        struct lint_column *column = mine ? lint_column_find(r, rename->subname) : NULL;

        if (column != NULL) {
            column->name = to;
        }
        if (r->kind == LINT_KIND_INDEX && r->table != NULL &&
            lint_catalog_is_below(r->table, table)) {
            lint_drop_rename_in(r->keys, rename->subname, to);
            lint_drop_rename_in(r->mentions, rename->subname, to);
        }
        for (struct lint_constraint *c = r->constraints; c != NULL; c = c->next) {
            if (mine) {
                lint_drop_rename_in(c->columns, rename->subname, to);
                lint_drop_rename_in(c->not_null, rename->subname, to);
            }
            if (c->target == table) {
                lint_drop_rename_in(c->references, rename->subname, to);
            }
        }
    }
}

/* Nothing in it is locked, and all of it has another name. */
static void lint_drop_rename_schema(struct lint_walk *walk, const char *from, const char *to)
{
    size_t left = HASH_COUNT(walk->catalog->relations);
    struct lint_relation *next = NULL;

    /* Each that is renamed is put behind the last one, and so comes by again. */
    for (struct lint_relation *r = walk->catalog->relations; r != NULL && left > 0; r = next) {
        next = r->hh.next;
        left--;
        if (lint_catalog_is_in(walk->catalog, r, from)) {
            lint_catalog_rename(walk->catalog, r, to, r->name);
        }
    }
}

/* Typed tables have a composite type's attributes for columns. */
static void lint_drop_rename_attribute(struct lint_walk *walk, const PgQuery__RenameStmt *rename)
{
    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        if (rename->relation != NULL && r->type != NULL &&
            strcmp(r->type, rename->relation->relname) == 0) {
            lint_walk_lock_all(walk, r, LINT_ACCESS_EXCLUSIVE);
            lint_drop_rename_column(walk, r, rename);
            lint_walk_find(walk, LINT_RENAME, r, NULL);
        }
    }
}

void lint_drop_rename(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__RenameStmt *rename = statement->rename_stmt;

    if (rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_ATTRIBUTE) {
        lint_drop_rename_attribute(walk, rename);
        return;
    }
    if (rename->relation == NULL) {
        if (rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA) {
            lint_walk_find(walk, LINT_RENAME, NULL, NULL);
            lint_drop_rename_schema(walk, rename->subname, rename->newname);
        }
        return;
    }
    bool index = rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX;
    struct lint_relation *relation =
        lint_tree_relation(walk, rename->relation, index ? LINT_KIND_INDEX : LINT_KIND_TABLE);
    if (index || relation->kind == LINT_KIND_INDEX) {
        lint_walk_lock(walk, relation, LINT_SHARE_UPDATE_EXCLUSIVE);
        lint_catalog_rename(walk->catalog, relation, relation->schema, rename->newname);
        return;
    }
    lint_walk_lock_all(walk, relation, LINT_ACCESS_EXCLUSIVE);
    if (rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN) {
        lint_drop_rename_column(walk, relation, rename);
        lint_walk_find(walk, LINT_RENAME, relation, NULL);
    } else if (rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABCONSTRAINT) {
        struct lint_constraint *constraint = lint_constraint_find(relation, rename->subname);
        if (constraint != NULL) {
            constraint->name = arena_strdup(&walk->catalog->arena, rename->newname);
        }
    } else if (rename->subname[0] == '\0') {
        lint_walk_find(walk, LINT_RENAME, relation, NULL);
        lint_catalog_rename(walk->catalog, relation, relation->schema, rename->newname);
    }
}

void lint_drop_set_schema(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__AlterObjectSchemaStmt *move = statement->alter_object_schema_stmt;

    if (move->relation == NULL) {
        return;
    }
    struct lint_relation *relation = lint_tree_relation(walk, move->relation, LINT_KIND_TABLE);
    lint_walk_lock(walk, relation, LINT_ACCESS_EXCLUSIVE);
    lint_walk_find(walk, LINT_RENAME, relation, NULL);
    lint_sequence_move(walk, relation, move->newschema);
    lint_catalog_rename(walk->catalog, relation, move->newschema, relation->name);
}

void lint_drop_owner(struct lint_walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    lint_walk_find(walk, LINT_ROLE, NULL, NULL);
}
