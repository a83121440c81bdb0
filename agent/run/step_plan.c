#include "agent/run/step_plan.h"

#include <string.h>

bool step_plan_is_simple(const struct prepared_set *set, const struct plan *plan)
{
    const struct set *model = prepared_set_model(set);

    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        for (size_t o = 0; o < model->migrations[m].operation_count; o++) {
            if (!operation_is_transactional(&model->migrations[m].operations[o], false)) {
                return false;
            }
        }
    }
    return true;
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
    bool whole = first->prepared->operation == &first->migration->operations[0];

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

/* Nothing of a migration completes it but its last operation that is still to be done: one whose
 * operations are all done is complete, so the journal has no rows of it. */
static void step_plan_add_migration(struct step_plan *plan, const struct prepared_set *set,
                                    size_t index, const struct step_known *known,
                                    size_t known_count)
{
    const struct migration *migration = &prepared_set_model(set)->migrations[index];
    size_t before = plan->operation_count;

    for (size_t o = 0; o < migration->operation_count; o++) {
        const struct step_known *row =
            step_plan_find(known, known_count, migration->script, migration->operations[o].stem);
        struct step_operation operation = {
            .migration = migration,
            .prepared = prepared_set_operation(set, index, o),
            .started = row != NULL,
            .position = row == NULL ? "" : row->position,
        };

        if (row == NULL || !row->done) {
            step_plan_add(plan, &operation);
        }
    }
    if (plan->operation_count > before) {
        plan->operations[plan->operation_count - 1].last = true;
    }
}

void step_plan_make(struct arena *arena, const struct prepared_set *set, const struct plan *plan,
                    const struct step_known *known, size_t known_count, struct step_plan *ret_plan)
{
    const struct set *model = prepared_set_model(set);
    size_t count = 0;

    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        count += model->migrations[m].operation_count;
    }
    *ret_plan = (struct step_plan){
        .operations = arena_alloc_array(arena, count + 1, sizeof(*ret_plan->operations)),
        .steps = arena_alloc_array(arena, count + 1, sizeof(*ret_plan->steps)),
    };
    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        step_plan_add_migration(ret_plan, set, m, known, known_count);
    }
}
