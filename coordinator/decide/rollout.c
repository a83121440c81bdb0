#include "coordinator/decide/rollout.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/dry_class.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/overtaken.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"
#include "coordinator/decide/rollout_counts.h"
#include "coordinator/decide/rollout_hook.h"
#include "coordinator/decide/wave.h"

/* ---- the list ---- */

struct rollout *rollout_find(const struct fleet *fleet, const char *id)
{
    struct rollout *rollout;

    HASH_FIND_STR(fleet->rollouts_by_id, id, rollout);
    return rollout;
}

struct rollout *rollout_add(struct step *step, const struct rollout_spec *spec)
{
    struct fleet *fleet = step->fleet;
    struct rollout *rollout = memory_alloc(sizeof(*rollout));

    assert(rollout_find(fleet, spec->id) == NULL);
    rollout->spec = copy_spec(&rollout->arena, spec);
    rollout->number = ++fleet->next_id;
    rollout->reason = memory_strdup("");
    rollout->changed_by = memory_strdup(spec->created_by);
    rollout->first_script = memory_strdup("");
    rollout->state.phase_reason = rollout->reason;
    rollout->state.changed_by = rollout->changed_by;
    rollout->state.first_script = rollout->first_script;
    rollout->state.started_at_ms = spec->created_at_ms;
    fleet->rollouts = memory_reserve(fleet->rollouts, fleet->rollout_count,
                                     &fleet->rollout_capacity, sizeof(struct rollout *));
    fleet->rollouts[fleet->rollout_count++] = rollout;
    HASH_ADD_KEYPTR(hh, fleet->rollouts_by_id, rollout->spec.id, strlen(rollout->spec.id), rollout);
    return rollout;
}

static void rollout_free(struct rollout *rollout)
{
    dry_class_forget(rollout);
    for (size_t i = 0; i < rollout->part_count; i++) {
        part_free(rollout->parts[i]);
    }
    for (size_t i = 0; i < rollout->progress_count; i++) {
        free((char *)(uintptr_t)rollout->progress[i].shard);
    }
    free(rollout->parts);
    free(rollout->progress);
    failure_list_release(&rollout->failures);
    failure_list_release(&rollout->warnings);
    measures_release(&rollout->measures);
    selector_free(&rollout->selector);
    arena_release(&rollout->tasks);
    arena_release(&rollout->arena);
    free(rollout->reason);
    free(rollout->changed_by);
    free(rollout->first_script);
    free(rollout);
}

void rollout_remove(struct fleet *fleet, struct rollout *rollout)
{
    size_t kept = 0;

    assert(rollout->lock_count == 0);
    fleet->parts_busy -= rollout->parts_busy;
    for (size_t i = 0; i < fleet->rollout_count; i++) {
        if (fleet->rollouts[i] != rollout) {
            fleet->rollouts[kept++] = fleet->rollouts[i];
        }
    }
    fleet->rollout_count = kept;
    HASH_DEL(fleet->rollouts_by_id, rollout);
    rollout_free(rollout);
}

void rollout_release(struct fleet *fleet)
{
    HASH_CLEAR(hh, fleet->rollouts_by_id);
    for (size_t i = 0; i < fleet->rollout_count; i++) {
        rollout_free(fleet->rollouts[i]);
    }
    free(fleet->rollouts);
    fleet->rollouts = NULL;
    fleet->rollout_count = 0;
    fleet->rollout_capacity = 0;
}

bool rollout_is_active(const struct rollout *rollout)
{
    return !rollout_phase_is_final(rollout->state.phase);
}

bool rollout_has_dry_run(const struct rollout *rollout)
{
    return rollout->spec.kind == ROLLOUT_MIGRATE &&
           (rollout->spec.dry_run != DRY_RUN_OFF || rollback_is_on(rollout));
}

bool rollout_serves(const struct rollout *rollout, enum task_mode mode)
{
    if (mode == TASK_SETTLE) {
        return rollout->open_now; /* it changes no tenant, and an abort waits for it */
    }
    if (rollout->aborting || !rollout->open_now || rollout_hook_has_failed(rollout)) {
        return false;
    }
    if (rollout->state.phase == ROLLOUT_RUNNING && !task_mode_is_dry(mode) &&
        rollout_hook_holds_runs(rollout)) {
        return false;
    }
    if (rollout->state.phase == ROLLOUT_ROLLING_BACK) {
        return mode == TASK_ROLLBACK_DRY_RUN ||
               (mode == TASK_ROLLBACK && rollout->state.rollback == ROLLBACK_UNDOING);
    }
    return rollout->state.phase == ROLLOUT_RUNNING ||
           (rollout->state.phase == ROLLOUT_DRY_RUN && mode == TASK_DRY_RUN);
}

