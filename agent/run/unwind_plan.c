#include "agent/run/unwind_plan.h"

#include <string.h>

#include "agent/run/runner_sql.h"

static bool unwind_plan_is_open(const struct unwind_start *start, const struct migration *migration)
{
    for (size_t i = 0; i < start->known_count; i++) {
        if (strcmp(start->known[i].script, migration->script) == 0 &&
            !step_known_is_hook(&start->known[i])) {
            return true;
        }
    }
    return false;
}

static void unwind_plan_add(struct unwind_plan *plan, const struct unwind_operation *operation)
{
    bool transactional =
        operation->nothing || operation_is_transactional(operation->prepared->operation, true);
    bool continues = transactional && plan->step_count > 0 &&
                     plan->steps[plan->step_count - 1].kind == STEP_TRANSACTION;

    if (!continues) {
        plan->steps[plan->step_count++] =
            (struct step){ .kind = transactional ? STEP_TRANSACTION : STEP_RUNNER,
                           .first = plan->operation_count };
    }
    plan->steps[plan->step_count - 1].count++;
    plan->operations[plan->operation_count++] = *operation;
}

/* `to` is the version of what remains without it. */
static void unwind_plan_add_migration(struct unwind_plan *plan, const struct prepared_set *set,
                                      const struct unwind_start *start, size_t index,
                                      const char *from, const char *to)
{
    const struct migration *migration = &prepared_set_model(set)->migrations[index];
    bool whole = !unwind_plan_is_open(start, migration);
    bool opens = whole;

    for (size_t o = migration->operation_count; o > 0; o--) {
        const struct step_known *row = step_plan_find(
            start->known, start->known_count, migration->script, migration->operations[o - 1].stem);
        struct unwind_operation operation = { .migration = migration,
                                              .prepared = prepared_set_operation(set, index, o - 1),
                                              .opens = opens,
                                              .from = from,
                                              .to = to };

        if (row == NULL && !whole) {
            continue;
        }
        operation.nothing = row != NULL && !row->done && !row->down &&
                            migration->operations[o - 1].kind == OPERATION_SQL &&
                            runner_sql_is_untouched(row->position);
        unwind_plan_add(plan, &operation);
        opens = false;
    }
}

void unwind_plan_make(struct arena *arena, const struct prepared_set *set,
                      const struct unwind_start *start, struct unwind_plan *ret_plan)
{
    const struct migration *migrations = prepared_set_model(set)->migrations;
    size_t count = start->has_half ? migrations[start->half].operation_count : 0;
    const char *version = start->version;

    for (size_t i = 0; i < start->count; i++) {
        count += migrations[start->migrations[i]].operation_count;
    }
    *ret_plan = (struct unwind_plan){
        .operations = arena_alloc_array(arena, count + 1, sizeof(*ret_plan->operations)),
        .steps = arena_alloc_array(arena, count + 1, sizeof(*ret_plan->steps)),
    };
    if (start->has_half) {
        unwind_plan_add_migration(ret_plan, set, start, start->half, version, version);
    }
    for (size_t i = 0; i < start->count; i++) {
        const char *to = i + 1 < start->count ? migrations[start->migrations[i + 1]].version_text
                                              : start->target;

        unwind_plan_add_migration(ret_plan, set, start, start->migrations[i], version, to);
        version = to;
    }
}

bool unwind_plan_is_simple(const struct unwind_start *start, const struct unwind_plan *plan)
{
    return !start->has_half && (plan->step_count == 0 ||
                                (plan->step_count == 1 && plan->steps[0].kind == STEP_TRANSACTION));
}
