#include "common/lint/lint_fix.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/base.h"

/* PostgreSQL's reserved words, sorted: as the name of a table or a column they need quotes. */
static const char *const lint_fix_reserved[] = {
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
};

static int lint_fix_compare(const void *name, const void *word)
{
    return strcmp(name, *(const char *const *)word);
}

static bool lint_fix_is_plain(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    static const char others[] = "abcdefghijklmnopqrstuvwxyz_0123456789$";

    return name[0] != '\0' && strchr(letters, name[0]) != NULL &&
           name[strspn(name, others)] == '\0' &&
           bsearch(name, lint_fix_reserved, COUNT_OF(lint_fix_reserved),
                   sizeof(lint_fix_reserved[0]), lint_fix_compare) == NULL;
}

const char *lint_fix_quote(struct arena *arena, const char *name)
{
    if (lint_fix_is_plain(name)) {
        return arena_strdup(arena, name);
    }
    char *quoted = arena_alloc(arena, 2 * strlen(name) + 3);
    char *end = quoted;

    *end++ = '"';
    for (; *name != '\0'; name++) {
        if (*name == '"') {
            *end++ = '"';
        }
        *end++ = *name;
    }
    *end++ = '"';
    *end = '\0';
    return quoted;
}

const char *lint_fix_name(const struct lint_walk *walk, const struct lint_relation *relation)
{
    const char *name = lint_fix_quote(walk->arena, relation->name);

    return relation->schema[0] == '\0'
               ? name
               : arena_printf(walk->arena, "%s.%s", lint_fix_quote(walk->arena, relation->schema),
                              name);
}

const char *lint_fix_outside(const struct lint_walk *walk, const char *sql)
{
    return walk->statement->transactional && sql != NULL
               ? arena_printf(walk->arena, "-- skein:transaction none\n%s", sql)
               : sql;
}