bool rollout_has_tasks_left(const struct rollout *rollout)
{
    return rollout->unplanned > 0 || rollout->open[0] + rollout->open[1] > 0;
}

/* ---- open and close ---- */

size_t rollout_progress_index(struct rollout *rollout, const char *shard)
{
    /* Parts and progress grow together, but for what is known from before. */
    for (size_t i = rollout->part_count; i < rollout->progress_count; i++) {
        if (strcmp(rollout->progress[i].shard, shard) == 0) {
            struct shard_progress found = rollout->progress[i];
            rollout->progress[i] = rollout->progress[rollout->part_count];
            rollout->progress[rollout->part_count] = found;
            return rollout->part_count;
        }
    }
    rollout->progress = memory_reserve(rollout->progress, rollout->progress_count,
                                       &rollout->progress_capacity, sizeof(struct shard_progress));
    size_t index = rollout->part_count;
    if (index < rollout->progress_count) {
        rollout->progress[rollout->progress_count] = rollout->progress[index];
    }
    rollout->progress[index] = (struct shard_progress){ .shard = memory_strdup(shard) };
    rollout->progress_count++;
    return index;
}

void rollout_remove_part(struct step *step, struct rollout *rollout, struct part *part)
{
    size_t index = 0;

    while (rollout->parts[index] != part) {
        index++;
    }
    assert(index < rollout->part_count);
    assert(part->open == 0);
    if (!part->planned) {
        rollout->unplanned--;
        rollout_counts_settle_shard(rollout, &rollout->progress[part->progress]);
    }
    if (part->busy) {
        rollout->parts_busy--;
        step->fleet->parts_busy--;
    }
    emit_put_progress(step, rollout->spec.id, &rollout->progress[part->progress]);
    rollout->part_count--;
    rollout->parts[index] = rollout->parts[rollout->part_count];
    /* Its numbers move behind those of the parts that are left. */
    if (index != rollout->part_count) {
        struct shard_progress gone = rollout->progress[index];
        rollout->progress[index] = rollout->progress[rollout->part_count];
        rollout->progress[rollout->part_count] = gone;
        rollout->parts[index]->progress = index;
    }
    rollout->progress_dirty = true;
    rollout->change++;
    part_free(part);
}

static void rollout_add_parts(struct step *step, struct rollout *rollout, bool fresh)
{
    for (size_t i = 0; i < step->fleet->shard_count; i++) {
        struct shard *shard = step->fleet->shards[i];
        if (part_find(shard, rollout) == NULL &&
            selector_may_match_shard(rollout->selector, shard->name, shard->labels)) {
            part_add(step, rollout, shard, fresh);
        }
    }
}

