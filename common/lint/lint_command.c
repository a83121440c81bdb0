#include "common/lint/lint_command.h"

#include <string.h>
#include <strings.h>

#include "common/lint/lint_fix.h"
#include "common/lint/lint_query.h"
#include "common/lint/lint_sequence.h"
#include "common/lint/lint_style.h"
#include "common/lint/lint_tree.h"

void lint_command_cluster(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__ClusterStmt *cluster = statement->cluster_stmt;

    if (cluster->relation == NULL) {
        lint_walk_find(walk, LINT_CLUSTER, NULL, NULL);
        if (walk->statement->transactional) {
            lint_walk_find(walk, LINT_NOT_IN_TRANSACTION, NULL, NULL);
        }
        return;
    }
    struct lint_relation *table = lint_tree_relation(walk, cluster->relation, LINT_KIND_TABLE);
    bool only = lint_walk_parts(walk, table);
    lint_walk_lock_all(walk, table, LINT_ACCESS_EXCLUSIVE);
    lint_walk_rewrite_all(walk, table);
    lint_walk_whole(walk, only);
    lint_walk_find(walk, LINT_CLUSTER, table, NULL);
}

void lint_command_vacuum(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__VacuumStmt *vacuum = statement->vacuum_stmt;
    bool full =
        vacuum->is_vacuumcmd && lint_tree_option(vacuum->options, vacuum->n_options, "full");

    if (vacuum->is_vacuumcmd && walk->statement->transactional) {
        lint_walk_find(walk, LINT_NOT_IN_TRANSACTION, NULL, NULL);
    }
    for (size_t i = 0; i < vacuum->n_rels; i++) {
        if (vacuum->rels[i]->node_case != PG_QUERY__NODE__NODE_VACUUM_RELATION) {
            continue;
        }
        struct lint_relation *table =
            lint_tree_relation(walk, vacuum->rels[i]->vacuum_relation->relation, LINT_KIND_TABLE);
        bool only = lint_walk_parts(walk, table);
        lint_walk_lock_all(walk, table, full ? LINT_ACCESS_EXCLUSIVE : LINT_SHARE_UPDATE_EXCLUSIVE);
        if (full) {
            lint_walk_rewrite_all(walk, table);
        }
        lint_walk_whole(walk, only);
        if (full) {
            lint_walk_find(walk, LINT_VACUUM_FULL, table, NULL);
        }
    }
    for (struct lint_relation *r = walk->catalog->relations;
         r != NULL && vacuum->n_rels == 0 && !vacuum->is_vacuumcmd; r = r->hh.next) {
        if (r->kind == LINT_KIND_TABLE || r->kind == LINT_KIND_PARTITIONED ||
            r->kind == LINT_KIND_MATVIEW) {
            lint_walk_lock(walk, r, LINT_SHARE_UPDATE_EXCLUSIVE); /* ANALYZE of everything */
        }
    }
    if (full && vacuum->n_rels == 0) {
        lint_walk_find(walk, LINT_VACUUM_FULL, NULL, NULL);
    }
}

static void lint_command_reindex_table(struct lint_walk *walk, struct lint_relation *table,
                                       bool gently)
{
    bool only = lint_walk_parts(walk, table);
    lint_walk_lock_all(walk, table, gently ? LINT_SHARE_UPDATE_EXCLUSIVE : LINT_SHARE);
    lint_walk_scan_all(walk, table);
    lint_walk_whole(walk, only);
    for (struct lint_relation *r = walk->catalog->relations; r != NULL && !gently; r = r->hh.next) {
        if (r->kind == LINT_KIND_INDEX && r->table == table) {
            lint_walk_lock(walk, r, LINT_ACCESS_EXCLUSIVE);
        }
    }
    if (!gently) {
        lint_walk_find(
            walk, LINT_REINDEX, table,
            lint_fix_outside(walk, arena_printf(walk->arena, "REINDEX TABLE CONCURRENTLY %s;",
                                                lint_fix_name(walk, table))));
    }
}

