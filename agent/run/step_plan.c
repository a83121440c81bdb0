#include "agent/run/step_plan.h"

#include <string.h>

bool step_plan_is_simple(const struct prepared_set *set, const struct plan *plan)
{
    const struct set *model = prepared_set_model(set);

    for (int h = SET_HOOK_BEFORE_TENANT; h <= SET_HOOK_AFTER_TENANT; h++) {
        if (model->hooks[h] != NULL &&
            !operation_is_transactional(&model->hooks[h]->operations[0], false)) {
            return false;
        }
    }
    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        for (size_t o = 0; o < model->migrations[m].operation_count; o++) {
            if (!operation_is_transactional(&model->migrations[m].operations[o], false)) {
                return false;
            }
        }
    }
    return true;
}

bool step_plan_goes_back(const struct prepared_set *set, const struct plan *plan)
{
    const struct set *model = prepared_set_model(set);

    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        for (size_t o = 0; o < model->migrations[m].operation_count; o++) {
            if (!operation_is_transactional(&model->migrations[m].operations[o], true)) {
                return false;
            }
        }
    }
    return true;
}

bool step_known_is_hook(const struct step_known *known)
{
    return strcmp(known->operation, set_hook_name(SET_HOOK_BEFORE_TENANT)) == 0 ||
           strcmp(known->operation, set_hook_name(SET_HOOK_AFTER_TENANT)) == 0;
}

const struct step_known *step_plan_find(const struct step_known *known, size_t count,
                                        const char *script, const char *operation)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(known[i].script, script) == 0 && strcmp(known[i].operation, operation) == 0) {
            return &known[i];
        }
    }
    return NULL;
}

/* Whether the operation may share the transaction of the step before it. */
static bool step_plan_continues(const struct step_plan *plan,
                                const struct step_operation *operation)
{
    const struct step *step = plan->step_count == 0 ? NULL : &plan->steps[plan->step_count - 1];

    if (step == NULL || step->kind != STEP_TRANSACTION ||
        !operation_is_transactional(operation->prepared->operation, false)) {
        return false;
    }
    const struct step_operation *first = &plan->operations[step->first];
    bool whole =
        first->prepared->operation == &first->migration->operations[0] ||
        strcmp(first->prepared->operation->stem, set_hook_name(SET_HOOK_BEFORE_TENANT)) == 0;

    return whole || first->migration == operation->migration;
}

static void step_plan_add(struct step_plan *plan, const struct step_operation *operation)
{
    bool transactional = operation_is_transactional(operation->prepared->operation, false);

    if (!step_plan_continues(plan, operation)) {
        plan->steps[plan->step_count++] =
            (struct step){ .kind = transactional ? STEP_TRANSACTION : STEP_RUNNER,
                           .first = plan->operation_count };
    }
    plan->steps[plan->step_count - 1].count++;
    plan->operations[plan->operation_count++] = *operation;
}

/* What is there to do in its place; a migration whose operations are all done needs something to be
 * completed by. */
static const struct prepared_operation *step_plan_nothing(struct arena *arena,
                                                          const struct migration *migration)
{
    struct operation *operation = arena_alloc(arena, sizeof(*operation));
    struct prepared_operation *prepared = arena_alloc(arena, sizeof(*prepared));

    operation->path = migration->script;
    operation->stem = set_hook_name(SET_HOOK_AFTER_TENANT);
    operation->kind = OPERATION_SQL;
    operation->settings.transaction = true;
    prepared->operation = operation;
    return prepared;
}

struct step_maker {
    struct arena *arena;
    const struct prepared_set *set;
    const struct step_start *start;
    struct step_plan *plan;
};

static void step_plan_add_one(struct step_maker *maker, const struct migration *migration,
                              const struct prepared_operation *prepared)
{
    const struct step_known *row = step_plan_find(maker->start->known, maker->start->known_count,
                                                  migration->script, prepared->operation->stem);
    const struct step_operation operation = { .migration = migration,
                                              .prepared = prepared,
                                              .started = row != NULL,
                                              .position = row == NULL ? "" : row->position };

    step_plan_add(maker->plan, &operation);
}

/* An earlier rollout's does not count: whoever goes on with a migration that was left half done
 * begins a task of its own. */
static void step_plan_add_before(struct step_maker *maker, const struct migration *migration)
{
    const struct prepared_operation *hook = prepared_set_hook(maker->set, SET_HOOK_BEFORE_TENANT);
    const struct step_known *row =
        hook == NULL ? NULL
                     : step_plan_find(maker->start->known, maker->start->known_count,
                                      migration->script, hook->operation->stem);
    bool done = row != NULL && row->done && strcmp(row->rollout, maker->start->rollout) == 0;

    if (hook != NULL && !done && !maker->start->begun) {
        step_plan_add_one(maker, migration, hook);
    }
}

/* Nothing of a migration completes it but its last operation that is still to be done, with the
 * hook behind the very last one. Where all operations are done and only the hook was not, and this
 * plan has it elsewhere, nothing is done. */
static void step_plan_add_migration(struct step_maker *maker, size_t index, bool last)
{
    const struct migration *migration = &prepared_set_model(maker->set)->migrations[index];
    const struct prepared_operation *hook = prepared_set_hook(maker->set, SET_HOOK_AFTER_TENANT);
    struct step_plan *plan = maker->plan;
    size_t before = plan->operation_count;

    for (size_t o = 0; o < migration->operation_count; o++) {
        const struct step_known *row =
            step_plan_find(maker->start->known, maker->start->known_count, migration->script,
                           migration->operations[o].stem);

        if (row == NULL || !row->done) {
            step_plan_add_one(maker, migration, prepared_set_operation(maker->set, index, o));
        }
    }
    if (last && hook != NULL) {
        step_plan_add_one(maker, migration, hook);
    } else if (plan->operation_count == before) {
        step_plan_add_one(maker, migration, step_plan_nothing(maker->arena, migration));
    }
    plan->operations[plan->operation_count - 1].last = true;
}

/* The version moves without a script, or not at all. */
static void step_plan_add_hooks(struct step_maker *maker)
{
    const struct prepared_operation *hook = prepared_set_hook(maker->set, SET_HOOK_AFTER_TENANT);
    struct migration *none = arena_alloc(maker->arena, sizeof(*none));

    *none = (struct migration){ .version_text = maker->start->target, .name = "", .script = "" };
    step_plan_add_before(maker, none);
    step_plan_add_one(maker, none, hook != NULL ? hook : step_plan_nothing(maker->arena, none));
    maker->plan->operations[maker->plan->operation_count - 1].last = true;
}

void step_plan_make(struct arena *arena, const struct prepared_set *set, const struct plan *plan,
                    const struct step_start *start, struct step_plan *ret_plan)
{
    const struct set *model = prepared_set_model(set);
    struct step_maker maker = { .arena = arena, .set = set, .start = start, .plan = ret_plan };
    size_t count = 2; /* the hooks */

    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        count += model->migrations[m].operation_count + 1;
    }
    *ret_plan = (struct step_plan){
        .operations = arena_alloc_array(arena, count, sizeof(*ret_plan->operations)),
        .steps = arena_alloc_array(arena, count, sizeof(*ret_plan->steps)),
    };
    if (plan->count == 0) {
        step_plan_add_hooks(&maker);
        return;
    }
    step_plan_add_before(&maker, &model->migrations[plan->first]);
    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        step_plan_add_migration(&maker, m, m + 1 == plan->first + plan->count);
    }
}
