/* lint_extent.h - how much of a database some work is about.
 *
 * Pure. Parts live in the arena that is handed in. */
#ifndef SKEIN_COMMON_LINT_LINT_EXTENT_H
#define SKEIN_COMMON_LINT_LINT_EXTENT_H

#include "common/core/arena.h"
#include "common/lint/lint_catalog.h"

struct lint_extent {
    bool unsized;   /* some of it of a size that nobody has said */
    uint64_t bytes; /* the size of the rest */
    /* What that is, by the keys that it had in the database (lint_relation.origin), each once. */
    struct lint_name *parts;
};

/* The relation with all its partitions and children. What a migration has made counts for nothing;
 * of a view nobody knows what it reads. */
void lint_extent_add(struct lint_extent *extent, struct arena *arena,
                     const struct lint_catalog *catalog, const struct lint_relation *relation);
/* Every relation. */
void lint_extent_add_all(struct lint_extent *extent, struct arena *arena,
                         const struct lint_catalog *catalog);

#endif
