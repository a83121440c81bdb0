#include "agent/check/lock_plan.h"

#include <string.h>

#include "common/core/limits.h"

static void lock_plan_add_lock(struct lock_plan *plan, const struct lint_lock *lock)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->locks[i].relation, lock->relation) == 0) {
            plan->locks[i].mode =
                lock->mode > plan->locks[i].mode ? lock->mode : plan->locks[i].mode;
            return;
        }
    }
    if (plan->count == LOCK_PLAN_MAX) {
        plan->all = true;
        return;
    }
    plan->locks[plan->count++] = *lock;
}

static void lock_plan_add(struct lock_plan *plan, const struct prepared_operation *operation)
{
    const struct prepared_file *file = &operation->up;
    /* Another database is none of the tenant's. */
    bool nothing = operation->operation->settings.control_scope ||
                   (operation->operation->kind == OPERATION_SQL && file->script.count == 0);

    if (file->foreseen == NULL) {
        plan->all = plan->all || !nothing;
        return;
    }
    for (size_t i = 0; i < file->foreseen_count && !plan->all; i++) {
        for (size_t l = 0; l < file->foreseen[i].lock_count; l++) {
            lock_plan_add_lock(plan, &file->foreseen[i].locks[l]);
        }
    }
}

struct lock_plan lock_plan_make(const struct prepared_set *set, const struct plan *plan,
                                struct arena *arena)
{
    static const enum set_hook hooks[] = { SET_HOOK_BEFORE_TENANT, SET_HOOK_AFTER_TENANT };
    struct lock_plan made = { .locks =
                                  arena_alloc_array(arena, LOCK_PLAN_MAX, sizeof(*made.locks)) };
    const struct set *model = prepared_set_model(set);

    for (size_t m = plan->first; m < plan->first + plan->count && !made.all; m++) {
        for (size_t o = 0; o < model->migrations[m].operation_count; o++) {
            lock_plan_add(&made, prepared_set_operation(set, m, o));
        }
    }
    for (size_t r = 0; plan->repeatables && r < model->repeatable_count && !made.all; r++) {
        lock_plan_add(&made, prepared_set_repeatable(set, r));
    }
    for (size_t h = 0; h < COUNT_OF(hooks); h++) {
        if (prepared_set_hook(set, hooks[h]) != NULL) {
            lock_plan_add(&made, prepared_set_hook(set, hooks[h]));
        }
    }
    return made;
}
