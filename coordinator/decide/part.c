#include "coordinator/decide/part.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/selector.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/dry_class.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/overtaken.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/rollout_counts.h"
#include "coordinator/decide/tenant_plan.h"
#include "coordinator/decide/tenant_life.h"

struct rollout_counts *part_counts(const struct part *part)
{
    return &part->rollout->progress[part->progress].counts;
}

struct part *part_find(const struct shard *shard, const struct rollout *rollout)
{
    struct part *part = shard->parts;

    while (part != NULL && part->rollout != rollout) {
        part = part->next_of_shard;
    }
    return part;
}

struct part *part_add(struct step *step, struct rollout *rollout, struct shard *shard, bool fresh)
{
    struct part *part = memory_alloc(sizeof(*part));

    assert(part_find(shard, rollout) == NULL);
    part->rollout = rollout;
    part->shard = shard;
    part->progress = rollout_progress_index(rollout, shard->name);
    part->dirty = true;
    struct part **last = &shard->parts;
    while (*last != NULL) {
        last = &(*last)->next_of_shard;
    }
    *last = part;
    rollout->parts = memory_reserve(rollout->parts, rollout->part_count, &rollout->part_capacity,
                                    sizeof(struct part *));
    rollout->parts[rollout->part_count++] = part;
    rollout->unplanned++;
    rollout->looks_asked = false;
    rollout->change++;
    if (fresh) {
        part->refresh = registry_want_refresh(step, shard);
    } else if (shard->tenants_known && shard->session.reported) {
        part_plan(step, part);
    }
    return part;
}

void part_free(struct part *part)
{
    struct shard *shard = part->shard;
    struct part **place = &shard->parts;

    for (size_t i = shard->tenant_count; i > 0; i--) {
        struct tenant *tenant = shard->tenants[i - 1];
        struct tenant_task *task = tenant_task_find(tenant, part->rollout);
        if (task != NULL) {
            tenant_task_detach(task);
            registry_collect(tenant);
        }
    }
    while (*place != part) {
        assert(*place != NULL);
        place = &(*place)->next_of_shard;
    }
    *place = part->next_of_shard;
    if (part->rollout->reference != NULL && part->rollout->reference->part == part) {
        part->rollout->reference = NULL;
    }
    free(part);
}

const char *part_path(struct step *step, const struct tenant_task *task)
{
    return arena_printf(&step->effects->arena, "%s/%s", task->part->shard->name,
                        task->tenant->info->name);
}

uint64_t part_backoff_ms(const struct tenant_task *task)
{
    uint64_t backoff = TASK_BACKOFF_MIN_MS;

    for (uint8_t i = 1; i < task->tries && backoff < TASK_BACKOFF_MAX_MS; i++) {
        backoff *= 2;
    }
    return backoff < TASK_BACKOFF_MAX_MS ? backoff : TASK_BACKOFF_MAX_MS;
}

/* ---- outcomes ---- */

static void part_forget_failure(struct step *step, struct tenant_task *task)
{
    struct rollout *rollout = task->part->rollout;

    if (rollout->failures.count > 0) {
        const char *path = part_path(step, task);
        const struct failure_record *known = failure_list_find(&rollout->failures, path);
        if (known != NULL && rollback_is_about(rollout, &known->error)) {
            failure_list_remove(&rollout->failures, path);
            emit_delete(step, RECORD_FAILURE, rollout->spec.id, path);
        }
    }
}

void part_succeed(struct step *step, struct tenant_task *task)
{
    bool back = rollback_is_on(task->part->rollout);

    part_forget_failure(step, task);
    tenant_task_step(step, task, back ? TENANT_TASK_ON_UNDO : TENANT_TASK_ON_SUCCEED,
                     (enum task_mode)task->mode, 0);
}

void part_skip(struct step *step, struct tenant_task *task, enum task_code code)
{
    if (tenant_task_is_final(task)) {
        return;
    }
    part_forget_failure(step, task);
    task->skip_code = (uint8_t)code;
    bool stays = code == TASK_CODE_CANCELLED && rollback_leaves(task);
    tenant_task_step(step, task, stays ? TENANT_TASK_ON_SUCCEED : TENANT_TASK_ON_SKIP,
                     (enum task_mode)task->mode, 0);
}

