#include "common/lint/lint_sequence.h"

#include <string.h>

#include "common/lint/lint_tree.h"

void lint_sequence_make(struct lint_walk *walk, struct lint_relation *table, const char *column)
{
    struct lint_catalog *catalog = walk->catalog;
    struct lint_relation *sequence = lint_catalog_add(
        catalog, table->schema[0] == '\0' ? "public" : table->schema,
        arena_printf(&catalog->arena, "%s_%s_seq", table->name, column), LINT_KIND_SEQUENCE);

    sequence->table = table;
    sequence->temporary = table->temporary;
    lint_name_add(catalog, &sequence->keys, column);
}

void lint_sequence_options(struct lint_walk *walk, struct lint_relation *sequence,
                           PgQuery__Node *const *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const PgQuery__DefElem *option =
            options[i]->node_case == PG_QUERY__NODE__NODE_DEF_ELEM ? options[i]->def_elem : NULL;
        if (option == NULL || strcmp(option->defname, "owned_by") != 0 || option->arg == NULL ||
            option->arg->node_case != PG_QUERY__NODE__NODE_LIST) {
            continue;
        }
        const PgQuery__List *names = option->arg->list;
        sequence->table = NULL;
        sequence->keys = NULL;
        if (names->n_items < 2) {
            continue; /* OWNED BY NONE */
        }
        sequence->table =
            lint_catalog_need(walk->catalog, lint_tree_schema(names->items, names->n_items - 1),
                              lint_tree_last(names->items, names->n_items - 1), LINT_KIND_TABLE);
        lint_name_add(walk->catalog, &sequence->keys, lint_tree_last(names->items, names->n_items));
    }
}

static bool lint_sequence_is_of(const struct lint_relation *sequence,
                                const struct lint_relation *table, const char *column)
{
    return sequence->kind == LINT_KIND_SEQUENCE && sequence->table == table &&
           (column == NULL || lint_name_has(sequence->keys, column));
}

void lint_sequence_lock(struct lint_walk *walk, const struct lint_relation *table,
                        const char *column, enum lint_mode mode)
{
    for (const struct lint_relation *r = walk->catalog->relations; r != NULL; r = r->hh.next) {
        if (lint_sequence_is_of(r, table, column)) {
            lint_walk_lock(walk, r, mode);
        }
    }
}

void lint_sequence_drop(struct lint_walk *walk, const struct lint_relation *table,
                        const char *column)
{
    struct lint_relation *next = NULL;

    lint_sequence_lock(walk, table, column, LINT_ACCESS_EXCLUSIVE);
    for (struct lint_relation *r = walk->catalog->relations; r != NULL; r = next) {
        next = r->hh.next;
        if (lint_sequence_is_of(r, table, column)) {
            lint_catalog_remove(walk->catalog, r);
        }
    }
}

void lint_sequence_move(struct lint_walk *walk, const struct lint_relation *table,
                        const char *schema)
{
    size_t left = HASH_COUNT(walk->catalog->relations);
    struct lint_relation *next = NULL;

    lint_sequence_lock(walk, table, NULL, LINT_ACCESS_EXCLUSIVE);
    /* Each that moves is put behind the last one, and so comes by again. */
    for (struct lint_relation *r = walk->catalog->relations; r != NULL && left > 0; r = next) {
        next = r->hh.next;
        left--;
        if (lint_sequence_is_of(r, table, NULL)) {
            lint_catalog_rename(walk->catalog, r, schema, r->name);
        }
    }
}
