#include "coordinator/decide/outcome.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/dry_class.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/wave.h"

static struct task_error outcome_error(const struct tenant_task *task, enum task_code code,
                                       const char *message)
{
    return (struct task_error){ .tenant = "",
                                .mode = (enum task_mode)task->mode,
                                .code = code,
                                .sqlstate = "",
                                .message = message,
                                .detail = "",
                                .hint = "",
                                .file = "" };
}

/* Which failures may be a matter of the moment: the tenant's journal is looked up, then it is tried
 * again. All others are final. */
enum outcome_again { OUTCOME_FINAL, OUTCOME_AGAIN, OUTCOME_ONCE };
static const enum outcome_again outcome_again[TASK_CODE_COUNT] = {
    [TASK_CODE_DATABASE_LOST] = OUTCOME_AGAIN, /* up to TASK_TRIES_MAX, with a growing pause */
    [TASK_CODE_AGENT_LOST] = OUTCOME_AGAIN,    [TASK_CODE_CANCELLED] = OUTCOME_AGAIN,
    [TASK_CODE_VERSION_MOVED] = OUTCOME_ONCE, /* what we knew of it was old */
    [TASK_CODE_FENCED] = OUTCOME_ONCE,
};

/* A look at a tenant, or at its structure for a copy, stands behind whoever changes it. */
static bool outcome_only_looked(const struct tenant_task *task, enum task_code code)
{
    return code == TASK_CODE_LOCK_TIMEOUT && task->mode == TASK_DRY_RUN &&
           dry_class_step_of(task) != DRY_RUN_STEP_WHOLE && task->tries + 1 < TASK_TRIES_MAX;
}

static bool outcome_is_worth_another(struct tenant_task *task, enum task_code code)
{
    bool *once = code == TASK_CODE_FENCED ? &task->fenced : &task->looked_up;
    const struct agent_link *link = task->part->shard->session.link;

    if (code == TASK_CODE_CANCELLED && link != NULL && link->leaving) {
        return true; /* handed back by an agent that is about to stop: no fault of anybody's */
    }

    if (outcome_again[code] == OUTCOME_AGAIN || outcome_only_looked(task, code)) {
        /* Even the last try may have been committed: it is looked up before it counts as failed. */
        if (task->tries < TASK_TRIES_MAX) {
            task->tries++;
        }
        return true;
    }
    if (outcome_again[code] == OUTCOME_ONCE && !*once) {
        *once = true;
        return true;
    }
    return false;
}

/* No earlier try is under way any more. Whether one has undone it the journal says next. */
static void outcome_on_undo_settled(struct step *step, struct tenant_task *task)
{
    task->unfenced = false;
    part_look_up(step, task);
}

static void outcome_on_succeeded(struct step *step, struct tenant_task *task,
                                 const struct task_result *result)
{
    const struct rollout_spec *spec = &task->part->rollout->spec;
    bool back = result->mode == TASK_ROLLBACK;

    if (result->mode == TASK_DRY_RUN && result->fingerprint != NULL &&
        result->fingerprint[0] != '\0') {
        task->tries = 0;
        dry_class_join(step, task, result->fingerprint, result->stamp);
        return;
    }
    if (task_mode_is_dry(result->mode)) {
        task->tries = 0;
        if (result->mode == TASK_DRY_RUN && result->stamp != 0) {
            task->stamp = result->stamp;
        }
        tenant_task_step(step, task, TENANT_TASK_ON_PASS,
                         result->mode == TASK_DRY_RUN ? TASK_RUN : TASK_ROLLBACK, 0);
        return;
    }
    if (result->mode == TASK_SETTLE && rollback_is_on(task->part->rollout)) {
        outcome_on_undo_settled(step, task);
        return;
    }
    if (spec->kind == ROLLOUT_DROP) {
        part_succeed(step, task);
        return;
    }
    /* Known at once, not only with the next report. */
    const struct set_version version = {
        .set = spec->set,
        .version = back || rollout_spec_has_ledger(spec) ? result->version : spec->target,
        .rollout = back ? "" : spec->id, /* whose it was before the next report tells */
        .fence = result->token,
        .undone = back ? spec->id : "",
        .repeatables = result->repeatables,
    };
    registry_put_version(task->tenant, &version);
    part_succeed(step, task);
}