static size_t rollout_find_script(const struct set *set, const char *script)
{
    for (size_t i = 0; i < set->migration_count; i++) {
        if (strcmp(set->migrations[i].script, script) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool rollout_open(struct step *step, struct rollout *rollout, bool fresh, struct error *err)
{
    assert(!rollout->open_now);
    /* A set only grows, so the newest has everything that this rollout did, and perhaps a `.down`
     * that it lacked then. */
    const char *digest = rollout->state.rollback == ROLLBACK_NONE ? rollout->spec.digest : "";
    rollout->set = set_shelf_find(&step->fleet->sets, rollout->spec.set, digest);
    if (rollout->set == NULL) {
        return error_set(err, ERR_REFUSED,
                         "the set '%s' was published again since rollout %s started: start a new "
                         "rollout",
                         rollout->spec.set, rollout->spec.id);
    }
    if (rollout->selector == NULL &&
        !selector_parse(rollout->spec.selector, &rollout->selector, err)) {
        return false;
    }
    rollout->open_now = true;
    rollout->first_index = rollout_find_script(rollout->set, rollout->first_script);
    rollout->repeatables = rollout->spec.kind == ROLLOUT_MIGRATE &&
                                   plan_takes_repeatables(rollout->set, rollout->spec.target)
                               ? rollout->set->repeatables_digest
                               : 0;
    rollout_counts_take_over(rollout);
    memset(rollout->state.skips, 0, sizeof(rollout->state.skips));
    rollout->plan_cache.valid = false;
    rollout_add_parts(step, rollout, fresh);
    /* Of shards that are forgotten nothing more is heard. */
    for (size_t i = rollout->part_count; i < rollout->progress_count; i++) {
        rollout_counts_settle_shard(rollout, &rollout->progress[i]);
    }
    return true;
}

static bool rollout_uses_set(void *user, const struct set *set)
{
    const struct fleet *fleet = user;

    for (size_t i = 0; i < fleet->rollout_count; i++) {
        if (fleet->rollouts[i]->set == set) {
            return true;
        }
    }
    return false;
}

void rollout_close(struct step *step, struct rollout *rollout)
{
    if (!rollout->open_now) {
        return;
    }
    wave_forget_rollout(step->fleet, rollout);
    dry_class_forget(rollout);
    for (size_t i = 0; i < rollout->part_count; i++) {
        part_free(rollout->parts[i]);
    }
    free(rollout->parts);
    rollout->parts = NULL;
    rollout->part_count = 0;
    rollout->part_capacity = 0;
    step->fleet->parts_busy -= rollout->parts_busy;
    rollout->parts_busy = 0;
    rollout->unplanned = 0;
    rollout->open[0] = 0;
    rollout->open[1] = 0;
    rollout->in_flight = 0;
    rollout->reference = NULL;
    rollout->reference_held = false;
    rollout->open_now = false;
    rollout->set = NULL;
    selector_free(&rollout->selector);
    arena_release(&rollout->tasks);
    set_shelf_prune(&step->fleet->sets, rollout_uses_set, step->fleet);
}

/* ---- the phase ---- */

/* Calls `visit` for each task; only an operator's verb or the end of a rollout may do that. */
static void rollout_each_task(struct step *step, struct rollout *rollout,
                              void (*visit)(struct step *step, struct tenant_task *task))
{
    for (size_t i = 0; i < rollout->part_count; i++) {
        struct shard *shard = rollout->parts[i]->shard;
        for (size_t j = 0; j < shard->tenant_count; j++) {
            struct tenant_task *task = tenant_task_find(shard->tenants[j], rollout);
            if (task != NULL) {
                visit(step, task);
            }
        }
    }
}

static void rollout_requeue_task(struct step *step, struct tenant_task *task)
{
    if (task->state == TENANT_TASK_FAILED ||
        (task->state == TENANT_TASK_SKIPPED && (task->skip_code == TASK_CODE_TENANT_LOCKED ||
                                                task->skip_code == TASK_CODE_OTHERS_BEHIND))) {
        part_retry(step, task);
    }
}

void rollout_requeue_failed(struct step *step, struct rollout *rollout)
{
    struct error err;

    rollout->failures_borne = 0;
    rollout_warn_forget(step, rollout, TASK_CODE_TENANT_LOCKED);
    rollout_warn_forget(step, rollout, TASK_CODE_OTHERS_BEHIND);
    if (!rollout->open_now) {
        rollback_forget_failures(step, rollout);
        for (size_t i = 0; i < rollout->progress_count; i++) {
            rollout->progress[i].counts.queued += rollout->progress[i].counts.failed;
            rollout->progress[i].counts.failed = 0;
        }
        /* What it did before counts, also when that was told by an earlier leader. */
        rollout->ran = rollout->ran || rollout->state.phase == ROLLOUT_SUCCEEDED;
        overtaken_expect(rollout);
        bool opened = rollout_open(step, rollout, true, &err);
        assert(opened); /* the operator's verb has made sure that it can be */
        return;
    }
    /* Tenants that have appeared since it came to rest are taken along. */
    rollout_add_parts(step, rollout, true);
    for (size_t i = 0; i < rollout->part_count; i++) {
        if (rollout->parts[i]->planned) {
            part_plan(step, rollout->parts[i]);
        }
    }
    rollout_each_task(step, rollout, rollout_requeue_task);
}

static void rollout_cancel_task(struct step *step, struct tenant_task *task)
{
    if (task->state == TENANT_TASK_QUEUED || task->state == TENANT_TASK_PASSED) {
        part_cancel(step, task);
    }
}

void rollout_begin_abort(struct step *step, struct rollout *rollout)
{
    rollout->aborting = true;
    rollout_each_task(step, rollout, rollout_cancel_task);
}

static void rollout_set_texts(struct rollout *rollout, const char *actor, const char *reason)
{
    char *text = memory_strdup(reason);

    free(rollout->reason);
    rollout->reason = text;
    rollout->state.phase_reason = text;
    if (actor[0] != '\0') {
        free(rollout->changed_by);
        rollout->changed_by = memory_strdup(actor);
        rollout->state.changed_by = rollout->changed_by;
    }
}

/* The rollout ends without knowing: says so by name, beside the failures. */
static void rollout_note_unknown(struct step *step, struct tenant_task *task)
{
    struct rollout *rollout = task->part->rollout;
    const struct failure_record record = {
        .error = { .tenant = part_path(step, task),
                   .mode = (enum task_mode)task->mode,
                   .code = TASK_CODE_OUTCOME_UNKNOWN,
                   .sqlstate = "",
                   .message =
                       "a lost agent had this tenant, and none was there to find out whether "
                       "it has migrated it, or will",
                   .detail = "",
                   .hint = "Look at its history when the shard is back: skein tenant history",
                   .file = "" },
        .at_ms = step->wall_ms
    };
    const struct failure_record *kept = failure_list_put(&rollout->failures, &record);

    if (kept != NULL) {
        emit_put_failure(step, rollout->spec.id, kept);
    }
}

/* Nobody was there who could have told; said in the report, with the tenant's name. */
static void rollout_name_unknown(struct step *step, struct tenant_task *task)
{
    bool asks = task->state == TENANT_TASK_UNKNOWN && !task_mode_is_dry((enum task_mode)task->mode);

    if (asks || (task->mode == TASK_SETTLE && !tenant_task_is_final(task))) {
        rollout_note_unknown(step, task);
    }
}

/* Others could not go back, so this one does not. */
static void rollout_leave_task(struct step *step, struct tenant_task *task)
{
    if (task->state == TENANT_TASK_PASSED || task->state == TENANT_TASK_QUEUED) {
        part_skip(step, task, TASK_CODE_CANCELLED);
    }
}

/* What belongs to the step itself, before the state is written. */
static void rollout_act(struct step *step, struct rollout *rollout, enum rollout_event on,
                        enum rollout_phase from, enum rollout_phase to)
{
    bool over =
        on == ROLLOUT_ON_OVER_BUDGET || (on == ROLLOUT_ON_HOOK_FAILED && from == ROLLOUT_RUNNING);
    bool aborts = on == ROLLOUT_ON_ABORT || (over && rollout->spec.policy == POLICY_ABORT);

    if (to == ROLLOUT_ROLLING_BACK || rollout->state.rollback == ROLLBACK_STOPPING) {
        rollback_act(step, rollout, on);
    }
    if (to == ROLLOUT_PAUSED && from != ROLLOUT_PAUSED) {
        rollout->state.resume_phase = from;
    } else if (to != ROLLOUT_PAUSED) {
        rollout->state.resume_phase = ROLLOUT_PENDING;
    }
    if (aborts) {
        rollout_begin_abort(step, rollout);
        rollout->state.resume_phase = ROLLOUT_ABORTED;
    }
    if (on == ROLLOUT_ON_RESUME) {
        rollout->failures_borne = rollout->state.counts.failed;
    } else if (on == ROLLOUT_ON_RETRY) {
        rollout->state.finished_at_ms = 0;
        rollout_requeue_failed(step, rollout);
    }
    rollout->ran = rollout->ran || to == ROLLOUT_RUNNING || to == ROLLOUT_ROLLING_BACK;
    if (on == ROLLOUT_ON_HOOK_FAILED || on == ROLLOUT_ON_RESUME || on == ROLLOUT_ON_RETRY) {
        rollout_hook_forgive(rollout);
    }
    if (to == ROLLOUT_FAILED && (rollback_is_on(rollout) || on == ROLLOUT_ON_HOOK_FAILED)) {
        rollout_each_task(step, rollout, rollout_leave_task);
    }
    if (to == ROLLOUT_ABORTED) {
        rollout_each_task(step, rollout, rollout_name_unknown);
        rollout_counts_settle(rollout);
    }
    if (rollout_phase_is_final(to) || (on == ROLLOUT_ON_DRAINED && to == ROLLOUT_ROLLING_BACK)) {
        rollout_hook_give_up(step, rollout);
    }
    if (from == ROLLOUT_DRY_RUN && to != ROLLOUT_PAUSED) {
        dry_class_report(rollout);
    }
    if (rollout_phase_is_final(to)) {
        rollout->state.finished_at_ms = step->wall_ms;
        rollout->state.resume_phase = ROLLOUT_PENDING;
        rollout->aborting = false;
    }
}

struct told_phase rollout_told_phase(const struct rollout *rollout)
{
    return (struct told_phase){ .phase = rollout->state.phase,
                                .resume_phase = rollout->state.resume_phase,
                                .finished_at_ms = rollout->state.finished_at_ms };
}

/* A leader that cannot write any more must not tell an end that nobody else knows of. */
static void rollout_tell_later(struct step *step, struct rollout *rollout)
{
    struct waiting *waiting = fleet_wait(step, WAITING_PHASE, NULL);

    waiting->rollout = rollout->number;
    waiting->told = rollout_told_phase(rollout);
    rollout->untold++;
    emit_after_stored(step, waiting->id);
}

void rollout_on_stored(struct step *step, const struct waiting *waiting)
{
    for (size_t i = step->fleet->rollout_count; i > 0; i--) {
        struct rollout *rollout = step->fleet->rollouts[i - 1];

        if (rollout->number == waiting->rollout) {
            rollout->told = waiting->told;
            rollout->untold--;
            rollout->change++;
            return;
        }
    }
}

bool rollout_step(struct step *step, struct rollout *rollout, enum rollout_event on,
                  const char *actor, const char *reason)
{
    const struct rollout_edge *edge = rollout_find_edge(rollout, on);
    enum rollout_phase from = rollout->state.phase;

    if (edge == NULL) {
        return false;
    }
    enum rollout_phase to = (enum rollout_phase)edge->edge.to;
    rollout_act(step, rollout, on, from, to);
    rollout->state.phase = to;
    rollout_set_texts(rollout, actor, reason[0] == '\0' ? edge->edge.why : reason);
    rollout->change++;
    rollout_persist(step, rollout);
    rollout_tell_later(step, rollout);
    audit_add(step, actor[0] == '\0' ? "coordinator" : actor, "rollout.phase", rollout->spec.id,
              rollout->reason, "%s to %s: %s", rollout_phase_name(from), rollout_phase_name(to),
              edge->edge.why);
    if (rollout_phase_is_final(to) && to != ROLLOUT_DRY_RUN_FAILED) {
        rollout_close(step, rollout);
    }
    if (rollout_serves(rollout, rollback_is_on(rollout) ? TASK_ROLLBACK_DRY_RUN : TASK_DRY_RUN)) {
        wave_dispatch_rollout(step, rollout);
    }
    return true;
}

static void rollout_put_progress(struct step *step, struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->part_count && rollout->progress_dirty; i++) {
        struct part *part = rollout->parts[i];
        if (part->dirty) {
            part->dirty = false;
            part->total_stored = part_counts(part)->total;
            emit_put_progress(step, rollout->spec.id, &rollout->progress[part->progress]);
        }
    }
    rollout->progress_dirty = false;
    rollout->progress_due_ms = step->now_ms + FLUSH_INTERVAL_MS;
}

void rollout_put_state(struct step *step, struct rollout *rollout)
{
    emit_put_state(step, rollout->spec.id, &rollout->state);
    rollout->state_dirty = false;
    rollout->first_script_news = false;
    rollout->state_due_ms = step->now_ms + ROLLOUT_STATE_INTERVAL_MS;
    measures_persist(step, rollout);
}

void rollout_persist(struct step *step, struct rollout *rollout)
{
    rollout_put_progress(step, rollout);
    rollout_put_state(step, rollout);
}

void rollout_persist_due(struct step *step, struct rollout *rollout, uint64_t patience_ms)
{
    if (rollout->progress_dirty && step->now_ms >= rollout->progress_due_ms + patience_ms) {
        rollout_put_progress(step, rollout);
    }
    if (rollout->state_dirty && step->now_ms >= rollout->state_due_ms + patience_ms) {
        rollout_put_state(step, rollout);
    }
}
