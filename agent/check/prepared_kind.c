#include "agent/check/prepared_kind.h"

#include <assert.h>
#include <stddef.h>

#include "agent/check/prepared_batch.h"

/* What the file says is read when the set is (struct set_process, struct set_state); whether the
 * agent allows it is looked at by its runner. */
static bool prepared_kind_read(struct sql_parser *parser, const struct operation *operation,
                               bool down, void **ret_data, struct sql_problem *ret_problem)
{
    (void)parser;
    (void)operation;
    (void)down;
    (void)ret_problem;
    *ret_data = NULL;
    return true;
}

static const struct prepared_kind prepared_kind_of_yaml = { .prepare = prepared_kind_read };

/* A kind without an entry is refused by the tasks that would run it. */
static const struct prepared_kind *const prepared_kinds[OPERATION_KIND_COUNT] = {
    [OPERATION_SQL] = NULL,
    [OPERATION_EXEC] = &prepared_kind_of_yaml,
    [OPERATION_PLUGIN] = &prepared_kind_of_yaml,
    [OPERATION_BATCH] = &prepared_batch,
    [OPERATION_STATE] = &prepared_kind_of_yaml,
};

const struct prepared_kind *prepared_kind_find(enum operation_kind kind)
{
    assert(kind < OPERATION_KIND_COUNT);
    return prepared_kinds[kind];
}