static void outcome_on_skipped(struct step *step, struct tenant_task *task,
                               const struct task_result *result)
{
    bool back = rollback_is_on(task->part->rollout);

    if (result->mode == TASK_SETTLE && result->error.code == TASK_CODE_CANCELLED && back) {
        outcome_on_undo_settled(step, task);
        return;
    }
    if (result->mode == TASK_SETTLE && result->error.code == TASK_CODE_CANCELLED) {
        part_settled(step, task);
        return;
    }
    /* "There already" may be the work of a try whose answer was lost: the journal knows whose. */
    if (result->error.code == TASK_CODE_UP_TO_DATE && !task->looked_up && !back) {
        task->looked_up = true;
        part_look_up(step, task);
        return;
    }
    if (back && result->error.code == TASK_CODE_VERSION_MOVED) {
        struct task_error warning = result->error;
        warning.tenant = part_path(step, task);
        rollout_warn(step, task->part->rollout, &warning); /* it stays as it is: say which */
    }
    part_skip(step, task,
              result->error.code == TASK_CODE_NONE ? TASK_CODE_UP_TO_DATE : result->error.code);
}

/* Somebody has changed the schema since its dry run: that is only to be known, and it is dry-run
 * again. Nothing has happened to the tenant in this try; what an earlier one may have done is
 * looked up as ever. False: it changes again and again. */
static bool outcome_on_stale(struct step *step, struct tenant_task *task,
                             const struct task_error *error)
{
    struct task_error warning = *error;

    if (task->stale_tries >= STALE_TRIES_MAX) {
        return false;
    }
    task->stale_tries++;
    warning.tenant = part_path(step, task);
    rollout_warn(step, task->part->rollout, &warning);
    part_keep_error(step, task, error);
    part_look_up(step, task);
    return true;
}

/* It counts as migrated again, which is only half of the truth: its agent has said the other half.
 */
static void outcome_note_half_undone(struct step *step, struct tenant_task *task,
                                     const struct task_error *error)
{
    if (rollback_is_on(task->part->rollout) && error->hint[0] != '\0') {
        struct task_error warning = *error;
        warning.tenant = part_path(step, task);
        rollout_warn(step, task->part->rollout, &warning);
    }
}

static void outcome_on_failed(struct step *step, struct tenant_task *task,
                              const struct task_result *result)
{
    const struct task_error *error = &result->error;

    if (error->code == TASK_CODE_TENANT_MISSING) {
        part_skip(step, task, TASK_CODE_TENANT_MISSING);
        return;
    }
    if (result->mode == TASK_SETTLE) {
        /* Refused by a later token: then the fence is where it has to be, and beyond. */
        task->unfenced = task->unfenced && error->code != TASK_CODE_FENCED;
        part_settle_again(step, task);
        return;
    }
    if (error->code == TASK_CODE_DATABASE_LOST && !task_mode_is_dry(result->mode)) {
        task->unfenced = true; /* it may have committed, or may yet */
    }
    if (error->code == TASK_CODE_CANCELLED && task->part->rollout->aborting) {
        outcome_note_half_undone(step, task, error);
        part_cancel(step, task);
        return;
    }
    if (error->code == TASK_CODE_STALE && outcome_on_stale(step, task, error)) {
        return;
    }
    if (outcome_is_worth_another(task, error->code)) {
        part_keep_error(step, task, error);
        part_look_up(step, task);
        return;
    }
    part_fail(step, task, error);
}

