#include "coordinator/decide/fleet_load.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/token.h"

static struct shard *fleet_load_shard(struct step *step, const char *name)
{
    static const struct labels none = { 0 };

    return registry_add_shard(step, name, &none);
}

static void fleet_load_shards(struct step *step, const struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->shard_count; i++) {
        const struct shard_record *record = &loaded->shards[i];
        struct shard *shard = registry_add_shard(step, record->name, &record->labels);
        if (shard != NULL) {
            shard->stored = true;
            shard->tenants_stored = record->tenant_count;
            shard->first_seen_ms = record->first_seen_ms;
        }
    }
    for (size_t i = 0; i < loaded->session_count; i++) {
        struct shard *shard = fleet_load_shard(step, loaded->sessions[i].shard);
        if (shard != NULL) {
            session_load(step, shard, &loaded->sessions[i]);
        }
    }
}

static void fleet_load_lock(struct step *step, const struct lock_record *record, uint64_t token)
{
    const char *slash = strchr(record->tenant, '/');
    char name[NAME_BYTES_MAX + 1] = "";

    if (slash != NULL && (size_t)(slash - record->tenant) < sizeof(name)) {
        memcpy(name, record->tenant, (size_t)(slash - record->tenant));
    }
    struct shard *shard = name[0] == '\0' ? NULL : fleet_load_shard(step, name);
    bool hold = record->rollout[0] == '\0';
    /* A lock without its session can only be left over: its agent has lost its lease. */
    bool orphan = !hold && (shard == NULL || shard->session.lease_id != record->lease_id);
    if (shard == NULL || orphan || lock_table_find(shard, slash + 1) != NULL) {
        emit_delete(step, RECORD_LOCK, "", record->tenant);
        return;
    }
    struct lock *lock = lock_table_add(step, shard, record);
    lock->token = token;
    lock->stored = true;
    lock->grace_until_ms = step->now_ms + HOLD_GRACE_MS; /* for its program to come back */
}

static int fleet_load_compare(const void *a, const void *b)
{
    const struct loaded_rollout *x = *(const struct loaded_rollout *const *)a;
    const struct loaded_rollout *y = *(const struct loaded_rollout *const *)b;

    /* Leaders' clocks differ; the store's count does not. */
    if (x->revision != 0 && y->revision != 0 && x->revision != y->revision) {
        return x->revision < y->revision ? -1 : 1;
    }
    if (x->spec.created_at_ms != y->spec.created_at_ms) {
        return x->spec.created_at_ms < y->spec.created_at_ms ? -1 : 1;
    }
    return strcmp(x->spec.id, y->spec.id);
}

static int fleet_load_compare_progress(const void *a, const void *b)
{
    const struct shard_progress *x = a;
    const struct shard_progress *y = b;

    return strcmp(x->shard, y->shard);
}

static void fleet_load_rollout(struct step *step, const struct loaded_rollout *from)
{
    struct rollout *rollout = rollout_add(step, &from->spec);

    free(rollout->reason);
    free(rollout->changed_by);
    free(rollout->first_script);
    rollout->state = from->state;
    rollout->reason = memory_strdup(from->state.phase_reason);
    rollout->changed_by = memory_strdup(from->state.changed_by);
    rollout->first_script = memory_strdup(from->state.first_script);
    rollout->state.first_script = rollout->first_script;
    rollout->state.phase_reason = rollout->reason;
    rollout->state.changed_by = rollout->changed_by;
    rollout->state.dry_run_classes =
        copy_classes(&rollout->arena, from->state.dry_run_classes, from->state.dry_run_class_count);
    rollout->loaded = true;
    rollout->told = rollout_told_phase(rollout);
    rollout->started_token =
        from->revision == 0 ? 0 : token_of_revision(step->fleet, from->revision);
    rollout->ran = from->state.phase == ROLLOUT_FAILED;
    for (size_t i = 0; i < from->shard_count; i++) {
        size_t index = rollout_progress_index(rollout, from->shards[i].shard);
        rollout->progress[index].counts = from->shards[i].counts;
        rollout->progress[index].expected = from->shards[i].expected;
        rollout->progress[index].overtaken = from->shards[i].overtaken;
        rollout->progress[index].measured = from->shards[i].measured;
        rollout->progress[index].measured_us = from->shards[i].measured_us;
        rollout->progress[index].measured_max_us = from->shards[i].measured_max_us;
    }
    if (rollout->progress_count > 0) {
        qsort(rollout->progress, rollout->progress_count, sizeof(*rollout->progress),
              fleet_load_compare_progress);
    }
    for (size_t i = 0; i < from->warning_count; i++) {
        rollout_warn_load(rollout, &from->warnings[i]);
    }
    if (from->measures != NULL) {
        measures_load(rollout, from->measures);
    }
    for (size_t i = 0; i < from->failure_count; i++) {
        failure_list_put(&rollout->failures, &from->failures[i]);
    }
}

