#include "common/lint/lint_extent.h"

/* A table of this migration or of an earlier one of the plan is new. */
static bool lint_extent_holds_rows(const struct lint_relation *relation)
{
    return relation->kind != LINT_KIND_VIEW && relation->kind != LINT_KIND_SEQUENCE &&
           relation->kind != LINT_KIND_PARTITIONED && !relation->temporary &&
           (!relation->known || relation->epoch == 0);
}

static void lint_extent_count(struct lint_extent *extent, struct arena *arena,
                              const struct lint_relation *relation)
{
    if (!lint_extent_holds_rows(relation)) {
        return;
    }
    if (relation->origin == NULL) {
        extent->unsized = true;
        return;
    }
    if (!lint_name_has(extent->parts, relation->origin)) {
        struct lint_name *part = arena_alloc(arena, sizeof(*part));
        part->name = arena_strdup(arena, relation->origin);
        part->next = extent->parts;
        extent->parts = part;
        extent->bytes += relation->bytes;
    }
}

void lint_extent_add(struct lint_extent *extent, struct arena *arena,
                     const struct lint_catalog *catalog, const struct lint_relation *relation)
{
    extent->unsized = extent->unsized || relation->kind == LINT_KIND_VIEW;
    lint_extent_count(extent, arena, relation);
    for (const struct lint_relation *r = catalog->relations; r != NULL; r = r->hh.next) {
        if (r != relation && r->parent != NULL && lint_catalog_is_below(r, relation)) {
            lint_extent_count(extent, arena, r);
        }
    }
}

void lint_extent_add_all(struct lint_extent *extent, struct arena *arena,
                         const struct lint_catalog *catalog)
{
    extent->unsized = extent->unsized || catalog->relations == NULL;
    for (const struct lint_relation *r = catalog->relations; r != NULL; r = r->hh.next) {
        if (r->kind != LINT_KIND_INDEX) {
            lint_extent_count(extent, arena, r);
        }
    }
}
