#include "common/lint/lint_catalog.h"

#include <string.h>

enum { LINT_CATALOG_GENERATIONS_MAX = 32 }; /* of partitions below partitions */

void lint_catalog_release(struct lint_catalog *catalog)
{
    HASH_CLEAR(hh, catalog->relations);
    HASH_CLEAR(hh, catalog->things);
    arena_release(&catalog->arena);
    *catalog = (struct lint_catalog){ 0 };
}

/* "public" is where a database's tenant lives, as a schema's tenant lives in its own. */
static const char *lint_catalog_home(const struct lint_catalog *catalog, const char *schema)
{
    return strcmp(schema, "public") == 0 ||
                   (catalog->home != NULL && strcmp(schema, catalog->home) == 0)
               ? ""
               : schema;
}

/* Where something is made: the first of the path. */
static const char *lint_catalog_schema(const struct lint_catalog *catalog, const char *schema)
{
    const struct lint_name *path = schema[0] != '\0' ? NULL : catalog->path;

    while (path != NULL &&
           (strcmp(path->name, "$user") == 0 || strncmp(path->name, "pg_", 3) == 0)) {
        path = path->next;
    }
    return lint_catalog_home(catalog, path != NULL ? path->name : schema);
}

const char *lint_catalog_schema_of(const struct lint_relation *relation)
{
    return relation->schema[0] == '\0' ? "public" : relation->schema;
}

bool lint_catalog_is_in(const struct lint_catalog *catalog, const struct lint_relation *relation,
                        const char *schema)
{
    return strcmp(relation->schema, lint_catalog_home(catalog, schema)) == 0;
}

static struct lint_relation *lint_catalog_by_key(const struct lint_catalog *catalog,
                                                 const char *schema, const char *name)
{
    struct lint_relation *relation = NULL;
    char key[256];
    size_t size = strlen(schema);

    if (size + strlen(name) + 2 > sizeof(key)) {
        return NULL; /* longer than any name that PostgreSQL keeps */
    }
    memcpy(key, schema, size);
    key[size] = '.';
    memcpy(key + size + 1, name, strlen(name) + 1);
    HASH_FIND_STR(catalog->relations, key, relation);
    return relation;
}

struct lint_relation *lint_catalog_find(const struct lint_catalog *catalog, const char *schema,
                                        const char *name)
{
    if (schema[0] != '\0') {
        return lint_catalog_by_key(catalog, lint_catalog_home(catalog, schema), name);
    }
    struct lint_relation *found = lint_catalog_by_key(catalog, "pg_temp", name);
    for (const struct lint_name *path = catalog->path; path != NULL && found == NULL;
         path = path->next) {
        found = lint_catalog_by_key(catalog, lint_catalog_home(catalog, path->name), name);
    }
    return found == NULL && catalog->path == NULL ? lint_catalog_by_key(catalog, "", name) : found;
}

static void lint_catalog_put(struct lint_catalog *catalog, struct lint_relation *relation)
{
    relation->key = arena_printf(&catalog->arena, "%s.%s", relation->schema, relation->name);
    struct lint_relation *before = lint_catalog_by_key(catalog, relation->schema, relation->name);
    if (before != NULL) {
        HASH_DEL(catalog->relations, before);
    }
    HASH_ADD_KEYPTR(hh, catalog->relations, relation->key, strlen(relation->key), relation);
}

struct lint_relation *lint_catalog_add(struct lint_catalog *catalog, const char *schema,
                                       const char *name, enum lint_kind kind)
{
    struct lint_relation *relation = arena_alloc(&catalog->arena, sizeof(*relation));

    relation->schema = arena_strdup(&catalog->arena, lint_catalog_schema(catalog, schema));
    relation->name = arena_strdup(&catalog->arena, name);
    relation->kind = kind;
    relation->tablespace = "";
    relation->method = "";
    relation->known = true;
    relation->epoch = catalog->epoch;
    relation->temporary = strcmp(relation->schema, "pg_temp") == 0;
    lint_catalog_put(catalog, relation);
    return relation;
}

struct lint_relation *lint_catalog_need(struct lint_catalog *catalog, const char *schema,
                                        const char *name, enum lint_kind kind)
{
    struct lint_relation *relation = lint_catalog_find(catalog, schema, name);

    if (relation == NULL) {
        relation = lint_catalog_add(catalog, schema, name, kind);
        relation->known = false;
        relation->epoch = 0;
    }
    return relation;
}

void lint_catalog_remove(struct lint_catalog *catalog, struct lint_relation *relation)
{
    if (lint_catalog_by_key(catalog, relation->schema, relation->name) == relation) {
        HASH_DEL(catalog->relations, relation);
    }
}

void lint_catalog_rename(struct lint_catalog *catalog, struct lint_relation *relation,
                         const char *schema, const char *name)
{
    lint_catalog_remove(catalog, relation);
    relation->schema = arena_strdup(&catalog->arena, lint_catalog_home(catalog, schema));
    relation->name = arena_strdup(&catalog->arena, name);
    lint_catalog_put(catalog, relation);
}

