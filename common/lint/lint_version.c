#include "common/lint/lint_version.h"

#include <inttypes.h>

#include "common/lint/lint_tree.h"

enum { LINT_VERSION_BEFORE = 2 }; /* CreateTrigStmt.timing, as in pg_trigger.tgtype */

typedef bool lint_version_uses(const struct lint_walk *walk, const void *message);

static bool lint_version_is_partitioned(const struct lint_walk *walk,
                                        const PgQuery__RangeVar *range)
{
    const struct lint_relation *table = range == NULL ? NULL : lint_tree_find(walk, range);

    return table != NULL && table->kind == LINT_KIND_PARTITIONED;
}

static bool lint_version_any(const struct lint_walk *walk, const void *message)
{
    (void)walk;
    (void)message;
    return true;
}

static bool lint_version_detach(const struct lint_walk *walk, const void *message)
{
    const PgQuery__PartitionCmd *partition = message;

    (void)walk;
    return partition->concurrent;
}

static bool lint_version_is_command(const void *message, PgQuery__AlterTableType subtype)
{
    const PgQuery__AlterTableCmd *command = message;

    return command->subtype == subtype;
}

static bool lint_version_finalize(const struct lint_walk *walk, const void *message)
{
    (void)walk;
    return lint_version_is_command(message, PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartitionFinalize);
}

static bool lint_version_drop_expression(const struct lint_walk *walk, const void *message)
{
    (void)walk;
    return lint_version_is_command(message, PG_QUERY__ALTER_TABLE_TYPE__AT_DropExpression);
}

static bool lint_version_set_compression(const struct lint_walk *walk, const void *message)
{
    (void)walk;
    return lint_version_is_command(message, PG_QUERY__ALTER_TABLE_TYPE__AT_SetCompression);
}

static bool lint_version_access_method(const struct lint_walk *walk, const void *message)
{
    (void)walk;
    return lint_version_is_command(message, PG_QUERY__ALTER_TABLE_TYPE__AT_SetAccessMethod);
}

static bool lint_version_compression(const struct lint_walk *walk, const void *message)
{
    const PgQuery__ColumnDef *column = message;

    (void)walk;
    return column->compression[0] != '\0';
}

static bool lint_version_nulls_constraint(const struct lint_walk *walk, const void *message)
{
    const PgQuery__Constraint *constraint = message;

    (void)walk;
    return constraint->nulls_not_distinct;
}

static bool lint_version_nulls_index(const struct lint_walk *walk, const void *message)
{
    const PgQuery__IndexStmt *index = message;

    (void)walk;
    return index->nulls_not_distinct;
}

static bool lint_version_set_columns(const struct lint_walk *walk, const void *message)
{
    const PgQuery__Constraint *constraint = message;

    (void)walk;
    return constraint->n_fk_del_set_cols > 0;
}

static bool lint_version_exclude(const struct lint_walk *walk, const void *message)
{
    const PgQuery__AlterTableStmt *alter = message;

    if (!lint_version_is_partitioned(walk, alter->relation)) {
        return false;
    }
    for (size_t i = 0; i < alter->n_cmds; i++) {
        const PgQuery__Node *added =
            alter->cmds[i]->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD
                ? alter->cmds[i]->alter_table_cmd->def
                : NULL;
        if (added != NULL && added->node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
            added->constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION) {
            return true;
        }
    }
    return false;
}

static bool lint_version_replace_trigger(const struct lint_walk *walk, const void *message)
{
    const PgQuery__CreateTrigStmt *trigger = message;

    (void)walk;
    return trigger->replace;
}

static bool lint_version_before_trigger(const struct lint_walk *walk, const void *message)
{
    const PgQuery__CreateTrigStmt *trigger = message;

    return trigger->row && (trigger->timing & LINT_VERSION_BEFORE) != 0 &&
           lint_version_is_partitioned(walk, trigger->relation);
}

static bool lint_version_sql_body(const struct lint_walk *walk, const void *message)
{
    const PgQuery__CreateFunctionStmt *function = message;

    (void)walk;
    return function->sql_body != NULL;
}

static bool lint_version_reindex(const struct lint_walk *walk, const void *message)
{
    const PgQuery__ReindexStmt *reindex = message;

    return lint_version_is_partitioned(walk, reindex->relation);
}

static bool lint_version_cluster(const struct lint_walk *walk, const void *message)
{
    const PgQuery__ClusterStmt *cluster = message;

    return lint_version_is_partitioned(walk, cluster->relation);
}

static bool lint_version_unlogged_sequence(const struct lint_walk *walk, const void *message)
{
    const PgQuery__CreateSeqStmt *sequence = message;

    (void)walk;
    return sequence->sequence != NULL && sequence->sequence->relpersistence[0] == 'u';
}