/* ---- settling ---- */

void part_keep_error(struct step *step, struct tenant_task *task, const struct task_error *error)
{
    const struct failure_record record = { .error = *error, .at_ms = step->wall_ms };
    struct failure_record *copy = copy_failure_block(&record);

    free(task->last); /* `error` may be the one in it */
    task->last = copy;
}

/* Before a task may end as if nothing had happened, no earlier try may be able to commit any more:
 * the agent that had it may only be stopped, with its transaction open or not even begun. So the
 * tenant is locked under a new token and its fence raised to it, which ends what still runs; that
 * answers, too, what has happened. False: nothing is to be settled. */
static bool part_settle(struct step *step, struct tenant_task *task, enum tenant_task_end end,
                        uint64_t due)
{
    if (!task->unfenced) {
        return false;
    }
    task->end = (uint8_t)end;
    if (task->state != TENANT_TASK_QUEUED || task->mode != TASK_SETTLE) {
        if (task->state != TENANT_TASK_UNKNOWN) {
            tenant_task_step(step, task, TENANT_TASK_ON_LOSE, (enum task_mode)task->mode, 0);
        }
        tenant_task_step(step, task, TENANT_TASK_ON_AGAIN, TASK_SETTLE, due);
    }
    return true;
}

void part_settle_waiting(struct step *step, struct tenant_task *task)
{
    if (task->state == TENANT_TASK_QUEUED && task->mode != TASK_SETTLE) {
        (void)part_settle(step, task, TENANT_TASK_END_NONE, 0);
    }
}

void part_settle_again(struct step *step, struct tenant_task *task)
{
    if (task->tries < TASK_TRIES_MAX) {
        task->tries++;
    }
    if (!part_settle(step, task, (enum tenant_task_end)task->end,
                     step->now_ms + part_backoff_ms(task))) {
        part_look_up(step, task);
    }
}

void part_settled(struct step *step, struct tenant_task *task)
{
    enum tenant_task_end end = (enum tenant_task_end)task->end;

    task->unfenced = false;
    task->end = TENANT_TASK_END_NONE;
    if (end == TENANT_TASK_END_FAIL) {
        CLEANUP(memory_free) struct failure_record *last = TAKE(task->last);
        assert(last != NULL); /* kept when it was to fail */
        part_fail(step, task, &last->error);
    } else if (end == TENANT_TASK_END_SKIP) {
        part_skip(step, task, (enum task_code)task->skip_code);
    } else {
        part_look_up(step, task); /* it was begun before this leadership */
    }
}

void part_give_up(struct step *step, struct tenant_task *task, enum task_code code)
{
    task->skip_code = (uint8_t)code;
    if (!part_settle(step, task, TENANT_TASK_END_SKIP, 0)) {
        part_skip(step, task, code);
    }
}

void part_cancel(struct step *step, struct tenant_task *task)
{
    if (task->end == TENANT_TASK_END_FAIL && task->mode == TASK_SETTLE) {
        return; /* it has failed, and is being settled already */
    }
    part_give_up(step, task, TASK_CODE_CANCELLED);
}

void part_fail(struct step *step, struct tenant_task *task, const struct task_error *error)
{
    struct rollout *rollout = task->part->rollout;
    struct failure_record record = { .error = *error, .at_ms = step->wall_ms };

    if (task->unfenced) {
        part_keep_error(step, task, error);
        (void)part_settle(step, task, TENANT_TASK_END_FAIL, 0);
        return;
    }
    record.error.tenant = part_path(step, task);
    const struct failure_record *kept = failure_list_put(&rollout->failures, &record);
    if (kept != NULL) {
        emit_put_failure(step, rollout->spec.id, kept);
    }
    tenant_task_step(step, task, TENANT_TASK_ON_FAIL, (enum task_mode)task->mode, 0);
}

