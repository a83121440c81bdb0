#include "coordinator/decide/tenant_task.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "coordinator/decide/dry_class.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/reference.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/tenant_task_edges.h"

bool tenant_task_is_final(const struct tenant_task *task)
{
    return task->state == TENANT_TASK_MIGRATED || task->state == TENANT_TASK_SKIPPED ||
           task->state == TENANT_TASK_FAILED || task->state == TENANT_TASK_ROLLED_BACK;
}

static bool tenant_task_is_in_flight(const struct tenant_task *task)
{
    return task->state == TENANT_TASK_LOCKING || task->state == TENANT_TASK_RUNNING;
}

/* ---- lists ---- */

static struct tenant_task_queue *tenant_task_queue(const struct tenant_task *task,
                                                   enum tenant_task_list list)
{
    return list == TENANT_TASK_LIST_CLASS ? &task->dry_class->waiting : &task->part->queues[list];
}

static void tenant_task_unlink(struct tenant_task *task)
{
    if (task->list != TENANT_TASK_LIST_NONE) {
        struct tenant_task_queue *queue =
            tenant_task_queue(task, (enum tenant_task_list)task->list);
        DL_DELETE(queue->head, task);
        queue->count--;
        if (task->list == TENANT_TASK_LIST_CLASS && task->dry_class->held) {
            task->part->rollout->dry_held--;
        }
        task->list = TENANT_TASK_LIST_NONE;
    }
}

static void tenant_task_link(struct tenant_task *task, enum tenant_task_list list)
{
    struct tenant_task_queue *queue = tenant_task_queue(task, list);

    assert(task->list == TENANT_TASK_LIST_NONE);
    DL_APPEND(queue->head, task);
    queue->count++;
    task->list = (uint8_t)list;
    if (list == TENANT_TASK_LIST_CLASS && task->dry_class->held) {
        task->part->rollout->dry_held++;
    }
    if (list == TENANT_TASK_LIST_LATER && (queue->count == 1 || task->due_ms < queue->due_ms)) {
        queue->due_ms = task->due_ms;
    }
}

static enum tenant_task_list tenant_task_home(const struct tenant_task *task)
{
    switch ((enum tenant_task_state)task->state) {
    case TENANT_TASK_QUEUED:
    case TENANT_TASK_PASSED:
        if (task->mode == TASK_SETTLE) {
            return TENANT_TASK_LIST_SETTLE;
        }
        if (dry_class_waits(task)) {
            return TENANT_TASK_LIST_CLASS;
        }
        if (task == task->part->rollout->reference && !task_mode_is_rollback(task->mode)) {
            return TENANT_TASK_LIST_REFERENCE;
        }
        return task_mode_is_dry((enum task_mode)task->mode) ? TENANT_TASK_LIST_DRY
                                                            : TENANT_TASK_LIST_RUN;
    case TENANT_TASK_UNKNOWN:
        return TENANT_TASK_LIST_UNKNOWN;
    case TENANT_TASK_LOCKING:
    case TENANT_TASK_RUNNING:
    case TENANT_TASK_MIGRATED:
    case TENANT_TASK_SKIPPED:
    case TENANT_TASK_FAILED:
    case TENANT_TASK_ROLLED_BACK:
    case TENANT_TASK_STATE_COUNT:
        break;
    }
    return TENANT_TASK_LIST_NONE;
}

static void tenant_task_place(struct step *step, struct tenant_task *task)
{
    enum tenant_task_list list = tenant_task_home(task);

    if (list != TENANT_TASK_LIST_NONE && list != TENANT_TASK_LIST_UNKNOWN &&
        list != TENANT_TASK_LIST_CLASS && task->due_ms > step->now_ms) {
        list = TENANT_TASK_LIST_LATER;
    }
    if (list != TENANT_TASK_LIST_NONE) {
        tenant_task_link(task, list);
    }
}

void tenant_task_postpone(struct step *step, struct tenant_task *task, uint64_t due_ms)
{
    assert(task->state == TENANT_TASK_QUEUED || task->state == TENANT_TASK_PASSED);
    tenant_task_unlink(task);
    task->due_ms = due_ms;
    tenant_task_place(step, task);
}

void tenant_task_wake(struct tenant_task *task)
{
    assert(task->list == TENANT_TASK_LIST_LATER);
    tenant_task_unlink(task);
    task->due_ms = 0;
    tenant_task_link(task, tenant_task_home(task));
}

/* ---- counts ---- */

static uint64_t *tenant_task_counter(const struct tenant_task *task, struct rollout_counts *counts)
{
    if (task->mode == TASK_SETTLE && !tenant_task_is_final(task)) {
        return &counts->unknown; /* that is what is being looked up */
    }
    switch ((enum tenant_task_state)task->state) {
    case TENANT_TASK_QUEUED:
    case TENANT_TASK_PASSED:
    case TENANT_TASK_LOCKING:
        return &counts->queued;
    case TENANT_TASK_RUNNING:
        return &counts->running;
    case TENANT_TASK_UNKNOWN:
        /* A dry run has changed nothing, whatever became of it. */
        return task_mode_is_dry((enum task_mode)task->mode) ? &counts->queued : &counts->unknown;
    case TENANT_TASK_MIGRATED:
        return &counts->migrated;
    case TENANT_TASK_SKIPPED:
        return &counts->skipped;
    case TENANT_TASK_ROLLED_BACK:
        return &counts->rolled_back;
    case TENANT_TASK_FAILED:
    case TENANT_TASK_STATE_COUNT:
        break;
    }
    return &counts->failed;
}