void lint_command_reindex(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__ReindexStmt *reindex = statement->reindex_stmt;
    bool gently = lint_tree_option(reindex->params, reindex->n_params, "concurrently");
    bool whole = reindex->relation == NULL;

    if (walk->statement->transactional && (gently || whole)) {
        lint_walk_find(walk, LINT_NOT_IN_TRANSACTION, NULL, NULL);
    }
    if (whole) {
        lint_walk_find(walk, LINT_REINDEX, NULL, NULL);
        return;
    }
    if (reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_TABLE) {
        lint_command_reindex_table(
            walk, lint_tree_relation(walk, reindex->relation, LINT_KIND_TABLE), gently);
        return;
    }
    struct lint_relation *index = lint_tree_relation(walk, reindex->relation, LINT_KIND_INDEX);
    if (index->table != NULL) {
        lint_walk_lock(walk, index->table, gently ? LINT_SHARE_UPDATE_EXCLUSIVE : LINT_SHARE);
        lint_walk_scan(walk, index->table);
    }
    lint_walk_lock(walk, index, gently ? LINT_SHARE_UPDATE_EXCLUSIVE : LINT_ACCESS_EXCLUSIVE);
    lint_walk_scan(walk, index);
    if (!gently) {
        lint_walk_find(
            walk, LINT_REINDEX, index->table != NULL ? index->table : index,
            lint_fix_outside(walk, arena_printf(walk->arena, "REINDEX INDEX CONCURRENTLY %s;",
                                                lint_fix_name(walk, index))));
    }
}

void lint_command_refresh(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__RefreshMatViewStmt *refresh = statement->refresh_mat_view_stmt;
    struct lint_relation *view = lint_tree_relation(walk, refresh->relation, LINT_KIND_MATVIEW);

    lint_walk_lock(walk, view, refresh->concurrent ? LINT_EXCLUSIVE : LINT_ACCESS_EXCLUSIVE);
    if (refresh->concurrent) {
        lint_walk_scan(walk, view);
    } else {
        lint_walk_rewrite(walk, view);
        lint_walk_find(walk, LINT_REFRESH_VIEW, view,
                       lint_walk_rewritten(walk, "VIEW", "CONCURRENTLY"));
    }
}

void lint_command_lock(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__LockStmt *lock = statement->lock_stmt;

    for (size_t i = 0; i < lock->n_relations; i++) {
        struct lint_relation *table =
            lint_tree_relation(walk, lock->relations[i]->range_var, LINT_KIND_TABLE);
        enum lint_mode mode = lock->mode > LINT_NO_LOCK && lock->mode < LINT_MODE_COUNT
                                  ? (enum lint_mode)lock->mode
                                  : LINT_ACCESS_EXCLUSIVE;
        walk->only = !lock->relations[i]->range_var->inh;
        lint_walk_lock_all(walk, table, mode);
        lint_walk_lock_read(walk, table, mode);
        walk->only = false;
        if (mode >= LINT_SHARE) {
            lint_walk_find(walk, LINT_LOCK_TABLE, table, NULL);
        }
    }
}

void lint_command_sequence(struct lint_walk *walk, const PgQuery__Node *statement)
{
    struct lint_relation *sequence =
        lint_tree_relation(walk, statement->alter_seq_stmt->sequence, LINT_KIND_SEQUENCE);

    const PgQuery__AlterSeqStmt *alter = statement->alter_seq_stmt;

    if (alter->missing_ok && !sequence->known) {
        return;
    }
    lint_walk_lock(walk, sequence, LINT_SHARE_ROW_EXCLUSIVE);
    lint_sequence_options(walk, sequence, alter->options, alter->n_options);
    lint_walk_find(walk, LINT_SEQUENCE, sequence, NULL);
}

