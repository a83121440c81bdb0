#include "coordinator/decide/reference.h"

#include <inttypes.h>
#include <string.h>

#include "common/core/limits.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/wave.h"

/* The name behind the shard's, or NULL when the path is on another shard. */
static const char *reference_name_on(const char *path, const char *shard)
{
    size_t bytes = strlen(shard);

    return strncmp(path, shard, bytes) == 0 && path[bytes] == '/' ? path + bytes + 1 : NULL;
}

bool reference_is(const struct rollout *rollout, const struct shard *shard, const char *tenant)
{
    /* On the way back it is a tenant like any other. */
    if (rollout->spec.kind != ROLLOUT_MIGRATE || rollout->state.rollback != ROLLBACK_NONE ||
        rollout->set->reference[0] == '\0') {
        return false;
    }
    const char *name = reference_name_on(rollout->set->reference, shard->name);
    return name != NULL && strcmp(name, tenant) == 0;
}

/* Whether the selector would select it. Its own labels are not known while it does not exist. */
static bool reference_is_selected(const struct fleet *fleet, const struct set *set,
                                  const struct selector *selector, const struct shard **ret_shard)
{
    static const struct labels none = { 0 };

    *ret_shard = NULL;
    if (set->reference[0] == '\0') {
        return false;
    }
    for (size_t i = 0; i < fleet->shard_count; i++) {
        const struct shard *shard = fleet->shards[i];
        const char *name = reference_name_on(set->reference, shard->name);
        if (name != NULL) {
            *ret_shard = shard;
            return selector_matches(selector, shard->name, shard->labels, name, &none);
        }
    }
    return true;
}

bool reference_check_exists(const struct fleet *fleet, const struct set *set,
                            const struct selector *selector, struct error *err)
{
    const struct shard *shard;

    if (!reference_is_selected(fleet, set, selector, &shard)) {
        return true;
    }
    bool unknown = shard != NULL && !shard->tenants_known; /* its agent will tell */
    if (unknown || registry_find_path(fleet, set->reference) != NULL) {
        return true;
    }
    return error_set(err, ERR_REFUSED,
                     "the reference tenant '%s' of the set '%s' does not exist: make it, or name "
                     "another one in the set's skein.yaml",
                     set->reference, set->name);
}

void reference_warn_missing(struct step *step, struct rollout *rollout)
{
    const struct shard *shard;

    if (rollout->spec.kind != ROLLOUT_MIGRATE || rollout->reference != NULL ||
        !reference_is_selected(step->fleet, rollout->set, rollout->selector, &shard)) {
        return;
    }
    const struct task_error warning = {
        .tenant = rollout->set->reference,
        .mode = TASK_DRY_RUN,
        .code = TASK_CODE_TENANT_MISSING,
        .sqlstate = "",
        .message = "the set's reference tenant is not there: the rollout goes on without it",
        .detail = "",
        .hint = "",
        .file = "",
    };
    rollout_warn(step, rollout, &warning);
}

/* ---- first ---- */

bool reference_holds_others(const struct rollout *rollout)
{
    const struct tenant_task *task = rollout->reference;

    if (task == NULL || task->passed || rollout->state.rollback != ROLLBACK_NONE) {
        return false;
    }
    return !tenant_task_is_final(task) ||
           (task->state == TENANT_TASK_FAILED && rollout->state.phase == ROLLOUT_DRY_RUN);
}

bool reference_stops_dry_run(const struct rollout *rollout)
{
    return rollout->reference != NULL && rollout->reference->state == TENANT_TASK_FAILED &&
           rollout->in_flight == 0;
}

/* ---- last ---- */

static bool reference_is_last(const struct rollout *rollout)
{
    return rollout->state.phase == ROLLOUT_RUNNING && rollout->unplanned == 0 &&
           rollout->open[0] + rollout->open[1] == 1;
}

static uint64_t reference_others_behind(const struct rollout *rollout)
{
    const struct rollout_state *state = &rollout->state;

    return state->counts.failed + state->counts.unknown + state->skips[TASK_CODE_TENANT_LOCKED];
}

static bool reference_waits(const struct rollout *rollout)
{
    const struct tenant_task *task = rollout->reference;

    return task != NULL && task->list == TENANT_TASK_LIST_REFERENCE;
}

bool reference_may_go(const struct rollout *rollout)
{
    return rollout->reference->mode == TASK_DRY_RUN ||
           (reference_is_last(rollout) && reference_others_behind(rollout) == 0);
}

static void reference_give_up(struct step *step, struct rollout *rollout)
{
    struct tenant_task *task = rollout->reference;
    const struct task_error warning = {
        .tenant = part_path(step, task),
        .mode = TASK_RUN,
        .code = TASK_CODE_OTHERS_BEHIND,
        .sqlstate = "",
        .message = arena_printf(&step->effects->arena,
                                "the reference tenant was left as it was: %" PRIu64
                                " other tenants have not arrived",
                                reference_others_behind(rollout)),
        .detail = "",
        .hint = "",
        .file = "",
    };

    rollout_warn(step, rollout, &warning);
    part_give_up(step, task, TASK_CODE_OTHERS_BEHIND);
}

void reference_step(struct step *step, struct rollout *rollout)
{
    bool held = rollout->reference_held;

    if (reference_waits(rollout) && rollout->reference->mode == TASK_RUN &&
        reference_is_last(rollout) && !rollout->aborting) {
        if (reference_others_behind(rollout) > 0) {
            reference_give_up(step, rollout);
        } else {
            wave_dispatch_shard(step, rollout->reference->part->shard);
        }
    }
    rollout->reference_held = reference_holds_others(rollout);
    if (held && !rollout->reference_held) {
        wave_dispatch_rollout(step, rollout);
    }
}