void part_look_up(struct step *step, struct tenant_task *task)
{
    uint64_t refresh = registry_want_refresh(step, task->part->shard);

    tenant_task_step(step, task, TENANT_TASK_ON_LOSE, (enum task_mode)task->mode, refresh);
}

/* ---- planning ---- */

/* An agent goes on with this task since before this leadership. */
static bool part_adopt(struct step *step, struct tenant_task *task)
{
    struct lock *lock = lock_table_find(task->part->shard, task->tenant->info->name);

    if (lock == NULL || lock->rollout != task->part->rollout || !lock->adopted ||
        lock->task != NULL) {
        return false;
    }
    lock->task = task;
    task->token = lock->token;
    tenant_task_step(step, task, TENANT_TASK_ON_ADOPTED, lock->mode, 0);
    return true;
}

/* Decides what a queued task has to do, by the newest known version of its tenant. */
static void part_classify(struct step *step, struct tenant_task *task)
{
    struct rollout *rollout = task->part->rollout;

    assert(task->state == TENANT_TASK_QUEUED);
    if (part_adopt(step, task)) {
        return;
    }
    if (tenant_plan_is_done(rollout, task->tenant)) {
        part_succeed(step, task);
        return;
    }
    const struct plan *plan = tenant_plan_of(rollout, task->tenant);
    if (plan->code == TASK_CODE_UP_TO_DATE) {
        part_skip(step, task, TASK_CODE_UP_TO_DATE);
        return;
    }
    if (rollout->spec.kind == ROLLOUT_BASELINE &&
        overtaken_is(step->fleet, rollout, task->tenant)) {
        /* What a person said of it was said before it went on: said again, scripts ran twice. */
        part_skip(step, task, TASK_CODE_VERSION_MOVED);
        return;
    }
    const struct failure_record *known =
        rollout->failures.count == 0 ? NULL
                                     : failure_list_find(&rollout->failures, part_path(step, task));
    if (known != NULL && !rollback_is_about(rollout, &known->error)) {
        known = NULL;
    }
    if (known != NULL && !task->unfenced) {
        /* Known from before this leadership; its record stays as it is. */
        tenant_task_step(step, task, TENANT_TASK_ON_FAIL, (enum task_mode)task->mode, 0);
        return;
    }
    if (known != NULL) {
        /* It may have failed while nobody knew that an earlier agent had it, too. */
        const struct task_error error = copy_error(&step->effects->arena, &known->error);
        part_fail(step, task, &error);
        return;
    }
    if (plan->code != TASK_CODE_NONE) {
        const struct task_error error = { .tenant = "",
                                          .mode = tenant_plan_first_mode(rollout),
                                          .code = plan->code,
                                          .sqlstate = "",
                                          .message = plan->error.message,
                                          .detail = "",
                                          .hint = "",
                                          .file = "" };
        part_fail(step, task, &error);
    }
}

static bool part_is_rival(const struct rollout *rollout, const struct rollout *other)
{
    return other != NULL && other != rollout && rollout_is_active(other) &&
           strcmp(other->spec.set, rollout->spec.set) == 0;
}

/* One active rollout per set and tenant: whoever had it first keeps it. After a restart locks and
 * journals tell who that was. */
static bool part_is_taken(const struct rollout *rollout, const struct tenant *tenant)
{
    const struct lock *lock = lock_table_find(tenant->shard, tenant->info->name);

    if (rollback_concerns(rollout, tenant) || (lock != NULL && lock->rollout == rollout)) {
        return false;
    }
    if (lock != NULL && part_is_rival(rollout, lock->rollout)) {
        return true;
    }
    for (const struct tenant_task *task = tenant->tasks; task != NULL;
         task = task->next_of_tenant) {
        if (part_is_rival(rollout, task->part->rollout)) {
            return true;
        }
    }
    return false;
}

void part_retry(struct step *step, struct tenant_task *task)
{
    task->end = TENANT_TASK_END_NONE;
    part_forget_failure(step, task);
    task->tries = 0;
    task->token = 0;
    task->any_result = false;
    task->looked_up = false;
    task->fenced = false;
    task->held_since_ms = 0;
    task->stale_tries = 0;
    dry_class_leave(step, task);
    if (tenant_task_step(step, task, TENANT_TASK_ON_AGAIN,
                         tenant_plan_first_mode(task->part->rollout), 0)) {
        part_classify(step, task);
    }
}

