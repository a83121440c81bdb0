#include "agent/run/make_parts.h"

#include "agent/run/task_answer.h"
#include "common/model/semver.h"

/* What it does is not all gone when the tenant is. */
static bool make_undo_is_outside(const struct operation *operation)
{
    return operation->settings.control_scope || operation->kind == OPERATION_EXEC ||
           operation->kind == OPERATION_PLUGIN || operation->kind == OPERATION_STATE;
}

/* The files of such operations in migrations that are complete; "" for none. */
static const char *make_undo_names(const struct task_make *m)
{
    const struct set *set = prepared_set_model(m->task->set);
    struct arena *arena = &m->task->arena;
    struct semver reached = { 0 };
    struct semver from = { 0 };
    struct error ignored = { 0 };
    bool copied = m->task->from[0] != '\0' && semver_parse(m->task->from, &from, &ignored);
    const char *names = "";

    if (m->result->version[0] == '\0' || !semver_parse(m->result->version, &reached, &ignored)) {
        return "";
    }
    for (size_t i = 0; i < set->migration_count; i++) {
        const struct migration *migration = &set->migrations[i];
        bool done = semver_compare(&migration->version, &reached) <= 0 &&
                    (!copied || semver_compare(&migration->version, &from) > 0);

        for (size_t o = 0; done && o < migration->operation_count; o++) {
            if (make_undo_is_outside(&migration->operations[o])) {
                names = arena_printf(arena, "%s%s%s", names, names[0] == '\0' ? "" : ", ",
                                     migration->operations[o].path);
            }
        }
    }
    return names;
}

const char *make_undo_run(struct task_make *m)
{
    struct executor_task back = *m->task; /* the same, but that it goes the other way */
    struct executor_turn turn = *m->turn;
    const char *names = make_undo_names(m);
    struct task_result *undone = NULL;

    if (names[0] == '\0') {
        return "";
    }
    back.mode = TASK_ROLLBACK;
    turn.task = &back;
    bool to_barrier = task_run(m->context, &turn, &undone);
    (void)to_barrier;            /* a rollback never is */
    m->task->arena = back.arena; /* it has grown */
    if (undone->outcome == TASK_SUCCEEDED) {
        return "";
    }
    return arena_printf(&m->task->arena,
                        "What these have done outside the tenant stays: %.500s (%.300s).", names,
                        undone->error.message);
}