bool lint_catalog_is_live(const struct lint_catalog *catalog, const struct lint_relation *relation)
{
    return !relation->temporary && (!relation->known || relation->epoch < catalog->epoch);
}

struct lint_thing *lint_catalog_thing(const struct lint_catalog *catalog, const char *name)
{
    struct lint_thing *thing = NULL;

    HASH_FIND_STR(catalog->things, name, thing);
    return thing;
}

struct lint_thing *lint_catalog_add_thing(struct lint_catalog *catalog, const char *name)
{
    struct lint_thing *thing = lint_catalog_thing(catalog, name);

    if (thing == NULL) {
        thing = arena_alloc(&catalog->arena, sizeof(*thing));
        thing->name = arena_strdup(&catalog->arena, name);
        HASH_ADD_KEYPTR(hh, catalog->things, thing->name, strlen(thing->name), thing);
    }
    return thing;
}

struct lint_column *lint_column_find(const struct lint_relation *relation, const char *name)
{
    struct lint_column *column = relation->columns;

    while (column != NULL && strcmp(column->name, name) != 0) {
        column = column->next;
    }
    return column;
}

struct lint_column *lint_column_add(struct lint_catalog *catalog, struct lint_relation *relation,
                                    const char *name)
{
    struct lint_column *column = arena_alloc(&catalog->arena, sizeof(*column));

    column->name = arena_strdup(&catalog->arena, name);
    column->type.name = "";
    column->collation = "";
    column->next = relation->columns;
    relation->columns = column;
    return column;
}

void lint_column_remove(struct lint_relation *relation, const char *name)
{
    for (struct lint_column **at = &relation->columns; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            *at = (*at)->next;
            return;
        }
    }
}

struct lint_constraint *lint_constraint_find(const struct lint_relation *relation, const char *name)
{
    struct lint_constraint *constraint = relation->constraints;

    while (constraint != NULL && strcmp(constraint->name, name) != 0) {
        constraint = constraint->next;
    }
    return constraint;
}

struct lint_constraint *lint_constraint_add(struct lint_catalog *catalog,
                                            struct lint_relation *relation, const char *name,
                                            enum lint_constraint_kind kind)
{
    struct lint_constraint *constraint = arena_alloc(&catalog->arena, sizeof(*constraint));

    constraint->name = arena_strdup(&catalog->arena, name);
    constraint->kind = kind;
    constraint->valid = true;
    constraint->next = relation->constraints;
    relation->constraints = constraint;
    return constraint;
}

void lint_constraint_remove(struct lint_relation *relation, const struct lint_constraint *gone)
{
    for (struct lint_constraint **at = &relation->constraints; *at != NULL; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            return;
        }
    }
}

void lint_name_add(struct lint_catalog *catalog, struct lint_name **list, const char *name)
{
    struct lint_name *entry = arena_alloc(&catalog->arena, sizeof(*entry));

    entry->name = arena_strdup(&catalog->arena, name);
    entry->next = *list;
    *list = entry;
}

bool lint_name_has(const struct lint_name *list, const char *name)
{
    while (list != NULL && strcmp(list->name, name) != 0) {
        list = list->next;
    }
    return list != NULL;
}

void lint_catalog_forget(struct lint_catalog *catalog)
{
    HASH_CLEAR(hh, catalog->relations);
}

void lint_catalog_size(struct lint_catalog *catalog, const char *schema, const char *name,
                       uint64_t bytes)
{
    struct lint_relation *relation = lint_catalog_find(catalog, schema, name);

    if (relation != NULL) {
        relation->origin = relation->key;
        relation->bytes = bytes;
    }
}

bool lint_catalog_is_below(const struct lint_relation *relation,
                           const struct lint_relation *ancestor)
{
    size_t steps = 0;

    while (relation != NULL && relation != ancestor && steps < LINT_CATALOG_GENERATIONS_MAX) {
        relation = relation->parent;
        steps++;
    }
    return relation == ancestor;
}

void lint_catalog_settle(struct lint_catalog *catalog)
{
    const char *home = catalog->relations == NULL ? "" : catalog->relations->schema;
    const size_t count = HASH_COUNT(catalog->relations);
    size_t renamed = 0;

    for (const struct lint_relation *r = catalog->relations; r != NULL; r = r->hh.next) {
        if (strcmp(r->schema, home) != 0) {
            return;
        }
    }
    if (home[0] == '\0') {
        return;
    }
    catalog->home = home;
    /* Each is put behind the last one, so the first is the next. */
    for (; renamed < count; renamed++) {
        struct lint_relation *relation = catalog->relations;
        HASH_DEL(catalog->relations, relation);
        relation->schema = "";
        for (struct lint_name *read = relation->reads; read != NULL; read = read->next) {
            read->name += strlen(home); /* "home.name" to ".name", the key of a relation at home */
        }
        lint_catalog_put(catalog, relation);
    }
}