/* Whether the answer is to the try that counts. */
static bool outcome_is_current(const struct tenant_task *task, const struct task_result *result)
{
    bool back = rollback_is_on(task->part->rollout);
    bool waits = task->state == TENANT_TASK_QUEUED || task->state == TENANT_TASK_UNKNOWN;

    /* What was done before it went back says nothing of the way back. */
    if (result->mode != TASK_SETTLE && task_mode_is_rollback(result->mode) != back) {
        return false;
    }
    if (task->any_result && waits) {
        return true; /* of a try before this leadership, and no newer one was given out */
    }
    return (waits || task->state == TENANT_TASK_RUNNING) && task->token == result->token &&
           task->mode == result->mode;
}

/* A task that ended before its tenant was reported to this leader. */
static void outcome_note_unplanned(struct step *step, struct rollout *rollout,
                                   const struct shard *shard, const struct task_result *result)
{
    if (rollout == NULL || !rollout_is_active(rollout) || task_mode_is_dry(result->mode) ||
        result->outcome != TASK_FAILED || result->error.code == TASK_CODE_TENANT_MISSING ||
        outcome_again[result->error.code] != OUTCOME_FINAL) {
        return;
    }
    struct failure_record record = { .error = result->error, .at_ms = step->wall_ms };
    record.error.tenant = arena_printf(&step->effects->arena, "%s/%s", shard->name, result->tenant);
    const struct failure_record *kept = failure_list_put(&rollout->failures, &record);
    if (kept != NULL) {
        emit_put_failure(step, rollout->spec.id, kept);
    }
}

static void outcome_apply(struct step *step, struct shard *shard, const struct task_result *result)
{
    struct rollout *rollout = rollout_find(step->fleet, result->rollout);
    struct tenant *tenant = registry_find_tenant(shard, result->tenant);
    struct tenant_task *task =
        rollout == NULL || tenant == NULL ? NULL : tenant_task_find(tenant, rollout);
    struct lock *lock = lock_table_find(shard, result->tenant);
    bool locked =
        lock != NULL && lock->rollout == rollout && rollout != NULL && lock->token == result->token;

    if (task == NULL) {
        if (locked) {
            outcome_note_unplanned(step, rollout, shard, result);
            lock_table_release(step, lock);
        }
        step->fleet->results_stale++;
        return;
    }
    if (!outcome_is_current(task, result)) {
        step->fleet->results_stale++;
        return;
    }
    step->fleet->task_results[result->mode][result->outcome]++;
    rate_add(&rollout->rate, step->now_ms);
    rollout->change++;
    for (size_t i = 0; i < result->warning_count; i++) {
        struct task_error warning = result->warnings[i];
        warning.tenant = part_path(step, task);
        rollout_warn(step, rollout, &warning);
    }
    if (result->measure != NULL && result->mode == TASK_DRY_RUN) {
        measures_add(step, task, result->measure, result->outcome == TASK_SUCCEEDED);
    }
    switch (result->outcome) {
    case TASK_SUCCEEDED:
        outcome_on_succeeded(step, task, result);
        break;
    case TASK_SKIPPED:
        outcome_on_skipped(step, task, result);
        break;
    case TASK_FAILED:
    case TASK_OUTCOME_COUNT:
        outcome_on_failed(step, task, result);
        break;
    }
    /* The same answer may come again when its acknowledgement is lost. */
    task->token = 0;
    task->any_result = false;
    /* Last, so that a crash between the two leaves the lock, never the lock's end alone. */
    if (locked) {
        lock_table_release(step, lock);
    }
}

void outcome_on_results(struct step *step, struct agent_link *link,
                        const struct task_results *results)
{
    struct shard *shard = link->shard;

    for (size_t i = 0; i < results->count; i++) {
        outcome_apply(step, shard, &results->items[i]);
    }
    rollout_check_shard(step, shard);
    for (struct part *part = shard->parts; part != NULL; part = part->next_of_shard) {
        rollout_persist_due(step, part->rollout, 0);
    }
    wave_dispatch_shard(step, shard);
    emit_send(step, link->stream, COORDINATOR_MESSAGE_RESULTS_ACK)->sequence = results->sequence;
}

