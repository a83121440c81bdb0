/* lint_rule.h - the rules: what each is called, how bad it is, why it hurts and what is safe.
 *
 * Pure, constant. Without a database the size of a table is not known: work that grows with it is a
 * warning; an error is what fails in any case, or reaches outside the tenant. With one, the size
 * decides (lint_walk.h). */
#ifndef SKEIN_COMMON_LINT_LINT_RULE_H
#define SKEIN_COMMON_LINT_LINT_RULE_H

#include <stdbool.h>

enum lint_rule {
    LINT_SET,
    LINT_SYNTAX,
    LINT_TRANSACTION_CONTROL,
    LINT_OUTSIDE_TRANSACTION,
    LINT_ALLOW,
    LINT_TOO_DEEP,
    LINT_POSTGRES_VERSION,
    LINT_ADD_COLUMN_REWRITE,
    LINT_ADD_COLUMN_REQUIRED,
    LINT_ADD_COLUMN_CHECK,
    LINT_ADD_COLUMN_UNIQUE,
    LINT_ADD_COLUMN_FOREIGN_KEY,
    LINT_COLUMN_TYPE_REWRITE,
    LINT_COLUMN_TYPE_SCAN,
    LINT_SET_NOT_NULL,
    LINT_DROP_COLUMN,
    LINT_ADD_CHECK,
    LINT_ADD_FOREIGN_KEY,
    LINT_ADD_UNIQUE,
    LINT_ADD_EXCLUDE,
    LINT_PRIMARY_KEY_NULLABLE,
    LINT_VALIDATE_IN_TRANSACTION,
    LINT_CREATE_INDEX,
    LINT_DROP_INDEX,
    LINT_REINDEX,
    LINT_NOT_IN_TRANSACTION,
    LINT_CLUSTER,
    LINT_VACUUM_FULL,
    LINT_REFRESH_VIEW,
    LINT_STORAGE,
    LINT_ATTACH_PARTITION,
    LINT_DETACH_PARTITION,
    LINT_CREATE_PARTITION,
    LINT_RENAME,
    LINT_DROP_TABLE,
    LINT_DROP_SCHEMA,
    LINT_TRUNCATE,
    LINT_LOCK_TABLE,
    LINT_TRIGGER,
    LINT_DOMAIN,
    LINT_SEQUENCE,
    LINT_NO_WHERE,
    LINT_MANY_LOCKS,
    LINT_LONG_WORK,
    LINT_ENUM_USE,
    LINT_LOCK_TIMEOUT,
    LINT_SEARCH_PATH,
    LINT_ROLE,
    LINT_SESSION_STATE,
    LINT_LEAVES_TENANT,
    LINT_EXTENSION,
    LINT_CLUSTER_WIDE,
    LINT_CATALOG_WRITE,
    LINT_OUTSIDE,
    LINT_OPAQUE,
    LINT_INT_KEY,
    LINT_SERIAL,
    LINT_CHAR_TYPE,
    LINT_VARCHAR_LENGTH,
    LINT_TIMESTAMP_ZONE,
    LINT_JSON_TYPE,
    LINT_LONG_NAME,
    LINT_ENUM_TYPE,
    LINT_ENUM_ORDER,
    LINT_DOMAIN_CHECK,
    LINT_DROP_NOT_NULL,
    LINT_DROP_CONSTRAINT,
    LINT_WIDE_INDEX,
    LINT_ALTER_AGAIN,
    LINT_FOREIGN_KEY_INDEX,
    LINT_ASSIGNED_TWICE,
    LINT_TRACE,
    LINT_TRACE_FAILED,
    LINT_RULE_COUNT,
};

struct lint_rule_text {
    const char *id;       /* "create-index" */
    const char *severity; /* "error", "warning" or "note" */
    const char *why;      /* one sentence */
    const char *safe;     /* the safe way, a sentence or two */
};

const struct lint_rule_text *lint_rule_text(enum lint_rule rule);

/* Whether it is about work that grows with a table, so that its size decides how bad it is. */
bool lint_rule_goes_by_size(enum lint_rule rule);

/* Whether it is about what will be hard to change, not about what the statement does. */
bool lint_rule_is_style(enum lint_rule rule);

/* LINT_RULE_COUNT where there is none of that id. */
enum lint_rule lint_rule_of(const char *id);

#endif
