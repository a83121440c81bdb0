/* lint_catalog.h - what exists, as far as the scripts read so far say.
 *
 * Not thread-safe. A catalog owns all that it hands out, until lint_catalog_release. Names are as
 * PostgreSQL keeps them: folded, without quotes. A relation that is used and was never seen made is
 * taken to exist (`known` is false): what a script of a live tenant touches is there. */
#ifndef SKEIN_COMMON_LINT_LINT_CATALOG_H
#define SKEIN_COMMON_LINT_LINT_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "common/core/arena.h"
#include "common/core/base.h"

struct lint_name {
    struct lint_name *next;
    const char *name;
};

enum { LINT_TYPE_MODIFIERS = 2 };

struct lint_type {
    const char *name; /* as in pg_type: "int4", "varchar"; "" where not known */
    int32_t modifiers[LINT_TYPE_MODIFIERS];
    size_t modifier_count;
    bool array;
};

struct lint_column {
    struct lint_column *next;
    const char *name;
    struct lint_type type;
    const char *collation; /* "" for the type's own */
    bool not_null;
    bool generated;
    bool identity;
};

enum lint_constraint_kind {
    LINT_CONSTRAINT_CHECK,
    LINT_CONSTRAINT_FOREIGN,
    LINT_CONSTRAINT_PRIMARY,
    LINT_CONSTRAINT_UNIQUE,
    LINT_CONSTRAINT_EXCLUDE,
};

struct lint_constraint {
    struct lint_constraint *next;
    const char *name; /* "" where PostgreSQL chooses it */
    enum lint_constraint_kind kind;
    bool valid;
    struct lint_name *columns;    /* that it mentions */
    struct lint_name *not_null;   /* columns that a CHECK proves not to be NULL */
    struct lint_relation *target; /* of a foreign key */
    struct lint_name *references; /* the target's columns; empty for its primary key */
    bool needs_index;             /* a foreign key of the script that is being read */
    uint32_t statement;           /* of that script */
};

enum lint_kind {
    LINT_KIND_TABLE,
    LINT_KIND_PARTITIONED,
    LINT_KIND_VIEW,
    LINT_KIND_MATVIEW,
    LINT_KIND_SEQUENCE,
    LINT_KIND_INDEX,
};

struct lint_relation {
    const char *key; /* "schema.name" */
    const char *schema;
    const char *name;
    enum lint_kind kind;
    bool known;     /* its definition was seen */
    bool temporary; /* of the session: nobody else's business */
    bool is_default;
    bool unlogged;
    const char *tablespace; /* "" for the database's own */
    const char *method;     /* the access method; "" for heap */
    const char *type;       /* the composite type that a typed table is of; NULL: none */
    uint32_t epoch;         /* when it was made: 0 is before all migrations */
    const char *origin; /* its key in the database that has said how large it is; NULL: none has */
    uint64_t bytes;
    struct lint_column *columns;
    struct lint_constraint *constraints;
    struct lint_relation *parent;
    struct lint_relation *table; /* of an index; whose column a sequence belongs to */
    struct lint_name *keys;      /* of an index: its plain columns; of a sequence: its owner */
    struct lint_name *mentions;  /* of an index: columns in its expressions and its predicate; of a
                                    view: columns in its query, "" for all */
    struct lint_name *reads;     /* of a view: the keys of the relations in its query */
    struct lint_name *hooks;     /* triggers, rules and policies on it */
    struct lint_name *uses;      /* functions and sequences that it cannot do without */
    UT_hash_handle hh;
};

/* A domain, an enum or a function: what a name stands for. */
struct lint_thing {
    const char *name;
    struct lint_type base; /* of a domain */
    bool domain;
    bool constrained; /* a domain with a CHECK or NOT NULL */
    bool function;
    bool is_volatile; /* a function */
    bool plpgsql;
    const char *source; /* of a function: its CREATE statement; its body where it is SQL */
    struct lint_column *attributes; /* of a composite type */
    struct lint_name *added;        /* an enum's values of this migration */
    uint32_t added_epoch;
    UT_hash_handle hh;
};

struct lint_catalog {
    struct arena arena;
    struct lint_relation *relations;
    struct lint_thing *things;
    struct lint_name *path; /* schemas of names without one, in order; NULL: the tenant's */
    const char *home; /* the tenant's own schema, where it has another name than public; NULL */
    uint32_t epoch;   /* of the migration that is being read */
    bool utc;         /* the session's time zone is UTC */
    bool utc_at_home; /* the database's is, before a migration sets another */
};

void lint_catalog_release(struct lint_catalog *catalog);

/* NULL where there is none of that name. "" is the schema of the path. */
struct lint_relation *lint_catalog_find(const struct lint_catalog *catalog, const char *schema,
                                        const char *name);

/* Its schema, as these functions take it: "public" for the tenant's. */
const char *lint_catalog_schema_of(const struct lint_relation *relation);
/* Whether it is in the schema of that name. */
bool lint_catalog_is_in(const struct lint_catalog *catalog, const struct lint_relation *relation,
                        const char *schema);

/* Finds it, or takes it to exist since ever. */
struct lint_relation *lint_catalog_need(struct lint_catalog *catalog, const char *schema,
                                        const char *name, enum lint_kind kind);

/* Makes a new one; what had the name before is forgotten. */
struct lint_relation *lint_catalog_add(struct lint_catalog *catalog, const char *schema,
                                       const char *name, enum lint_kind kind);
void lint_catalog_remove(struct lint_catalog *catalog, struct lint_relation *relation);
void lint_catalog_rename(struct lint_catalog *catalog, struct lint_relation *relation,
                         const char *schema, const char *name);

/* Whether it was there before the migration that is being read, for others to see. */
bool lint_catalog_is_live(const struct lint_catalog *catalog, const struct lint_relation *relation);

/* Types and functions stay; every relation is one that was never seen made. */
void lint_catalog_forget(struct lint_catalog *catalog);

/* How large a table or an index is. None of that name: nothing happens. */
void lint_catalog_size(struct lint_catalog *catalog, const char *schema, const char *name,
                       uint64_t bytes);

/* Whether one is the other, or somewhere below it. */
bool lint_catalog_is_below(const struct lint_relation *relation,
                           const struct lint_relation *ancestor);

/* Where all relations are in one schema, it is the tenant's: what a dump of it says. */
void lint_catalog_settle(struct lint_catalog *catalog);

struct lint_thing *lint_catalog_thing(const struct lint_catalog *catalog, const char *name);
struct lint_thing *lint_catalog_add_thing(struct lint_catalog *catalog, const char *name);

struct lint_column *lint_column_find(const struct lint_relation *relation, const char *name);
struct lint_column *lint_column_add(struct lint_catalog *catalog, struct lint_relation *relation,
                                    const char *name);
void lint_column_remove(struct lint_relation *relation, const char *name);

struct lint_constraint *lint_constraint_find(const struct lint_relation *relation,
                                             const char *name);
struct lint_constraint *lint_constraint_add(struct lint_catalog *catalog,
                                            struct lint_relation *relation, const char *name,
                                            enum lint_constraint_kind kind);
void lint_constraint_remove(struct lint_relation *relation, const struct lint_constraint *gone);

void lint_name_add(struct lint_catalog *catalog, struct lint_name **list, const char *name);
bool lint_name_has(const struct lint_name *list, const char *name);

#endif