static void fleet_load_failures_borne(struct rollout *rollout)
{
    /* More than the budget bears: an operator has resumed it knowing them. */
    uint64_t budget = rollout->spec.max_failures_percent > 0
                          ? rollout->state.counts.total * rollout->spec.max_failures_percent / 100
                          : rollout->spec.max_failures;

    if (rollout->state.counts.failed > budget) {
        rollout->failures_borne = rollout->state.counts.failed;
    }
}

/* Goes on where the store says it was. Before the barrier everything is looked at again. */
static void fleet_load_resume(struct step *step, struct rollout *rollout)
{
    struct rollout_state *state = &rollout->state;
    struct error err;
    /* Where a paused one was is not known any more once it is being aborted. */
    bool ran = state->phase == ROLLOUT_RUNNING || state->phase == ROLLOUT_ROLLING_BACK ||
               (state->phase == ROLLOUT_PAUSED && state->resume_phase != ROLLOUT_PENDING &&
                state->resume_phase != ROLLOUT_DRY_RUN);

    rollout->aborting =
        state->resume_phase == ROLLOUT_ABORTED || state->rollback == ROLLBACK_STOPPING;
    rollout->ran = ran;
    if (!ran) {
        rollout_warn_forget(step, rollout, TASK_CODE_NONE);
        measures_forget(step, rollout);
        while (rollout->failures.count > 0) {
            const char *tenant = rollout->failures.errors[0]->tenant;
            emit_delete(step, RECORD_FAILURE, rollout->spec.id, tenant);
            failure_list_remove(&rollout->failures, tenant);
        }
        if (state->phase == ROLLOUT_PAUSED) {
            state->resume_phase = ROLLOUT_PENDING;
        } else {
            state->phase = ROLLOUT_PENDING;
        }
    }
    fleet_load_failures_borne(rollout);
    /* The shell loads every set that is named. Should one be missing, the rollout stays closed: its
     * view says so, and it can be aborted. */
    bool fresh = !ran || state->rollback == ROLLBACK_LOOKING;
    (void)!rollout_open(step, rollout, fresh, &err);
}

static void fleet_load_rollouts(struct step *step, const struct loaded *loaded)
{
    CLEANUP(memory_free)
    const struct loaded_rollout **order = memory_alloc_array(loaded->rollout_count, sizeof(*order));

    for (size_t i = 0; i < loaded->rollout_count; i++) {
        order[i] = &loaded->rollouts[i];
    }
    if (loaded->rollout_count > 0) {
        qsort(order, loaded->rollout_count, sizeof(*order), fleet_load_compare);
    }
    for (size_t i = 0; i < loaded->rollout_count; i++) {
        if (rollout_find(step->fleet, order[i]->spec.id) == NULL) {
            fleet_load_rollout(step, order[i]);
        }
    }
}

void fleet_load(struct step *step, struct loaded *loaded)
{
    struct fleet *fleet = step->fleet;

    fleet->leading = true;
    fleet->term = loaded->term;
    fleet->newest_refresh = loaded->term << 32;
    fleet->next_tick_ms = step->now_ms;
    for (size_t i = 0; i < loaded->set_count; i++) {
        if (loaded->sets[i] != NULL) {
            set_shelf_add(&fleet->sets, loaded->sets[i]);
            loaded->sets[i] = NULL;
        }
    }
    for (size_t i = 0; i < loaded->head_count; i++) {
        set_shelf_put_head(&fleet->sets, &loaded->heads[i]);
    }
    token_load(fleet, loaded);
    audit_load(step, loaded->events, loaded->event_count);
    fleet_load_shards(step, loaded);
    fleet_load_rollouts(step, loaded);
    for (size_t i = 0; i < loaded->lock_count; i++) {
        fleet_load_lock(step, &loaded->locks[i], token_of_revision(fleet, loaded->lock_tokens[i]));
    }
    for (size_t i = 0; i < fleet->rollout_count; i++) {
        if (rollout_is_active(fleet->rollouts[i])) {
            fleet_load_resume(step, fleet->rollouts[i]);
        }
    }
}
