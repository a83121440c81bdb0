#include "agent/run/task_life.h"

#include <string.h>

#include "common/model/plan.h"

/* The scripts run in the transaction that makes the tenant: all of them have to be able to. */
static bool task_life_check_scripts(const struct executor_task *task, struct error *err)
{
    const struct set *set = prepared_set_model(task->set);
    const struct plan_start start = { .from = "", .baseline = "" };
    struct plan plan;

    plan_make(set, &start, task->target, &plan);
    for (size_t m = plan.first; m < plan.first + plan.count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            const struct operation *operation = &set->migrations[m].operations[o];

            if (!operation_is_transactional(operation, false)) {
                return error_set(err, ERR_REFUSED,
                                 "'%s' does not run in one transaction with the making of a "
                                 "tenant: make the schema by hand, then start a rollout of it",
                                 operation->path);
            }
        }
    }
    return true;
}

bool task_life_check(const struct executor_options *options, const struct executor_task *task,
                     struct error *err)
{
    if (options->database_mode) {
        return error_set(err, ERR_REFUSED,
                         "the tenants of this shard are databases: making and dropping them is not "
                         "available in this version");
    }
    if (task->mode == TASK_DROP) {
        return true;
    }
    if (task->source[0] != '\0') {
        return error_set(err, ERR_REFUSED,
                         "the tenants of this shard are schemas, which PostgreSQL cannot copy: use "
                         "--from scripts");
    }
    return task_life_check_scripts(task, err);
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
