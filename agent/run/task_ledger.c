#include "agent/run/task_ledger.h"

#include "agent/run/ledger_sql.h"
#include "common/model/ledger.h"

bool task_ledger_reads(const struct executor_task *task)
{
    return task->from_ledger[0] != '\0';
}

static void task_ledger_add_all(const struct ledger_sql *sql, enum task_step step,
                                const char *entries, struct arena *arena, task_ledger_add *add,
                                void *context)
{
    const char **parameters = arena_alloc_array(arena, 1, sizeof(*parameters));

    parameters[0] = entries;
    for (size_t i = 0; i < sql->count; i++) {
        add(context, step, sql->texts[i], parameters, sql->takes_entries[i] ? 1 : 0);
    }
}

void task_ledger_read(const struct executor_task *task, struct arena *arena, task_ledger_add *add,
                      void *context)
{
    const struct set *set = prepared_set_model(task->set);
    struct ledger ledger;
    struct ledger_sql sql;
    struct error checked = { 0 }; /* by the coordinator, when it was asked for */

    if (!ledger_parse(task->from_ledger, &ledger, &checked)) {
        return;
    }
    ledger_sql_read(arena, &ledger, task->tenant, &sql);
    task_ledger_add_all(
        &sql, TASK_STEP_FOUND,
        ledger_sql_entries(arena, ledger.tool, set->migrations, set->migration_count > 0 ? 1 : 0),
        arena, add, context);
}

/* False where there is nothing to be kept up. A baseline writes nothing: what it says of a tenant
 * the tool has said before, or does not know. */
static bool task_ledger_of(const struct executor_task *task, size_t count,
                           struct ledger *ret_ledger)
{
    struct error checked = { 0 }; /* when the set was published */

    return count > 0 && task->mode != TASK_BASELINE &&
           ledger_parse(prepared_set_model(task->set)->ledger, ret_ledger, &checked) &&
           ret_ledger->tool != LEDGER_NONE;
}

void task_ledger_check(const struct executor_task *task, size_t first, size_t count, bool fresh,
                       struct arena *arena, task_ledger_add *add, void *context)
{
    const struct migration *migrations = &prepared_set_model(task->set)->migrations[first];
    struct ledger ledger;
    struct ledger_sql sql;

    if (!task_ledger_of(task, count, &ledger)) {
        return;
    }
    ledger_sql_prepare(arena, &ledger, task->tenant, fresh, &sql);
    task_ledger_add_all(&sql, TASK_STEP_LEDGER,
                        ledger_sql_entries(arena, ledger.tool, migrations, count), arena, add,
                        context);
}

void task_ledger_write(const struct executor_task *task, size_t first, size_t count,
                       struct arena *arena, task_ledger_add *add, void *context)
{
    const struct migration *migrations = &prepared_set_model(task->set)->migrations[first];
    struct ledger ledger;
    struct ledger_sql sql;

    if (!task_ledger_of(task, count, &ledger)) {
        return;
    }
    ledger_sql_write(arena, &ledger, task->tenant, &sql);
    task_ledger_add_all(&sql, TASK_STEP_LEDGER,
                        ledger_sql_entries(arena, ledger.tool, migrations, count), arena, add,
                        context);
}

void task_ledger_undo(const struct executor_task *task, size_t first, size_t count,
                      struct arena *arena, task_ledger_add *add, void *context)
{
    const struct migration *migrations = prepared_set_model(task->set)->migrations;
    struct ledger ledger;
    struct ledger_sql sql;

    if (!task_ledger_of(task, count, &ledger)) {
        return;
    }
    ledger_sql_undo(arena, &ledger, task->tenant, &sql);
    const char *entries =
        first > 0 ? ledger_sql_entries(arena, ledger.tool, &migrations[first - 1], count + 1)
                  : arena_printf(arena, "[null,%s",
                                 &ledger_sql_entries(arena, ledger.tool, migrations, count)[1]);
    task_ledger_add_all(&sql, TASK_STEP_LEDGER, entries, arena, add, context);
}
