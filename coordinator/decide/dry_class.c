#include "coordinator/decide/dry_class.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/tenant_plan.h"

enum dry_run_step dry_class_step_of(const struct tenant_task *task)
{
    const struct rollout_spec *spec = &task->part->rollout->spec;

    if (task->mode != TASK_DRY_RUN ||
        (spec->dry_run != DRY_RUN_CLASSES && spec->dry_run != DRY_RUN_CLONE)) {
        return DRY_RUN_STEP_WHOLE;
    }
    if (task->dry_class == NULL) {
        return DRY_RUN_STEP_LOOK;
    }
    return spec->dry_run == DRY_RUN_CLONE ? DRY_RUN_STEP_CLONE : DRY_RUN_STEP_WHOLE;
}

bool dry_class_waits(const struct tenant_task *task)
{
    const struct dry_class *class = task->dry_class;

    return class != NULL && task->mode == TASK_DRY_RUN && class->front != task && !class->passed;
}

/* ---- fronts ---- */

static void dry_class_hold(struct rollout *rollout, struct dry_class *class, bool held)
{
    if (class->held != held) {
        class->held = held;
        rollout->dry_held += (held ? 1 : SIZE_MAX) * class->waiting.count;
    }
}

static void dry_class_set_front(struct step *step, struct dry_class *class,
                                struct tenant_task *task)
{
    class->front = task;
    free(class->stood);
    class->stood = memory_strdup(part_path(step, task));
}

static void dry_class_promote(struct step *step, struct rollout *rollout, struct dry_class *class)
{
    struct tenant_task *next = class->waiting.head;

    dry_class_hold(rollout, class, false);
    class->front = NULL;
    if (next != NULL) {
        dry_class_set_front(step, class, next);
        tenant_task_requeue(step, next);
    }
}

static void dry_class_pass(struct step *step, struct rollout *rollout, struct dry_class *class)
{
    dry_class_hold(rollout, class, false);
    class->passed = true;
    while (class->waiting.head != NULL) {
        bool passed = tenant_task_step(step, class->waiting.head, TENANT_TASK_ON_PASS, TASK_RUN, 0);
        assert(passed); /* what waits is QUEUED */
    }
}

void dry_class_follow(struct step *step, struct tenant_task *task)
{
    struct rollout *rollout = task->part->rollout;
    struct dry_class *class = task->dry_class;

    if (class == NULL || class->front != task || class->passed) {
        return;
    }
    switch ((enum tenant_task_state)task->state) {
    case TENANT_TASK_PASSED:
        dry_class_pass(step, rollout, class);
        return;
    case TENANT_TASK_FAILED:
        if (!rollout->ran) {
            dry_class_hold(rollout, class, true);
            return;
        }
        break;
    case TENANT_TASK_QUEUED:
    case TENANT_TASK_LOCKING:
    case TENANT_TASK_RUNNING:
    case TENANT_TASK_UNKNOWN:
        if (task->mode == TASK_DRY_RUN) {
            return;
        }
        break; /* it is being settled: of its dry run nothing more is heard */
    case TENANT_TASK_MIGRATED:
    case TENANT_TASK_SKIPPED:
    case TENANT_TASK_ROLLED_BACK:
    case TENANT_TASK_STATE_COUNT:
        break;
    }
    dry_class_promote(step, rollout, class);
}

/* ---- members ---- */

static struct dry_class *dry_class_of(struct step *step, const struct tenant_task *task,
                                      const char *fingerprint)
{
    struct rollout *rollout = task->part->rollout;
    const struct plan_start start = tenant_plan_start(&rollout->spec, task->tenant);
    const char *key =
        arena_printf(&step->effects->arena, "%s\n%s\n%s\n%" PRIx64 "\n%s", task->part->shard->name,
                     start.from, start.baseline, start.repeatables, fingerprint);
    struct dry_class *class = NULL;

    HASH_FIND_STR(rollout->dry_classes, key, class);
    if (class == NULL) {
        class = memory_alloc(sizeof(*class));
        class->key = memory_strdup(key);
        HASH_ADD_KEYPTR(hh, rollout->dry_classes, class->key, strlen(class->key), class);
    }
    return class;
}

void dry_class_join(struct step *step, struct tenant_task *task, const char *fingerprint,
                    uint64_t stamp)
{
    struct dry_class *class = dry_class_of(step, task, fingerprint);

    dry_class_leave(step, task);
    task->dry_class = class;
    task->stamp = stamp;
    class->members++;
    if (class->passed) {
        tenant_task_step(step, task, TENANT_TASK_ON_PASS, TASK_RUN, 0);
        return;
    }
    if (class->front == NULL) {
        dry_class_set_front(step, class, task);
    }
    if (task->state == TENANT_TASK_QUEUED) {
        tenant_task_requeue(step, task); /* a late answer */
    } else {
        tenant_task_step(step, task, TENANT_TASK_ON_AGAIN, TASK_DRY_RUN, 0);
    }
}

void dry_class_leave(struct step *step, struct tenant_task *task)
{
    struct dry_class *class = task->dry_class;

    task->stamp = 0;
    if (class == NULL) {
        return;
    }
    assert(task->list != TENANT_TASK_LIST_CLASS);
    task->dry_class = NULL;
    class->members--;
    if (class->front == task && !class->passed) {
        dry_class_promote(step, task->part->rollout, class);
    }
}

/* ---- the report ---- */

void dry_class_report(struct rollout *rollout)
{
    struct rollout_state *state = &rollout->state;
    size_t total = HASH_COUNT(rollout->dry_classes);
    size_t count = 0;

    if (total == 0) {
        return; /* no such dry run; or an earlier leader has seen it */
    }
    struct dry_run_class *rows =
        arena_alloc_array(&rollout->arena, CLASSES_SHOWN_MAX, sizeof(*rows));
    for (const struct dry_class *class = rollout->dry_classes; class != NULL;
         class = class->hh.next) {
        if (class->members == 0 || class->stood == NULL) {
            total--; /* all of them were found in another one later */
        } else if (count < CLASSES_SHOWN_MAX) {
            rows[count].tenant = copy_text(&rollout->arena, class->stood);
            rows[count++].tenants = class->members;
        }
    }
    state->dry_run_class_total = total;
    state->dry_run_classes = rows;
    state->dry_run_class_count = count;
}

void dry_class_forget(struct rollout *rollout)
{
    struct dry_class *class = rollout->dry_classes;

    HASH_CLEAR(hh, rollout->dry_classes);
    while (class != NULL) {
        struct dry_class *next = class->hh.next;

        free(class->key);
        free(class->stood);
        free(class);
        class = next;
    }
    rollout->dry_held = 0;
}
