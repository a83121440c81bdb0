#include "common/lint/lint_statement.h"

#include <string.h>

#include "common/lint/lint_alter.h"
#include "common/lint/lint_code.h"
#include "common/lint/lint_command.h"
#include "common/lint/lint_create.h"
#include "common/lint/lint_drop.h"
#include "common/lint/lint_query.h"
#include "common/lint/lint_setting.h"
#include "common/lint/lint_style.h"
#include "common/lint/lint_tree.h"
#include "common/lint/lint_version.h"

static void lint_statement_call(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__FuncCall *call = statement->call_stmt->funccall;

    if (call != NULL) {
        lint_code_call(walk, lint_tree_last(call->funcname, call->n_funcname));
    }
}

static void lint_statement_role(struct lint_walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    lint_walk_find(walk, LINT_CLUSTER_WIDE, NULL, NULL);
}

static void lint_statement_database(struct lint_walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    lint_walk_find(walk, LINT_CLUSTER_WIDE, NULL, NULL);
    if (walk->statement->transactional) {
        lint_walk_find(walk, LINT_NOT_IN_TRANSACTION, NULL, NULL);
    }
}

static void lint_statement_extension(struct lint_walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    lint_walk_find(walk, LINT_EXTENSION, NULL, NULL);
}

static void lint_statement_outside(struct lint_walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    lint_walk_find(walk, LINT_OUTSIDE, NULL, NULL);
}

static void lint_statement_session(struct lint_walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    lint_walk_find(walk, LINT_SESSION_STATE, NULL, NULL);
}

static void lint_statement_owned(struct lint_walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    lint_walk_find(walk, LINT_DROP_SCHEMA, NULL, NULL);
}

static void lint_statement_move_all(struct lint_walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    lint_walk_find(walk, LINT_STORAGE, NULL, NULL);
}

static void lint_statement_foreign_table(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateStmt *create = statement->create_foreign_table_stmt->base_stmt;

    if (create != NULL && create->relation != NULL) {
        (void)lint_catalog_add(walk->catalog, create->relation->schemaname,
                               create->relation->relname, LINT_KIND_TABLE);
    }
}

static void lint_statement_schema(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateSchemaStmt *create = statement->create_schema_stmt;

    lint_walk_find(walk, LINT_LEAVES_TENANT, NULL, NULL);
    for (size_t i = 0; i < create->n_schema_elts; i++) {
        if (create->schema_elts[i]->node_case != PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT) {
            lint_statement_visit(walk, create->schema_elts[i]);
        }
    }
}