/* Every table with a column of the domain is read under SHARE: also by VALIDATE CONSTRAINT. */
void lint_command_domain(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__AlterDomainStmt *alter = statement->alter_domain_stmt;
    const char *name = lint_tree_last(alter->type_name, alter->n_type_name);
    bool adds = alter->subtype[0] == 'C' && alter->def != NULL &&
                alter->def->node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
                !alter->def->constraint->skip_validation;
    struct lint_thing *domain = lint_catalog_thing(walk->catalog, name);
    bool any = false;

    if (domain != NULL && (alter->subtype[0] == 'C' || alter->subtype[0] == 'O')) {
        domain->constrained = true;
    }
    if (!adds && alter->subtype[0] != 'O' && alter->subtype[0] != 'V') {
        return;
    }
    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        for (const struct lint_column *c = r->columns; c != NULL; c = c->next) {
            if (strcmp(c->type.name, name) == 0) {
                lint_walk_lock(walk, r, LINT_SHARE);
                lint_walk_scan(walk, r);
                lint_walk_find(walk, LINT_DOMAIN, r, NULL);
                any = true;
                break;
            }
        }
    }
    if (!any && domain == NULL) {
        lint_walk_find(walk, LINT_DOMAIN, NULL, NULL);
    }
}

void lint_command_enum(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__AlterEnumStmt *alter = statement->alter_enum_stmt;

    if (alter->old_val[0] != '\0') {
        lint_walk_find(walk, LINT_RENAME, NULL, NULL);
        return;
    }
    lint_style_enum_value(walk, alter);
    struct lint_thing *thing =
        lint_catalog_add_thing(walk->catalog, lint_tree_last(alter->type_name, alter->n_type_name));
    if (thing->added_epoch != walk->catalog->epoch) {
        thing->added = NULL;
    }
    if (walk->statement->transactional) {
        thing->added_epoch = walk->catalog->epoch;
        lint_name_add(walk->catalog, &thing->added, alter->new_val);
    }
}

void lint_command_comment(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CommentStmt *comment = statement->comment_stmt;
    bool column = comment->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN;

    if ((column || comment->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE) &&
        comment->object != NULL && comment->object->node_case == PG_QUERY__NODE__NODE_LIST) {
        const PgQuery__List *names = comment->object->list;
        size_t count = column && names->n_items > 0 ? names->n_items - 1 : names->n_items;
        lint_walk_lock(walk,
                       lint_catalog_need(walk->catalog, lint_tree_schema(names->items, count),
                                         lint_tree_last(names->items, count), LINT_KIND_TABLE),
                       LINT_SHARE_UPDATE_EXCLUSIVE);
    }
}

void lint_command_explain(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__ExplainStmt *explain = statement->explain_stmt;
    struct lint_work work = walk->work;

    if (explain->query != NULL) {
        lint_query(walk, explain->query);
    }
    if (!lint_tree_option(explain->options, explain->n_options, "analyze")) {
        walk->work = work;
    }
}

static void lint_command_publish(struct lint_walk *walk, PgQuery__Node *const *objects,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const PgQuery__PublicationObjSpec *object =
            objects[i]->node_case == PG_QUERY__NODE__NODE_PUBLICATION_OBJ_SPEC
                ? objects[i]->publication_obj_spec
                : NULL;
        if (object != NULL && object->pubtable != NULL && object->pubtable->relation != NULL) {
            lint_walk_lock_all(
                walk, lint_tree_relation(walk, object->pubtable->relation, LINT_KIND_TABLE),
                LINT_SHARE_UPDATE_EXCLUSIVE);
        }
    }
}

void lint_command_publication(struct lint_walk *walk, const PgQuery__Node *statement)
{
    if (statement->node_case == PG_QUERY__NODE__NODE_CREATE_PUBLICATION_STMT) {
        const PgQuery__CreatePublicationStmt *create = statement->create_publication_stmt;
        lint_command_publish(walk, create->pubobjects, create->n_pubobjects);
    } else {
        const PgQuery__AlterPublicationStmt *alter = statement->alter_publication_stmt;
        lint_command_publish(walk, alter->pubobjects, alter->n_pubobjects);
    }
}
