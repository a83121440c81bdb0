#include "common/sql/sql_loose.h"

#include <string.h>

#include "common/core/memory.h"
#include "common/sql/sql_tree.h"

struct sql_loose_job {
    struct sql_loose loose;
    const char *problem; /* NULL: none */
};

void sql_loose_release(struct sql_loose *loose)
{
    memory_free(&loose->schema);
    memory_free(&loose->relation);
    memory_free(&loose->other);
    memory_free(&loose->other_schema);
    *loose = (struct sql_loose){ 0 };
}

static char *sql_loose_copy(const char *name)
{
    return name == NULL || name[0] == '\0' ? NULL : memory_strdup(name);
}

static void sql_loose_name(struct sql_loose *loose, const PgQuery__RangeVar *range)
{
    if (range != NULL) {
        loose->schema = sql_loose_copy(range->schemaname);
        loose->relation = sql_loose_copy(range->relname);
    }
}

static void sql_loose_create_index(struct sql_loose_job *job, const PgQuery__Node *node)
{
    const PgQuery__IndexStmt *index = node->index_stmt;

    if (!index->concurrent) {
        return;
    }
    job->loose.kind = SQL_LOOSE_CREATE_INDEX;
    job->loose.tolerant = index->if_not_exists;
    job->loose.gentle = true;
    sql_loose_name(&job->loose, index->relation);
    job->loose.other = sql_loose_copy(index->idxname);
    if (job->loose.other == NULL) {
        job->problem = "an index that is made CONCURRENTLY needs a name (CREATE INDEX CONCURRENTLY "
                       "name ON ...): by it skein finds out after a crash what became of it";
    }
}

/* The last part of a qualified name, and the one before it. */
static void sql_loose_qualified(struct sql_loose *loose, const PgQuery__Node *object)
{
    if (object->node_case != PG_QUERY__NODE__NODE_LIST) {
        return;
    }
    const PgQuery__List *list = object->list;

    for (size_t i = 0; i < list->n_items && i < 3; i++) {
        if (list->items[i]->node_case == PG_QUERY__NODE__NODE_STRING) {
            memory_free(&loose->schema);
            loose->schema = TAKE(loose->relation);
            loose->relation = sql_loose_copy(list->items[i]->string->sval);
        }
    }
}

static void sql_loose_drop(struct sql_loose_job *job, const PgQuery__Node *node)
{
    const PgQuery__DropStmt *drop = node->drop_stmt;

    if (drop->concurrent && drop->n_objects > 0) {
        job->loose.kind = SQL_LOOSE_DROP_INDEX;
        job->loose.tolerant = drop->missing_ok;
        job->loose.gentle = true;
        sql_loose_qualified(&job->loose, drop->objects[0]);
    }
}

static const PgQuery__DefElem *sql_loose_option(PgQuery__Node *const *options, size_t count,
                                                const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i]->node_case == PG_QUERY__NODE__NODE_DEF_ELEM &&
            strcasecmp(options[i]->def_elem->defname, name) == 0) {
            return options[i]->def_elem;
        }
    }
    return NULL;
}