/* ---- answers that do not come ---- */

/* The agent does not have it, and perhaps never had. */
static void outcome_miss(struct step *step, struct tenant_task *task)
{
    if (task_mode_is_dry((enum task_mode)task->mode)) {
        tenant_task_step(step, task, TENANT_TASK_ON_AGAIN, (enum task_mode)task->mode,
                         step->now_ms + TASK_RESEND_GRACE_MS);
    } else {
        /* Or it was started again, and what it had sent to the database is still under way. */
        task->unfenced = true;
        part_look_up(step, task);
    }
}

static const struct running_task *outcome_find_running(const struct running_task *running,
                                                       size_t count, const struct lock *lock)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(running[i].tenant, lock->name) == 0 &&
            strcmp(running[i].rollout, lock->record.rollout) == 0 &&
            running[i].token >= lock->token) {
            return &running[i];
        }
    }
    return NULL;
}

static void outcome_reconcile_lock(struct step *step, struct lock *lock,
                                   const struct running_task *running)
{
    struct tenant_task *task = lock->task;

    if (task != NULL && task->state == TENANT_TASK_LOCKING) {
        return; /* it is sent on the new stream */
    }
    if (running != NULL && (task == NULL || task->token == running->token)) {
        lock->token = running->token;
        lock->mode = running->mode;
        lock->adopted = lock->rollout != NULL;
        if (lock->rollout != NULL && lock->rollout->aborting) {
            struct coordinator_message *message =
                emit_send(step, lock->shard->session.link->stream, COORDINATOR_MESSAGE_CANCEL);
            message->cancel.rollout = copy_text(&step->effects->arena, lock->record.rollout);
        }
        return;
    }
    if (task != NULL) {
        outcome_miss(step, task);
    }
    lock_table_release(step, lock);
}

void outcome_reconcile(struct step *step, struct shard *shard, const struct running_task *running,
                       size_t count)
{
    struct lock *lock;
    struct lock *next;

    HASH_ITER(hh, shard->locks, lock, next)
    {
        if (!lock_table_is_hold(lock) && lock->record.lease_id == shard->session.lease_id) {
            outcome_reconcile_lock(step, lock, outcome_find_running(running, count, lock));
        }
    }
    rollout_check_shard(step, shard);
}

static void outcome_lose_task(struct step *step, struct tenant_task *task)
{
    if (task->state == TENANT_TASK_LOCKING) {
        tenant_task_step(step, task, TENANT_TASK_ON_AGAIN, (enum task_mode)task->mode, 0);
        return;
    }
    assert(task->state == TENANT_TASK_RUNNING);
    if (task->tries < TASK_TRIES_MAX) {
        task->tries++;
    }
    if (!task_mode_is_dry((enum task_mode)task->mode)) {
        task->unfenced = true;
        part_look_up(step, task);
    } else if (task->tries < TASK_TRIES_MAX) {
        tenant_task_step(step, task, TENANT_TASK_ON_AGAIN, (enum task_mode)task->mode,
                         step->now_ms + part_backoff_ms(task));
    } else {
        const struct task_error error =
            outcome_error(task, TASK_CODE_AGENT_LOST,
                          "the agent was lost each time while it had this tenant's dry run");
        part_fail(step, task, &error);
    }
}

void outcome_lose_session(struct step *step, struct shard *shard, int64_t lease_id)
{
    struct lock *lock;
    struct lock *next;

    HASH_ITER(hh, shard->locks, lock, next)
    {
        if (lock_table_is_hold(lock) || lock->record.lease_id != lease_id) {
            continue;
        }
        if (lock->task != NULL) {
            outcome_lose_task(step, lock->task);
        }
        lock_table_drop(step->fleet, lock);
    }
    rollout_check_shard(step, shard);
}