static bool lint_version_expression(const struct lint_walk *walk, const void *message)
{
    const PgQuery__StatsElem *element = message;

    (void)walk;
    return element->expr != NULL;
}

static bool lint_version_ties(const struct lint_walk *walk, const void *message)
{
    const PgQuery__SelectStmt *select = message;

    (void)walk;
    return select->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES;
}

static bool lint_version_group(const struct lint_walk *walk, const void *message)
{
    const PgQuery__SelectStmt *select = message;

    (void)walk;
    return select->group_distinct;
}

/* From the release notes of PostgreSQL 13 to 17. */
static const struct {
    const ProtobufCMessageDescriptor *node;
    lint_version_uses *uses;
    uint32_t since;
    const char *what;
} lint_version_facts[] = {
    { &pg_query__alter_table_cmd__descriptor, lint_version_drop_expression, 13,
      "ALTER COLUMN DROP EXPRESSION" },
    { &pg_query__create_trig_stmt__descriptor, lint_version_before_trigger, 13,
      "a BEFORE trigger for each row of a partitioned table" },
    { &pg_query__select_stmt__descriptor, lint_version_ties, 13, "FETCH FIRST WITH TIES" },
    { &pg_query__partition_cmd__descriptor, lint_version_detach, 14,
      "DETACH PARTITION CONCURRENTLY" },
    { &pg_query__alter_table_cmd__descriptor, lint_version_finalize, 14,
      "DETACH PARTITION FINALIZE" },
    { &pg_query__alter_table_cmd__descriptor, lint_version_set_compression, 14, "SET COMPRESSION" },
    { &pg_query__column_def__descriptor, lint_version_compression, 14, "COMPRESSION of a column" },
    { &pg_query__create_trig_stmt__descriptor, lint_version_replace_trigger, 14,
      "CREATE OR REPLACE TRIGGER" },
    { &pg_query__create_function_stmt__descriptor, lint_version_sql_body, 14,
      "a function's body in SQL instead of a string" },
    { &pg_query__reindex_stmt__descriptor, lint_version_reindex, 14,
      "REINDEX of a partitioned table" },
    { &pg_query__stats_elem__descriptor, lint_version_expression, 14, "statistics on expressions" },
    { &pg_query__ctesearch_clause__descriptor, lint_version_any, 14, "SEARCH in a WITH query" },
    { &pg_query__ctecycle_clause__descriptor, lint_version_any, 14, "CYCLE in a WITH query" },
    { &pg_query__select_stmt__descriptor, lint_version_group, 14, "GROUP BY DISTINCT" },
    { &pg_query__merge_stmt__descriptor, lint_version_any, 15, "MERGE" },
    { &pg_query__constraint__descriptor, lint_version_nulls_constraint, 15, "NULLS NOT DISTINCT" },
    { &pg_query__index_stmt__descriptor, lint_version_nulls_index, 15, "NULLS NOT DISTINCT" },
    { &pg_query__constraint__descriptor, lint_version_set_columns, 15,
      "a list of columns behind ON DELETE SET" },
    { &pg_query__alter_table_cmd__descriptor, lint_version_access_method, 15, "SET ACCESS METHOD" },
    { &pg_query__cluster_stmt__descriptor, lint_version_cluster, 15,
      "CLUSTER of a partitioned table" },
    { &pg_query__create_seq_stmt__descriptor, lint_version_unlogged_sequence, 15,
      "an unlogged sequence" },
    { &pg_query__alter_table_stmt__descriptor, lint_version_exclude, 17,
      "EXCLUDE on a partitioned table" },
};

static void lint_version_look(void *context, const ProtobufCMessage *message)
{
    const struct lint_walk *walk = context;

    for (size_t i = 0; i < COUNT_OF(lint_version_facts); i++) {
        if (lint_version_facts[i].node == message->descriptor &&
            lint_version_facts[i].since > walk->statement->since &&
            lint_version_facts[i].uses(walk, message)) {
            walk->statement->since = lint_version_facts[i].since;
            walk->statement->needs = lint_version_facts[i].what;
        }
    }
}

void lint_version(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const uint32_t before = walk->statement->since;

    sql_tree_each(&statement->base, lint_version_look, walk);
    if (walk->version != 0 && walk->statement->since > walk->version &&
        walk->statement->since > before) {
        lint_walk_find(walk, LINT_POSTGRES_VERSION, NULL,
                       arena_printf(walk->arena,
                                    "%s came with PostgreSQL %" PRIu32
                                    ": write it in a way that %" PRIu32 " knows.",
                                    walk->statement->needs, walk->statement->since, walk->version));
    }
}
