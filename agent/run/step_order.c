#include "agent/run/step_order.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/task_text.h"
#include "common/model/semver.h"

static const char step_order_end_sql[] =
    "SELECT skein.step_end($1, $2, $3, $4, $5, $6, $7::bigint, $8::text[], $9::text[],"
    " $10::text[], $11::text[], $12, $13, $14, $15::text[],"
    " CASE WHEN $17::text IS NOT NULL"
    " THEN jsonb_build_object($16::text, jsonb_build_object('output', $17::text)) END)";
static const char step_order_undone_sql[] = "SELECT skein.step_undone($1, $2, $3, $4)";

/* The history rows of a step: its complete migrations, then one without a script where the version
 * goes further than they do. */
static void step_order_history(struct arena *arena, const struct executor_task *task,
                               const struct step_order *step, struct task_text_rows *ret_rows)
{
    const char **scripts = arena_alloc_array(arena, step->count + 1, sizeof(*scripts));
    const char **versions = arena_alloc_array(arena, step->count + 1, sizeof(*versions));
    const char **directions = arena_alloc_array(arena, step->count + 1, sizeof(*directions));
    const char **checksums = arena_alloc_array(arena, step->count + 1, sizeof(*checksums));
    size_t count = 0;

    for (size_t i = 0; i < step->count; i++) {
        const struct migration *migration = step->operations[i].migration;

        if (step->operations[i].last) {
            bool named = migration->script[0] != '\0'; /* else there are but hooks */

            scripts[count] = migration->script;
            versions[count] = migration->version_text;
            directions[count] = named ? "up" : "fast_forward";
            checksums[count] = named ? task_text_hex(arena, migration->checksum) : NULL;
            count++;
        }
    }
    if (count > 0 && strcmp(step->to, task->target) == 0 &&
        task_text_is_above(task->target, versions[count - 1])) {
        scripts[count] = "";
        versions[count] = task->target;
        directions[count] = "fast_forward";
        count++;
    }
    ret_rows->scripts = task_text_array(arena, scripts, count);
    ret_rows->versions = task_text_array(arena, versions, count);
    ret_rows->directions = task_text_array(arena, directions, count);
    ret_rows->checksums = task_text_array(arena, checksums, count);
}

/* The operations behind the last migration that the step completes: their migration goes on. */
static const char *step_order_open(struct arena *arena, const struct step_order *step,
                                   const struct migration **ret_migration)
{
    const char **stems = arena_alloc_array(arena, step->count + 1, sizeof(*stems));
    size_t count = 0;

    *ret_migration = NULL;
    for (size_t i = 0; i < step->count; i++) {
        if (step->operations[i].last) {
            count = 0;
            *ret_migration = NULL;
        } else {
            stems[count++] = step->operations[i].prepared->operation->stem;
            *ret_migration = step->operations[i].migration;
        }
    }
    return task_text_array(arena, stems, count);
}

const char *step_order_end(struct arena *arena, const struct executor_options *options,
                           const struct executor_task *task, const struct step_order *step,
                           const char **ret_parameters, size_t *ret_count)
{
    const char **p = ret_parameters;
    const struct migration *open = NULL;
    struct task_text_rows rows = { 0 };

    p[0] = task->tenant;
    p[1] = prepared_set_model(task->set)->name;
    if (step->down) {
        p[2] = step->operations[0].migration->script;
        p[3] = step->operations[0].prepared->operation->stem;
        *ret_count = 4;
        return step_order_undone_sql;
    }
    step_order_history(arena, task, step, &rows);
    p[2] = task->rollout;
    p[3] = options->agent;
    p[4] = step->from;
    p[5] = step->to;
    p[6] = arena_printf(arena, "%" PRIu64, task->token);
    p[7] = rows.scripts;
    p[8] = rows.versions;
    p[9] = rows.directions;
    p[10] = rows.checksums;
    p[14] = step_order_open(arena, step, &open);
    p[11] = open == NULL ? "" : open->script;
    p[12] = open == NULL ? "" : open->version_text;
    p[13] = open == NULL ? "" : task_text_hex(arena, open->checksum);
    p[15] = step->operations[0].prepared->operation->stem;
    p[16] = step->note;
    *ret_count = STEP_ORDER_PARAMETERS_MAX;
    return step_order_end_sql;
}

const char *step_order_version(const struct executor_task *task, const struct step_plan *plan,
                               const struct step *step, const char *from)
{
    const char *version = from;

    for (size_t i = step->first; i < step->first + step->count; i++) {
        if (plan->operations[i].last) {
            version = i + 1 == plan->operation_count ? task->target
                                                     : plan->operations[i].migration->version_text;
        }
    }
    return version;
}

void step_order_completes(const struct executor_task *task, const struct step_order *step,
                          size_t *ret_first, size_t *ret_count)
{
    const struct set *set = prepared_set_model(task->set);

    *ret_first = 0;
    *ret_count = 0;
    for (size_t i = 0; i < step->count; i++) {
        if (step->operations[i].last && step->operations[i].migration->script[0] != '\0') {
            size_t index = (size_t)(step->operations[i].migration - set->migrations);

            *ret_first = *ret_count == 0 ? index : *ret_first;
            *ret_count = index - *ret_first + 1;
        }
    }
}
