#include "common/lint/lint_alter.h"

#include <string.h>

#include "common/lint/lint_alter_column.h"
#include "common/lint/lint_alter_constraint.h"
#include "common/lint/lint_fix.h"
#include "common/lint/lint_sequence.h"
#include "common/lint/lint_style.h"
#include "common/lint/lint_tree.h"

enum { LINT_ALTER_DETACHES_GENTLY = 14 }; /* DETACH PARTITION CONCURRENTLY, since PostgreSQL 14 */

static void lint_alter_drop_column(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_relation *table = alter->table;

    lint_walk_lock_all(alter->walk, table, LINT_ACCESS_EXCLUSIVE);
    for (struct lint_constraint *c = table->constraints; c != NULL; c = c->next) {
        if (lint_name_has(c->columns, command->name)) {
            if (c->kind == LINT_CONSTRAINT_FOREIGN && c->target != NULL) {
                lint_walk_lock(alter->walk, c->target, LINT_ACCESS_EXCLUSIVE);
            }
            lint_constraint_remove(table, c);
        }
    }
    if (command->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE) {
        lint_walk_lock_readers(alter->walk, table, command->name, LINT_ACCESS_EXCLUSIVE);
    }
    lint_walk_find(alter->walk, LINT_DROP_COLUMN, table, NULL);
    lint_sequence_drop(alter->walk, table, command->name);
    lint_column_remove(table, command->name);
}

static void lint_alter_attach(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_walk *walk = alter->walk;
    const PgQuery__PartitionCmd *partition = command->def->partition_cmd;
    bool index = alter->table->kind == LINT_KIND_INDEX;
    struct lint_relation *child =
        lint_tree_relation(walk, partition->name, index ? LINT_KIND_INDEX : LINT_KIND_TABLE);

    lint_walk_lock(walk, alter->table, LINT_SHARE_UPDATE_EXCLUSIVE);
    lint_walk_lock(walk, child, LINT_ACCESS_EXCLUSIVE);
    child->parent = alter->table;
    if (index) {
        return;
    }
    alter->table->kind = LINT_KIND_PARTITIONED; /* else it could not be attached to */
    bool proved = false;
    for (const struct lint_constraint *c = child->constraints; c != NULL; c = c->next) {
        proved = proved || (c->kind == LINT_CONSTRAINT_CHECK && c->valid);
    }
    if (!proved) {
        lint_walk_scan(walk, child);
        lint_walk_find(walk, LINT_ATTACH_PARTITION, child, NULL);
    }
    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        if (r->parent == alter->table && r->is_default && r != child) {
            lint_walk_lock(walk, r, LINT_ACCESS_EXCLUSIVE);
            lint_walk_scan(walk, r);
            lint_walk_find(walk, LINT_ATTACH_PARTITION, r, NULL);
        }
    }
    child->is_default = partition->bound != NULL && partition->bound->is_default;
}

static void lint_alter_detach(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_walk *walk = alter->walk;
    const PgQuery__PartitionCmd *partition = command->def->partition_cmd;
    struct lint_relation *child = lint_tree_relation(walk, partition->name, LINT_KIND_TABLE);
    bool gentle = partition->concurrent ||
                  command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartitionFinalize;

    lint_walk_lock(walk, alter->table,
                   gentle ? LINT_SHARE_UPDATE_EXCLUSIVE : LINT_ACCESS_EXCLUSIVE);
    lint_walk_lock_all(walk, child, LINT_ACCESS_EXCLUSIVE);
    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        if (r->parent == alter->table && r->is_default) {
            lint_walk_lock(walk, r, LINT_ACCESS_EXCLUSIVE); /* its bounds change */
        }
    }
    if (!gentle) {
        bool old = walk->version != 0 && walk->version < LINT_ALTER_DETACHES_GENTLY;
        lint_walk_find(
            walk, LINT_DETACH_PARTITION, alter->table,
            old ? "No gentle way before PostgreSQL 14: keep it alone in its migration, "
                  "with a short lock_timeout."
                : lint_fix_outside(
                      walk,
                      arena_printf(walk->arena, "ALTER TABLE %s DETACH PARTITION %s CONCURRENTLY;",
                                   lint_fix_name(walk, alter->table), lint_fix_name(walk, child))));
    } else if (partition->concurrent && walk->statement->transactional) {
        lint_walk_find(walk, LINT_NOT_IN_TRANSACTION, NULL, NULL);
    }
    child->parent = NULL;
}

/* Whether it is so already, which is no work; what was not seen made may be any way. */
static bool lint_alter_is_stored_so(const struct lint_relation *table,
                                    const PgQuery__AlterTableCmd *command)
{
    if (!table->known) {
        return false;
    }
    PgQuery__AlterTableType subtype = command->subtype;
    if (subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetLogged ||
        subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged) {
        return table->unlogged == (subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged);
    }
    if (subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetTableSpace) {
        return strcmp(command->name,
                      table->tablespace[0] == '\0' ? "pg_default" : table->tablespace) == 0;
    }
    return strcmp(command->name, table->method[0] == '\0' ? "heap" : table->method) == 0;
}