static void part_see_task(struct step *step, struct tenant_task *task)
{
    switch ((enum tenant_task_state)task->state) {
    case TENANT_TASK_QUEUED:
    case TENANT_TASK_PASSED:
    case TENANT_TASK_UNKNOWN:
    case TENANT_TASK_FAILED:
    case TENANT_TASK_SKIPPED:
        if (tenant_plan_is_done(task->part->rollout, task->tenant)) {
            part_succeed(step, task);
        } else if (task->state == TENANT_TASK_SKIPPED &&
                   task->skip_code == TASK_CODE_TENANT_MISSING && !task->part->rollout->aborting) {
            part_retry(step, task);
        }
        break;
    case TENANT_TASK_LOCKING:
    case TENANT_TASK_RUNNING:
    case TENANT_TASK_MIGRATED:
    case TENANT_TASK_ROLLED_BACK:
    case TENANT_TASK_STATE_COUNT:
        break; /* its result says more than a report */
    }
}

/* By a person or a program, without a break since before the rollout began. */
static bool part_was_held(const struct rollout *rollout, const struct tenant *tenant)
{
    const struct lock *lock = lock_table_find(tenant->shard, tenant->info->name);

    return lock != NULL && lock_table_is_hold(lock) && lock->token != 0 &&
           lock->token < rollout->started_token;
}

/* Or it was before this rollout, which a new leader has loaded, recorded its version. */
static bool part_is_unmanaged(const struct rollout *rollout, const struct tenant *tenant)
{
    const struct set_version *version = registry_version(tenant, rollout->spec.set);

    return version == NULL || version->version[0] == '\0'
               ? tenant->info->has_objects
               : strcmp(version->rollout, rollout->spec.id) == 0;
}

void part_see(struct step *step, struct part *part, struct tenant *tenant)
{
    struct rollout *rollout = part->rollout;
    struct tenant_task *task = tenant_task_find(tenant, rollout);

    if (!tenant->present && !tenant_life_is(rollout)) {
        return;
    }
    if (task != NULL) {
        part_see_task(step, task);
        return;
    }
    bool touched = rollout->state.rollback != ROLLBACK_NONE &&
                   (rollback_concerns(rollout, tenant) || rollback_is_done(rollout, tenant));
    if ((!touched && !selector_matches(rollout->selector, part->shard->name, part->shard->labels,
                                       tenant->info->name, &tenant->info->labels)) ||
        (rollout->spec.unmanaged_only && !part_is_unmanaged(rollout, tenant)) ||
        (!tenant_life_is(rollout) && part_is_taken(rollout, tenant))) {
        return;
    }
    task = tenant_task_add(step, part, tenant, tenant_plan_first_mode(rollout));
    task->any_result = rollout->loaded;
    /* Who may have had it is not known any more; but nobody had what was held since before the
     * start.
     */
    task->unfenced = rollout->loaded && rollout->ran && !part_was_held(rollout, tenant);
    part_classify(step, task);
    if (rollout->aborting && task->state == TENANT_TASK_QUEUED) {
        part_cancel(step, task);
    }
}

void part_unsee(struct step *step, struct tenant_task *task)
{
    if (tenant_life_is(task->part->rollout)) {
        return; /* whether it is there is what this is about: its agent says what that means */
    }
    if (task->state == TENANT_TASK_QUEUED || task->state == TENANT_TASK_PASSED ||
        task->state == TENANT_TASK_UNKNOWN) {
        part_skip(step, task, TASK_CODE_TENANT_MISSING);
    }
}

void part_plan(struct step *step, struct part *part)
{
    struct shard *shard = part->shard;
    bool first = !part->planned;

    if (first) {
        part->planned = true;
        assert(part->rollout->unplanned > 0);
        part->rollout->unplanned--;
        part->rollout->change++;
        /* What the store had of this shard is known better now. */
        rollout_counts_forget(part->rollout, part_counts(part));
    }
    tenant_life_expect(step, part);
    for (size_t i = 0; i < shard->tenant_count; i++) {
        part_see(step, part, shard->tenants[i]);
    }
    if (first) {
        overtaken_count(step, part);
    }
}

