/* sql_loose.h - what a statement needs that runs outside of a script's transaction.
 *
 * Thread-safe. Most statements run in a transaction of their own, together with the note that they
 * are done: exactly once. A few are refused by PostgreSQL inside any transaction. Such a statement
 * runs bare, and after a crash the catalog says what became of it, for which its names are kept. */
#ifndef SKEIN_COMMON_SQL_SQL_LOOSE_H
#define SKEIN_COMMON_SQL_SQL_LOOSE_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/sql/sql_script.h"

enum sql_loose_kind {
    SQL_LOOSE_TRANSACTION,    /* in a transaction of its own */
    SQL_LOOSE_CREATE_INDEX,   /* CONCURRENTLY: leaves an invalid index when it fails */
    SQL_LOOSE_DROP_INDEX,     /* CONCURRENTLY: leaves an invalid index when it fails */
    SQL_LOOSE_REINDEX_INDEX,  /* CONCURRENTLY: leaves invalid copies when it fails */
    SQL_LOOSE_REINDEX_TABLE,  /* the same for all indexes of a table */
    SQL_LOOSE_REINDEX_SCHEMA, /* the same for all of a schema */
    SQL_LOOSE_DETACH,         /* DETACH PARTITION CONCURRENTLY: leaves it pending when it fails */
    SQL_LOOSE_AGAIN,          /* VACUUM, CLUSTER, ...: to be run again, as often as it takes */
};

/* Names as the catalog has them; NULL where the statement has none. */
struct sql_loose {
    enum sql_loose_kind kind;
    char *schema;   /* of the relation, as it is written */
    char *relation; /* CREATE INDEX, DETACH, REINDEX TABLE: the table; else the index, the schema */
    char *other;    /* CREATE INDEX: the index; DETACH: the partition */
    char *other_schema; /* of the partition */
    bool tolerant;      /* IF EXISTS, IF NOT EXISTS */
    bool gentle;        /* it blocks neither reads nor writes, so it may wait for its locks */
};
void sql_loose_release(struct sql_loose *loose);

/* False where it cannot be part of a migration: the problem says what to write instead. */
MUST_CHECK bool sql_loose_parse(struct sql_parser *parser, const struct sql_statement *statement,
                                struct sql_loose *ret_loose, struct sql_problem *ret_problem);

#endif