static void lint_alter_store(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    struct lint_relation *table = alter->table;

    if (command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetTableSpace) {
        table->tablespace = arena_strdup(&alter->walk->catalog->arena, command->name);
    } else if (command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetAccessMethod) {
        table->method = arena_strdup(&alter->walk->catalog->arena, command->name);
    } else {
        table->unlogged = command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged;
    }
}

static void lint_alter_storage(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    if (lint_alter_is_stored_so(alter->table, command)) {
        lint_walk_lock(alter->walk, alter->table, LINT_ACCESS_EXCLUSIVE);
        return;
    }
    lint_alter_store(alter, command);
    if (command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetLogged ||
        command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged) {
        lint_sequence_lock(alter->walk, alter->table, NULL, LINT_ACCESS_EXCLUSIVE);
    }
    if (alter->table->kind == LINT_KIND_INDEX) {
        lint_walk_lock(alter->walk, alter->table, LINT_ACCESS_EXCLUSIVE);
        lint_walk_rewrite(alter->walk, alter->table);
    } else {
        bool only = lint_walk_parts(alter->walk, alter->table); /* children keep theirs */
        lint_walk_lock_all(alter->walk, alter->table, LINT_ACCESS_EXCLUSIVE);
        lint_walk_rewrite_all(alter->walk, alter->table);
        lint_walk_whole(alter->walk, only);
    }
    lint_walk_find(alter->walk, LINT_STORAGE, alter->table, NULL);
}

static void lint_alter_trigger(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    (void)command;
    lint_walk_lock_all(alter->walk, alter->table, LINT_SHARE_ROW_EXCLUSIVE);
    lint_walk_find(alter->walk, LINT_TRIGGER, alter->table, NULL);
}

static void lint_alter_inherit(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    bool named = command->def != NULL && command->def->node_case == PG_QUERY__NODE__NODE_RANGE_VAR;

    lint_walk_lock(alter->walk, alter->table, LINT_ACCESS_EXCLUSIVE);
    if (named) {
        struct lint_relation *parent =
            lint_tree_relation(alter->walk, command->def->range_var, LINT_KIND_TABLE);
        bool adds = command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit;

        lint_walk_lock(alter->walk, parent, adds ? LINT_SHARE_UPDATE_EXCLUSIVE : LINT_ACCESS_SHARE);
        alter->table->parent = adds ? parent : NULL;
    }
}

/* SHARE UPDATE EXCLUSIVE: in nobody's way but vacuum's and other such commands'. */
static void lint_alter_gentle(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    (void)command;
    lint_walk_lock_all(alter->walk, alter->table, LINT_SHARE_UPDATE_EXCLUSIVE);
}

/* The same of a table; a view's are part of what it is. */
static void lint_alter_options(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    (void)command;
    lint_walk_lock_all(alter->walk, alter->table,
                       alter->table->kind == LINT_KIND_VIEW ? LINT_ACCESS_EXCLUSIVE
                                                            : LINT_SHARE_UPDATE_EXCLUSIVE);
}

static void lint_alter_drop_not_null(struct lint_alter *alter,
                                     const PgQuery__AlterTableCmd *command)
{
    struct lint_column *column = lint_column_find(alter->table, command->name);

    lint_walk_lock_all(alter->walk, alter->table, LINT_ACCESS_EXCLUSIVE);
    lint_walk_find(alter->walk, LINT_DROP_NOT_NULL, alter->table, NULL);
    if (column != NULL) {
        column->not_null = false;
    }
}

static void lint_alter_identity(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    bool drops = command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_DropIdentity;
    struct lint_column *column = lint_column_find(alter->table, command->name);

    lint_walk_lock_all(alter->walk, alter->table, LINT_ACCESS_EXCLUSIVE);
    if (drops) {
        lint_sequence_drop(alter->walk, alter->table, command->name);
    } else if (command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddIdentity) {
        lint_sequence_make(alter->walk, alter->table, command->name);
    } else {
        lint_sequence_lock(alter->walk, alter->table, command->name, LINT_SHARE_ROW_EXCLUSIVE);
    }
    if (column != NULL) {
        column->identity = !drops;
    }
}

static void lint_alter_default(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    lint_walk_lock_all(alter->walk, alter->table, LINT_ACCESS_EXCLUSIVE);
    lint_tree_uses(alter->walk->catalog, command->def, &alter->table->uses);
}