/* What is not listed takes no lock on a table that others use. */
static const struct {
    PgQuery__Node__NodeCase node;
    void (*look)(struct lint_walk *, const PgQuery__Node *);
} lint_statements[] = {
    { PG_QUERY__NODE__NODE_ALTER_TABLE_STMT, lint_alter },
    { PG_QUERY__NODE__NODE_CREATE_STMT, lint_create_table },
    { PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT, lint_create_table_as },
    { PG_QUERY__NODE__NODE_VIEW_STMT, lint_create_view },
    { PG_QUERY__NODE__NODE_INDEX_STMT, lint_create_index },
    { PG_QUERY__NODE__NODE_CREATE_SEQ_STMT, lint_create_sequence },
    { PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT, lint_create_domain },
    { PG_QUERY__NODE__NODE_CREATE_ENUM_STMT, lint_create_enum },
    { PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT, lint_create_type },
    { PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT, lint_create_function },
    { PG_QUERY__NODE__NODE_CREATE_TRIG_STMT, lint_create_trigger },
    { PG_QUERY__NODE__NODE_RULE_STMT, lint_create_rule },
    { PG_QUERY__NODE__NODE_CREATE_POLICY_STMT, lint_create_policy },
    { PG_QUERY__NODE__NODE_ALTER_POLICY_STMT, lint_create_policy },
    { PG_QUERY__NODE__NODE_CREATE_STATS_STMT, lint_create_statistics },
    { PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT, lint_statement_foreign_table },
    { PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT, lint_statement_schema },
    { PG_QUERY__NODE__NODE_DROP_STMT, lint_drop },
    { PG_QUERY__NODE__NODE_TRUNCATE_STMT, lint_drop_truncate },
    { PG_QUERY__NODE__NODE_RENAME_STMT, lint_drop_rename },
    { PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT, lint_drop_set_schema },
    { PG_QUERY__NODE__NODE_ALTER_OWNER_STMT, lint_drop_owner },
    { PG_QUERY__NODE__NODE_CLUSTER_STMT, lint_command_cluster },
    { PG_QUERY__NODE__NODE_VACUUM_STMT, lint_command_vacuum },
    { PG_QUERY__NODE__NODE_REINDEX_STMT, lint_command_reindex },
    { PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT, lint_command_refresh },
    { PG_QUERY__NODE__NODE_LOCK_STMT, lint_command_lock },
    { PG_QUERY__NODE__NODE_VARIABLE_SET_STMT, lint_setting },
    { PG_QUERY__NODE__NODE_ALTER_SEQ_STMT, lint_command_sequence },
    { PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT, lint_command_domain },
    { PG_QUERY__NODE__NODE_ALTER_ENUM_STMT, lint_command_enum },
    { PG_QUERY__NODE__NODE_CREATE_PUBLICATION_STMT, lint_command_publication },
    { PG_QUERY__NODE__NODE_ALTER_PUBLICATION_STMT, lint_command_publication },
    { PG_QUERY__NODE__NODE_TRANSACTION_STMT, lint_walk_control },
    { PG_QUERY__NODE__NODE_COMMENT_STMT, lint_command_comment },
    { PG_QUERY__NODE__NODE_EXPLAIN_STMT, lint_command_explain },
    { PG_QUERY__NODE__NODE_SELECT_STMT, lint_query },
    { PG_QUERY__NODE__NODE_INSERT_STMT, lint_query },
    { PG_QUERY__NODE__NODE_UPDATE_STMT, lint_query },
    { PG_QUERY__NODE__NODE_DELETE_STMT, lint_query },
    { PG_QUERY__NODE__NODE_MERGE_STMT, lint_query },
    { PG_QUERY__NODE__NODE_PREPARE_STMT, lint_code_prepare },
    { PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT, lint_query },
    { PG_QUERY__NODE__NODE_COPY_STMT, lint_query_copy },
    { PG_QUERY__NODE__NODE_DO_STMT, lint_code_do },
    { PG_QUERY__NODE__NODE_CALL_STMT, lint_statement_call },
    { PG_QUERY__NODE__NODE_EXECUTE_STMT, lint_code_execute },
    { PG_QUERY__NODE__NODE_CREATE_ROLE_STMT, lint_statement_role },
    { PG_QUERY__NODE__NODE_ALTER_ROLE_STMT, lint_statement_role },
    { PG_QUERY__NODE__NODE_ALTER_ROLE_SET_STMT, lint_statement_role },
    { PG_QUERY__NODE__NODE_DROP_ROLE_STMT, lint_statement_role },
    { PG_QUERY__NODE__NODE_GRANT_ROLE_STMT, lint_statement_role },
    { PG_QUERY__NODE__NODE_ALTER_DATABASE_STMT, lint_statement_role },
    { PG_QUERY__NODE__NODE_ALTER_DATABASE_SET_STMT, lint_statement_role },
    { PG_QUERY__NODE__NODE_CREATEDB_STMT, lint_statement_database },
    { PG_QUERY__NODE__NODE_DROPDB_STMT, lint_statement_database },
    { PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT, lint_statement_database },
    { PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT, lint_statement_database },
    { PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT, lint_statement_database },
    { PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT, lint_statement_extension },
    { PG_QUERY__NODE__NODE_ALTER_EXTENSION_STMT, lint_statement_extension },
    { PG_QUERY__NODE__NODE_ALTER_EXTENSION_CONTENTS_STMT, lint_statement_extension },
    { PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT, lint_statement_outside },
    { PG_QUERY__NODE__NODE_ALTER_SUBSCRIPTION_STMT, lint_statement_outside },
    { PG_QUERY__NODE__NODE_DROP_SUBSCRIPTION_STMT, lint_statement_outside },
    { PG_QUERY__NODE__NODE_LOAD_STMT, lint_statement_outside },
    { PG_QUERY__NODE__NODE_DISCARD_STMT, lint_statement_session },
    { PG_QUERY__NODE__NODE_LISTEN_STMT, lint_statement_session },
    { PG_QUERY__NODE__NODE_DROP_OWNED_STMT, lint_statement_owned },
    { PG_QUERY__NODE__NODE_REASSIGN_OWNED_STMT, lint_statement_owned },
    { PG_QUERY__NODE__NODE_ALTER_TABLE_MOVE_ALL_STMT, lint_statement_move_all },
};

/* Names with a schema that is neither the tenant's nor PostgreSQL's. */
static void lint_statement_look_schema(void *context, const ProtobufCMessage *message)
{
    static const char *const known[] = { "", "public", "pg_catalog", "information_schema",
                                         "pg_temp" };
    const char **found = context;

    if (message->descriptor != &pg_query__range_var__descriptor) {
        return;
    }
    const PgQuery__RangeVar *range = (const PgQuery__RangeVar *)(const void *)message;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(range->schemaname, known[i]) == 0) {
            return;
        }
    }
    *found = range->schemaname;
}

void lint_statement_visit(void *context, const PgQuery__Node *statement)
{
    struct lint_walk *walk = context;
    const char *schema = NULL;

    lint_version(walk, statement);
    if (walk->depth == 0) {
        lint_style_names(walk);
    }
    for (size_t i = 0; i < COUNT_OF(lint_statements); i++) {
        if (lint_statements[i].node == statement->node_case) {
            lint_statements[i].look(walk, statement);
            break;
        }
    }
    sql_tree_each(&statement->base, lint_statement_look_schema, &schema);
    if (schema != NULL) {
        lint_walk_find(walk, LINT_LEAVES_TENANT, NULL, NULL);
    }
}
