#include "agent/run/runners.h"

#include <assert.h>
#include <stddef.h>

#include "agent/run/runner_batch.h"
#include "agent/run/runner_control.h"
#include "agent/run/runner_exec.h"
#include "agent/run/runner_plugin.h"
#include "agent/run/runner_sql.h"
#include "agent/run/runner_state.h"

/* A kind without an entry is refused before anything of its task begins. */
static const struct runner_table runners_table = {
    .items = {
        [OPERATION_SQL] = &runner_sql,
        [OPERATION_BATCH] = &runner_batch,
        [OPERATION_EXEC] = &runner_exec,
        [OPERATION_PLUGIN] = &runner_plugin,
        [OPERATION_STATE] = &runner_state,
    },
    .control = &runner_control,
};

const struct runner_table *runners_all(void)
{
    return &runners_table;
}

const struct runner *runners_find(const struct runner_table *table,
                                  const struct operation *operation, bool down)
{
    enum operation_kind kind = down ? operation->down_kind : operation->kind;

    if (operation->settings.control_scope) { /* its .down has the same scope */
        return table->control;
    }
    assert(kind < OPERATION_KIND_COUNT);
    return table->items[kind];
}