/* What is not listed takes ACCESS EXCLUSIVE for a moment. */
static const struct {
    PgQuery__AlterTableType subtype;
    void (*act)(struct lint_alter *, const PgQuery__AlterTableCmd *);
} lint_alter_commands[] = {
    { PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn, lint_alter_add_column },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType, lint_alter_column_type },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull, lint_alter_set_not_null },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull, lint_alter_drop_not_null },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault, lint_alter_default },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_AddIdentity, lint_alter_identity },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetIdentity, lint_alter_identity },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DropIdentity, lint_alter_identity },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn, lint_alter_drop_column },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint, lint_alter_add_constraint },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint, lint_alter_validate },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint, lint_alter_drop_constraint },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition, lint_alter_attach },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition, lint_alter_detach },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartitionFinalize, lint_alter_detach },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetLogged, lint_alter_storage },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged, lint_alter_storage },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetTableSpace, lint_alter_storage },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetAccessMethod, lint_alter_storage },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_EnableTrig, lint_alter_trigger },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_EnableAlwaysTrig, lint_alter_trigger },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_EnableReplicaTrig, lint_alter_trigger },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DisableTrig, lint_alter_trigger },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_EnableTrigAll, lint_alter_trigger },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DisableTrigAll, lint_alter_trigger },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_EnableTrigUser, lint_alter_trigger },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DisableTrigUser, lint_alter_trigger },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit, lint_alter_inherit },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DropInherit, lint_alter_inherit },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetStatistics, lint_alter_gentle },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetOptions, lint_alter_gentle },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_ResetOptions, lint_alter_gentle },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions, lint_alter_options },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions, lint_alter_options },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_ClusterOn, lint_alter_gentle },
    { PG_QUERY__ALTER_TABLE_TYPE__AT_DropCluster, lint_alter_gentle },
};

static void lint_alter_command(struct lint_alter *alter, const PgQuery__AlterTableCmd *command)
{
    for (size_t i = 0; i < COUNT_OF(lint_alter_commands); i++) {
        if (lint_alter_commands[i].subtype == command->subtype) {
            lint_alter_commands[i].act(alter, command);
            return;
        }
    }
    lint_walk_lock_all(alter->walk, alter->table, LINT_ACCESS_EXCLUSIVE);
}

static enum lint_kind lint_alter_kind(const PgQuery__AlterTableStmt *statement)
{
    if (statement->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX) {
        return LINT_KIND_INDEX;
    }
    if (statement->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE) {
        return LINT_KIND_SEQUENCE;
    }
    return statement->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW ? LINT_KIND_VIEW
                                                                    : LINT_KIND_TABLE;
}

/* PostgreSQL takes the commands of one ALTER TABLE in this order, however they are written. */
enum lint_alter_pass {
    LINT_ALTER_DROPS,
    LINT_ALTER_TYPES,
    LINT_ALTER_COLUMNS,
    LINT_ALTER_CONSTRAINTS,
    LINT_ALTER_REST,
    LINT_ALTER_PASS_COUNT,
};

static enum lint_alter_pass lint_alter_pass_of(PgQuery__AlterTableType subtype)
{
    static const struct {
        PgQuery__AlterTableType subtype;
        enum lint_alter_pass pass;
    } passes[] = {
        { PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn, LINT_ALTER_DROPS },
        { PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint, LINT_ALTER_DROPS },
        { PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull, LINT_ALTER_DROPS },
        { PG_QUERY__ALTER_TABLE_TYPE__AT_DropExpression, LINT_ALTER_DROPS },
        { PG_QUERY__ALTER_TABLE_TYPE__AT_DropIdentity, LINT_ALTER_DROPS },
        { PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType, LINT_ALTER_TYPES },
        { PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn, LINT_ALTER_COLUMNS },
        { PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint, LINT_ALTER_CONSTRAINTS },
    };

    for (size_t i = 0; i < COUNT_OF(passes); i++) {
        if (passes[i].subtype == subtype) {
            return passes[i].pass;
        }
    }
    return LINT_ALTER_REST;
}

static void lint_alter_commands_of(struct lint_alter *alter)
{
    const PgQuery__AlterTableStmt *statement = alter->statement;

    for (int pass = 0; pass < LINT_ALTER_PASS_COUNT; pass++) {
        for (size_t i = 0; i < statement->n_cmds; i++) {
            if (statement->cmds[i]->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD &&
                (int)lint_alter_pass_of(statement->cmds[i]->alter_table_cmd->subtype) == pass) {
                lint_alter_command(alter, statement->cmds[i]->alter_table_cmd);
            }
        }
    }
}

/* ALTER TYPE ... ATTRIBUTE: typed tables have its attributes for columns. */
static void lint_alter_type(struct lint_walk *walk, const PgQuery__AlterTableStmt *statement)
{
    struct lint_relation *next = NULL;

    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = next) {
        next = r->hh.next;
        if (r->type != NULL && strcmp(r->type, statement->relation->relname) == 0) {
            struct lint_alter alter = { .walk = walk, .table = r, .statement = statement };
            lint_alter_commands_of(&alter);
        }
    }
}

void lint_alter(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__AlterTableStmt *table = statement->alter_table_stmt;

    if (table->relation == NULL) {
        return;
    }
    if (table->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE) {
        lint_alter_type(walk, table);
        return;
    }
    struct lint_alter alter = {
        .walk = walk,
        .table = lint_tree_relation(walk, table->relation, lint_alter_kind(table)),
        .statement = table,
    };
    lint_style_alter(walk, alter.table, table);
    walk->only = !table->relation->inh;
    lint_alter_commands_of(&alter);
    walk->only = false;
}