/* Adds the task to everything that is counted, or takes it away. */
static void tenant_task_count(struct step *step, const struct tenant_task *task, bool in)
{
    struct part *part = task->part;
    struct rollout *rollout = part->rollout;
    uint64_t change = in ? 1 : UINT64_MAX; /* +1 or -1 */

    *tenant_task_counter(task, &rollout->state.counts) += change;
    *tenant_task_counter(task, part_counts(part)) += change;
    if (task->passed) {
        rollout->state.counts.dry_run_passed += change;
        part_counts(part)->dry_run_passed += change;
    }
    if (task->state == TENANT_TASK_SKIPPED) {
        rollout->state.skips[task->skip_code] += change;
    }
    if (!tenant_task_is_final(task)) {
        bool first = task_mode_is_dry((enum task_mode)task->mode) || task->mode == TASK_SETTLE;
        rollout->open[first ? 0 : 1] += change;
        part->open += change;
    }
    if (tenant_task_is_in_flight(task)) {
        rollout->in_flight += change;
        part->in_flight += change;
        part->shard->in_flight += change;
        step->fleet->tasks_in_flight[task->mode] += change;
    }
}

static void tenant_task_note_change(struct step *step, struct part *part)
{
    bool busy = part->in_flight > 0 || part->queues[TENANT_TASK_LIST_DRY].count > 0 ||
                part->queues[TENANT_TASK_LIST_RUN].count > 0 ||
                part->queues[TENANT_TASK_LIST_SETTLE].count > 0 ||
                part->queues[TENANT_TASK_LIST_REFERENCE].count > 0;

    if (busy != part->busy) {
        part->busy = busy;
        part->rollout->parts_busy += busy ? 1 : SIZE_MAX;
        step->fleet->parts_busy += busy ? 1 : SIZE_MAX;
    }
    part->dirty = true;
    part->rollout->progress_dirty = true;
    part->rollout->state_dirty = true;
    part->rollout->change++;
}

void tenant_task_requeue(struct step *step, struct tenant_task *task)
{
    tenant_task_unlink(task);
    tenant_task_place(step, task);
    tenant_task_note_change(step, task->part);
}

struct tenant_task *tenant_task_add(struct step *step, struct part *part, struct tenant *tenant,
                                    enum task_mode mode)
{
    struct tenant_task *task = arena_alloc(&part->rollout->tasks, sizeof(*task));

    task->part = part;
    task->tenant = tenant;
    task->state = TENANT_TASK_QUEUED;
    task->mode = (uint8_t)mode;
    task->next_of_tenant = tenant->tasks;
    tenant->tasks = task;
    if (reference_is(part->rollout, part->shard, tenant->info->name)) {
        part->rollout->reference = task;
    }
    part->rollout->state.counts.total++;
    part_counts(part)->total++;
    tenant_task_count(step, task, true);
    tenant_task_place(step, task);
    tenant_task_note_change(step, part);
    return task;
}

/* A run that comes back keeps its dry run; a dry run that starts anew has not passed. And nothing
 * runs that has not: so what runs on from before this leadership, or is found migrated, has passed
 * as well, and a report after a fail-over says the same as one without. */
static bool tenant_task_has_passed(const struct tenant_task *task, enum tenant_task_event on,
                                   enum task_mode mode)
{
    bool ran = on == TENANT_TASK_ON_SUCCEED || on == TENANT_TASK_ON_UNDO ||
               (on == TENANT_TASK_ON_ADOPTED && (mode == TASK_RUN || mode == TASK_ROLLBACK));

    return rollout_has_dry_run(task->part->rollout) &&
           (on == TENANT_TASK_ON_PASS || ran || (task->passed && !task_mode_is_dry(mode)));
}

bool tenant_task_step(struct step *step, struct tenant_task *task, enum tenant_task_event on,
                      enum task_mode mode, uint64_t due)
{
    const struct fsm_edge *edge = tenant_task_edge((enum tenant_task_state)task->state, on);

    if (edge == NULL) {
        return false;
    }
    tenant_task_count(step, task, false);
    tenant_task_unlink(task);
    task->passed = tenant_task_has_passed(task, on, mode);
    task->state = (uint8_t)edge->to;
    task->mode = (uint8_t)mode;
    task->due_ms = due;
    tenant_task_count(step, task, true);
    tenant_task_place(step, task);
    tenant_task_note_change(step, task->part);
    if (tenant_task_is_final(task) || on == TENANT_TASK_ON_PASS) {
        free(task->last);
        task->last = NULL;
    }
    dry_class_follow(step, task);
    return true;
}

struct tenant_task *tenant_task_find(const struct tenant *tenant, const struct rollout *rollout)
{
    for (struct tenant_task *task = tenant->tasks; task != NULL; task = task->next_of_tenant) {
        if (task->part->rollout == rollout) {
            return task;
        }
    }
    return NULL;
}

void tenant_task_detach(struct tenant_task *task)
{
    struct tenant_task **place = &task->tenant->tasks;

    while (*place != task) {
        assert(*place != NULL);
        place = &(*place)->next_of_tenant;
    }
    *place = task->next_of_tenant;
    free(task->last);
    task->last = NULL;
}
