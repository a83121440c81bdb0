#include "agent/run/task_life.h"

#include <string.h>

#include "common/model/plan.h"

static bool task_life_check_copy(const struct executor_options *options,
                                 const struct executor_task *task, struct error *err)
{
    if (options->pg_dump == NULL || options->pg_dump[0] == '\0') {
        return error_set(err, ERR_REFUSED,
                         "a copy of a tenant is made with pg_dump, and this agent was not told "
                         "where that is (--pg-dump): use --from scripts");
    }
    if (prepared_set_model(task->set)->ledger[0] != '\0') {
        return error_set(err, ERR_REFUSED,
                         "another tool's history table goes with this set, and the rows of tables "
                         "are not copied: use --from scripts");
    }
    return true;
}

bool task_life_check(const struct executor_options *options, const struct executor_task *task,
                     struct error *err)
{
    return task->mode != TASK_CREATE || task->source[0] == '\0' ||
           task_life_check_copy(options, task, err);
}

bool task_life_accept(const struct executor_options *options, struct pg_conn *conn,
                      const struct executor_task *task, struct error *err)
{
    return options->tenants == NULL || tenants_accept(options->tenants, conn, task->tenant, err);
}

static bool task_life_is_registered(const struct executor_options *options,
                                    const struct executor_task *task)
{
    return options->registry != NULL && options->registry->conninfo[0] != '\0' &&
           strcmp(options->registry->set, prepared_set_model(task->set)->name) == 0;
}

bool task_life_register(const struct executor_options *options, const struct executor_task *task,
                        bool *ret_added, struct error *err)
{
    *ret_added = false;
    if (!task_life_is_registered(options, task)) {
        return true;
    }
    CLEANUP(tenant_register_free)
    struct tenant_register *reg = tenant_register_new(options->registry);
    return tenant_register_add(reg, task->tenant, ret_added, err);
}

void task_life_unregister(const struct executor_options *options, struct executor_task *task,
                          struct task_result *result)
{
    CLEANUP(tenant_register_free)
    struct tenant_register *reg = tenant_register_new(options->registry);
    struct error err = { 0 };

    if (!tenant_register_remove(reg, task->tenant, &err)) {
        result->error.hint =
            arena_printf(&task->arena, "%s%sIts row in the registry stays: %s", result->error.hint,
                         result->error.hint[0] == '\0' ? "" : " ", err.message);
    }
}