/* ---- lookups ---- */

void part_doubt(struct step *step, struct tenant_task *task)
{
    enum tenant_task_state done =
        rollback_is_on(task->part->rollout) ? TENANT_TASK_ROLLED_BACK : TENANT_TASK_MIGRATED;

    if (task->state == done && !tenant_plan_is_done(task->part->rollout, task->tenant)) {
        /* Not by this report alone: it may have been read before the task committed. */
        task->looked_up = false;
        task->tries = 0;
        part_look_up(step, task);
    }
}

/* The journal has been read: nothing had happened to this tenant by then. */
static void part_resolve(struct step *step, struct tenant_task *task)
{
    if (tenant_plan_is_done(task->part->rollout, task->tenant)) {
        part_succeed(step, task);
        return;
    }
    if (task->end != TENANT_TASK_END_NONE) {
        if (task->unfenced) {
            part_settle_again(step, task);
        } else {
            part_settled(step, task);
        }
        return;
    }
    if (task->part->rollout->aborting) {
        part_cancel(step, task);
        return;
    }
    if (task->tries >= TASK_TRIES_MAX) {
        struct task_error error = { .tenant = "",
                                    .mode = (enum task_mode)task->mode,
                                    .code = TASK_CODE_AGENT_LOST,
                                    .sqlstate = "",
                                    .message =
                                        "the agent was lost each time while it had this tenant",
                                    .detail = "",
                                    .hint = "",
                                    .file = "" };
        CLEANUP(memory_free) struct failure_record *last = TAKE(task->last);
        if (last != NULL) {
            error = last->error;
        }
        part_fail(step, task, &error);
        return;
    }
    uint64_t due = task->tries == 0 ? 0 : step->now_ms + part_backoff_ms(task);
    /* A tenant that somebody else has moved takes another path: it is looked at before it leaps. */
    bool moved = task->last != NULL && (task->last->error.code == TASK_CODE_VERSION_MOVED ||
                                        task->last->error.code == TASK_CODE_STALE);
    /* An earlier leader's run is not known to be of the schema that was tried. */
    bool untried = task->mode == TASK_RUN && task->stamp == 0 && task->part->rollout->loaded;
    bool anew = moved || untried || task->mode == TASK_SETTLE;
    enum task_mode mode =
        anew ? tenant_plan_first_mode(task->part->rollout) : (enum task_mode)task->mode;
    if (anew) {
        dry_class_leave(step, task);
    }
    if (tenant_task_step(step, task, TENANT_TASK_ON_AGAIN, mode, due)) {
        part_classify(step, task);
    }
}

void part_on_report(struct step *step, struct part *part)
{
    struct shard *shard = part->shard;

    if (!part->planned) {
        if (shard->tenants_known && shard->session.reported &&
            shard->refresh_seen >= part->refresh) {
            part_plan(step, part);
        }
        return;
    }
    struct tenant_task *next = NULL;
    for (struct tenant_task *task = part->queues[TENANT_TASK_LIST_UNKNOWN].head; task != NULL;
         task = next) {
        next = task->next;
        if (task->due_ms <= shard->refresh_seen) {
            part_resolve(step, task);
        }
    }
}

void part_wake(struct step *step, struct part *part)
{
    struct tenant_task_queue *later = &part->queues[TENANT_TASK_LIST_LATER];
    uint64_t earliest = UINT64_MAX;
    struct tenant_task *next = NULL;

    if (later->count == 0 || later->due_ms > step->now_ms) {
        return;
    }
    for (struct tenant_task *task = later->head; task != NULL; task = next) {
        next = task->next;
        if (task->due_ms <= step->now_ms) {
            tenant_task_wake(task);
        } else if (task->due_ms < earliest) {
            earliest = task->due_ms;
        }
    }
    later->due_ms = earliest;
}