/* An option is on unless it says otherwise. */
static bool sql_loose_is_on(const PgQuery__DefElem *option)
{
    static const char *const offs[] = { "off", "false", "no", "0" };

    if (option == NULL || option->arg == NULL) {
        return option != NULL;
    }
    if (option->arg->node_case == PG_QUERY__NODE__NODE_INTEGER) {
        return option->arg->integer->ival != 0;
    }
    if (option->arg->node_case == PG_QUERY__NODE__NODE_BOOLEAN) {
        return option->arg->boolean->boolval;
    }
    for (size_t i = 0; option->arg->node_case == PG_QUERY__NODE__NODE_STRING && i < COUNT_OF(offs);
         i++) {
        if (strcasecmp(option->arg->string->sval, offs[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void sql_loose_reindex(struct sql_loose_job *job, const PgQuery__Node *node)
{
    const PgQuery__ReindexStmt *reindex = node->reindex_stmt;
    struct sql_loose *loose = &job->loose;
    bool gentle =
        sql_loose_is_on(sql_loose_option(reindex->params, reindex->n_params, "concurrently"));

    if (reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SYSTEM ||
        reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_DATABASE) {
        job->problem = "REINDEX of a whole database is no part of a migration: name the table";
        return;
    }
    if (reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SCHEMA) {
        loose->kind = gentle ? SQL_LOOSE_REINDEX_SCHEMA : SQL_LOOSE_AGAIN;
        loose->relation = sql_loose_copy(reindex->name);
    } else if (gentle) {
        loose->kind = reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_INDEX
                          ? SQL_LOOSE_REINDEX_INDEX
                          : SQL_LOOSE_REINDEX_TABLE;
        sql_loose_name(loose, reindex->relation);
    }
    loose->gentle = gentle;
}

static void sql_loose_vacuum(struct sql_loose_job *job, const PgQuery__Node *node)
{
    if (node->vacuum_stmt->is_vacuumcmd) {
        job->loose.kind = SQL_LOOSE_AGAIN;
    }
}

/* Without a table it goes over many, each in a transaction of its own. */
static void sql_loose_cluster(struct sql_loose_job *job, const PgQuery__Node *node)
{
    if (node->cluster_stmt->relation == NULL) {
        job->loose.kind = SQL_LOOSE_AGAIN;
    }
}

static void sql_loose_alter_table(struct sql_loose_job *job, const PgQuery__Node *node)
{
    const PgQuery__AlterTableStmt *alter = node->alter_table_stmt;
    const PgQuery__AlterTableCmd *command =
        alter->n_cmds == 1 && alter->cmds[0]->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD
            ? alter->cmds[0]->alter_table_cmd
            : NULL;

    if (command == NULL || command->def == NULL ||
        command->subtype != PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition ||
        command->def->node_case != PG_QUERY__NODE__NODE_PARTITION_CMD ||
        !command->def->partition_cmd->concurrent) {
        return;
    }
    const PgQuery__RangeVar *partition = command->def->partition_cmd->name;

    job->loose.kind = SQL_LOOSE_DETACH;
    sql_loose_name(&job->loose, alter->relation);
    job->loose.other_schema = sql_loose_copy(partition->schemaname);
    job->loose.other = sql_loose_copy(partition->relname);
}

static void sql_loose_refuse(struct sql_loose_job *job, const PgQuery__Node *node)
{
    (void)node;
    job->problem = "a statement on the whole server or database (ALTER SYSTEM, CREATE or DROP "
                   "DATABASE, TABLESPACE, SUBSCRIPTION, DISCARD) is no part of a tenant's "
                   "migration";
}

static const struct {
    PgQuery__Node__NodeCase node_case;
    void (*look)(struct sql_loose_job *, const PgQuery__Node *);
} sql_loose_looks[] = {
    { PG_QUERY__NODE__NODE_INDEX_STMT, sql_loose_create_index },
    { PG_QUERY__NODE__NODE_DROP_STMT, sql_loose_drop },
    { PG_QUERY__NODE__NODE_REINDEX_STMT, sql_loose_reindex },
    { PG_QUERY__NODE__NODE_VACUUM_STMT, sql_loose_vacuum },
    { PG_QUERY__NODE__NODE_CLUSTER_STMT, sql_loose_cluster },
    { PG_QUERY__NODE__NODE_ALTER_TABLE_STMT, sql_loose_alter_table },
    { PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT, sql_loose_refuse },
    { PG_QUERY__NODE__NODE_CREATEDB_STMT, sql_loose_refuse },
    { PG_QUERY__NODE__NODE_DROPDB_STMT, sql_loose_refuse },
    { PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT, sql_loose_refuse },
    { PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT, sql_loose_refuse },
    { PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT, sql_loose_refuse },
    { PG_QUERY__NODE__NODE_ALTER_SUBSCRIPTION_STMT, sql_loose_refuse },
    { PG_QUERY__NODE__NODE_DROP_SUBSCRIPTION_STMT, sql_loose_refuse },
    { PG_QUERY__NODE__NODE_DISCARD_STMT, sql_loose_refuse },
};

static void sql_loose_visit(void *context, const PgQuery__Node *statement)
{
    for (size_t i = 0; i < COUNT_OF(sql_loose_looks); i++) {
        if (sql_loose_looks[i].node_case == statement->node_case) {
            sql_loose_looks[i].look(context, statement);
        }
    }
}

bool sql_loose_parse(struct sql_parser *parser, const struct sql_statement *statement,
                     struct sql_loose *ret_loose, struct sql_problem *ret_problem)
{
    struct sql_loose_job job = { 0 };

    if (!sql_tree_visit(parser, statement->text, sql_loose_visit, &job)) {
        job.problem = "the statement cannot be read";
    }
    if (job.problem != NULL) {
        sql_loose_release(&job.loose);
        ret_problem->kind = SQL_PROBLEM_LIMIT;
        ret_problem->statement = statement->number;
        ret_problem->line = statement->line;
        return error_set(&ret_problem->error, ERR_INVALID, "%s", job.problem);
    }
    *ret_loose = job.loose;
    return true;
}
