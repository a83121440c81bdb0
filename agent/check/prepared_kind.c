#include "agent/check/prepared_kind.h"

#include <assert.h>
#include <stddef.h>

/* A kind without an entry is refused by the tasks that would run it. */
static const struct prepared_kind *const prepared_kinds[OPERATION_KIND_COUNT] = {
    [OPERATION_SQL] = NULL,
};

const struct prepared_kind *prepared_kind_find(enum operation_kind kind)
{
    assert(kind < OPERATION_KIND_COUNT);
    return prepared_kinds[kind];
}
