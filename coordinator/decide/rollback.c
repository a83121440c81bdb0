#include "coordinator/decide/rollback.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/model/lacking.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/event.h"
#include "coordinator/decide/overlap.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout_hook.h"
#include "coordinator/decide/tenant_plan.h"

bool rollback_is_on(const struct rollout *rollout)
{
    return rollout->state.rollback == ROLLBACK_LOOKING ||
           rollout->state.rollback == ROLLBACK_UNDOING;
}

/* Unlike an abort it does not go on without agents that are away: what they were doing is to be
 * undone, too, and all are looked at before any is changed. */
bool rollback_is_stopped(const struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->part_count; i++) {
        if (rollout_asks(rollout->parts[i])) {
            return false;
        }
    }
    return rollout->lock_count == 0 && !rollout_hook_is_under_way(rollout);
}

/* ---- tenants ---- */

bool rollback_concerns(const struct rollout *rollout, const struct tenant *tenant)
{
    const struct set_version *version = registry_version(tenant, rollout->spec.set);

    return version != NULL && strcmp(version->rollout, rollout->spec.id) == 0;
}

bool rollback_is_done(const struct rollout *rollout, const struct tenant *tenant)
{
    const struct set_version *version = registry_version(tenant, rollout->spec.set);

    return version != NULL && strcmp(version->undone, rollout->spec.id) == 0;
}

bool rollback_leaves(const struct tenant_task *task)
{
    return rollback_is_on(task->part->rollout) &&
           rollback_concerns(task->part->rollout, task->tenant);
}

bool rollback_is_about(const struct rollout *rollout, const struct task_error *error)
{
    return task_mode_is_rollback(error->mode) == rollback_is_on(rollout);
}

void rollback_forget_failures(struct step *step, struct rollout *rollout)
{
    size_t kept = 0;

    while (kept < rollout->failures.count) {
        const struct task_error *error = rollout->failures.errors[kept];
        if (!rollback_is_about(rollout, error)) {
            kept++;
            continue;
        }
        const char *tenant = copy_text(&step->effects->arena, error->tenant);
        emit_delete(step, RECORD_FAILURE, rollout->spec.id, tenant);
        failure_list_remove(&rollout->failures, tenant);
    }
}

/* ---- stages ---- */

static void rollback_cancel(struct step *step, const struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct part *part = rollout->parts[i];
        if (part->in_flight > 0 && part->shard->session.state == SESSION_LIVE) {
            emit_send(step, part->shard->session.link->stream, COORDINATOR_MESSAGE_CANCEL)
                ->cancel.rollout = copy_text(&step->effects->arena, rollout->spec.id);
        }
    }
}

/* Every shard is asked anew what it has: nobody is changed before everybody was looked at. */
static void rollback_open(struct step *step, struct rollout *rollout, enum rollback_stage stage)
{
    struct error err;

    rollout->state.rollback = stage;
    rollout->aborting = stage == ROLLBACK_STOPPING;
    bool opened = rollout_open(step, rollout, true, &err);
    assert(opened); /* its set is published, and only grows */
}

static void rollback_begin(struct step *step, struct rollout *rollout)
{
    rollout->ran = true;
    rollout->state.went_back = rollout->state.went_back || rollout->state.rollback != ROLLBACK_NONE;
    rollout->state.finished_at_ms = 0;
    if (rollout->open_now) {
        rollout->state.rollback = ROLLBACK_STOPPING;
        rollback_cancel(step, rollout);
        rollout_begin_abort(step, rollout);
        return;
    }
    rollout->state.rollback = ROLLBACK_LOOKING;
    rollback_forget_failures(step, rollout);
    if (rollout->state.counts.unknown > 0) {
        /* Tries of lost agents may still commit: as if it were older than this leadership. */
        rollout->loaded = true;
        rollback_open(step, rollout, ROLLBACK_STOPPING);
    } else {
        rollback_open(step, rollout, ROLLBACK_LOOKING);
    }
}

void rollback_act(struct step *step, struct rollout *rollout, enum rollout_event on)
{
    switch (on) {
    case ROLLOUT_ON_ROLLBACK:
    case ROLLOUT_ON_OVER_BUDGET:
    case ROLLOUT_ON_HOOK_FAILED:
        rollback_begin(step, rollout);
        break;
    case ROLLOUT_ON_DRAINED:
        rollout_close(step, rollout);
        rollback_open(step, rollout, ROLLBACK_LOOKING);
        break;
    case ROLLOUT_ON_TASKS_DONE:
        if (rollout->state.rollback == ROLLBACK_LOOKING) {
            rollout->state.rollback = ROLLBACK_UNDOING;
        }
        break;
    case ROLLOUT_ON_RETRY:
        if (!rollout->open_now) {
            rollout->state.rollback = ROLLBACK_LOOKING; /* it is opened by the retry */
        }
        break;
    case ROLLOUT_ON_ABORT:
        if (rollout->state.rollback == ROLLBACK_STOPPING) {
            /* Nothing was undone: it is just an abort. Or it is the second rollback of it, and the
             * first has gone some of the way. */
            rollout->state.rollback = rollout->state.went_back ? ROLLBACK_LOOKING : ROLLBACK_NONE;
        }
        break;
    case ROLLOUT_ON_SHARDS_KNOWN:
    case ROLLOUT_ON_PAUSE:
    case ROLLOUT_ON_RESUME:
    case ROLLOUT_EVENT_COUNT:
        break;
    }
}

/* ---- scripts that cannot be undone ---- */

static bool rollback_promised(const struct rollout_spec *spec)
{
    return spec->policy == POLICY_ROLLBACK || spec->rehearse_rollback;
}

/* False, with words, if an operation of these migrations has nothing that undoes it: all of them
 * are named, of whatever kind. Whether an agent can run what undoes them it says itself, before
 * anything is touched. */
static bool rollback_check_migrations(const struct set *set, size_t first, size_t count,
                                      const char *what, struct error *err)
{
    struct lacking lacking = { 0 };
    char words[LACKING_BYTES];

    for (size_t m = first; m < first + count; m++) {
        const struct migration *migration = &set->migrations[m];
        for (size_t o = 0; o < migration->operation_count; o++) {
            if (!operation_has_rollback(&migration->operations[o])) {
                lacking_add(&lacking, &migration->operations[o]);
            }
        }
    }
    if (lacking.count == 0) {
        return true;
    }
    lacking_words(&lacking, words);
    return error_set(err, ERR_REFUSED, "ROLLBACK: %s, %s: add one, and publish the set again",
                     words, what);
}

void rollback_look_at_plan(struct rollout *rollout, struct plan *plan)
{
    if (plan->code != TASK_CODE_NONE || plan->count == 0) {
        return;
    }
    if (plan->first < rollout->first_index) {
        rollout->first_index = plan->first;
        free(rollout->first_script);
        rollout->first_script = memory_strdup(rollout->set->migrations[plan->first].script);
        rollout->state.first_script = rollout->first_script;
        rollout->first_script_news = true;
    }
    if (rollback_promised(&rollout->spec) &&
        !rollback_check_migrations(rollout->set, plan->first, plan->count,
                                   "which this rollout promises", &plan->error)) {
        plan->code = TASK_CODE_ROLLBACK;
    }
}

static bool rollback_check_tenant(const struct set *set, const struct rollout_spec *spec,
                                  const struct tenant *tenant, struct error *err)
{
    const struct plan_start start = tenant_plan_start(spec, tenant);
    struct plan plan;

    plan_make(set, &start, spec->target, &plan);
    return plan.code != TASK_CODE_NONE ||
           rollback_check_migrations(set, plan.first, plan.count,
                                     spec->policy == POLICY_ROLLBACK ? "which the policy needs"
                                                                     : "which a rehearsal needs",
                                     err);
}

bool rollback_check_start(const struct fleet *fleet, const struct set *set,
                          const struct rollout_spec *spec, const struct selector *selector,
                          struct error *err)
{
    if (!rollback_promised(spec)) {
        return true;
    }
    for (size_t i = 0; i < fleet->shard_count; i++) {
        const struct shard *shard = fleet->shards[i];
        for (size_t j = 0; j < shard->tenant_count; j++) {
            const struct tenant *tenant = shard->tenants[j];
            if (tenant->present &&
                selector_matches(selector, shard->name, shard->labels, tenant->info->name,
                                 &tenant->info->labels) &&
                !rollback_check_tenant(set, spec, tenant, err)) {
                return false;
            }
        }
    }
    return true;
}

/* Everything that this rollout may have run, by what it had planned. */
static bool rollback_check_scripts(const struct rollout *rollout, const struct set *set,
                                   struct error *err)
{
    struct semver target;
    size_t first = 0;
    size_t end;

    if (rollout->state.first_script[0] == '\0') {
        return true; /* it has only moved versions, or is old: the tenants' journals will tell */
    }
    if (!semver_parse(rollout->spec.target, &target, err)) {
        return false;
    }
    while (first < set->migration_count &&
           strcmp(set->migrations[first].script, rollout->state.first_script) != 0) {
        first++;
    }
    for (end = first; end < set->migration_count; end++) {
        if (semver_compare(&set->migrations[end].version, &target) > 0) {
            break;
        }
    }
    return rollback_check_migrations(set, first, end - first, "so nothing was undone", err);
}

/* ---- the button ---- */

static bool rollback_may_begin(const struct step *step, const struct rollout *rollout,
                               struct error *err)
{
    const struct rollout_counts *counts = &rollout->state.counts;
    bool at_rest = !rollout_is_active(rollout);

    if (rollout->spec.kind != ROLLOUT_MIGRATE) {
        return error_set(
            err, ERR_REFUSED,
            "rollout %s has not migrated anything: a baseline is corrected by another "
            "one, and a tenant is made and dropped by 'tenant create' and 'tenant drop'",
            rollout->spec.id);
    }
    if (!rollout_has_dry_run(rollout)) {
        return error_set(err, ERR_REFUSED,
                         "rollout %s has made or dropped a tenant, which has no way back",
                         rollout->spec.id);
    }
    /* What has failed may have left a migration half done. */
    if (at_rest && counts->migrated + counts->unknown + counts->failed == 0 &&
        rollout->state.rollback == ROLLBACK_NONE) {
        return error_set(err, ERR_REFUSED,
                         "rollout %s has changed no tenant: there is nothing to undo",
                         rollout->spec.id);
    }
    const struct set *set = set_shelf_find(&step->fleet->sets, rollout->spec.set, "");
    if (set == NULL) {
        return error_set(err, ERR_REFUSED, "the set '%s' is not there any more: publish it again",
                         rollout->spec.set);
    }
    return rollback_check_scripts(rollout, set, err);
}

bool rollback_press(struct step *step, const struct operator_request *request,
                    struct rollout *rollout, struct error *err)
{
    CLEANUP(selector_free) struct selector *selector = NULL;
    const struct rollout_state *state = &rollout->state;
    bool changed_nothing =
        state->phase == ROLLOUT_PAUSED &&
        (state->resume_phase == ROLLOUT_PENDING || state->resume_phase == ROLLOUT_DRY_RUN);

    if (state->phase == ROLLOUT_ROLLED_BACK ||
        (state->phase == ROLLOUT_ROLLING_BACK && state->resume_phase != ROLLOUT_ABORTED)) {
        rollout_persist(step, rollout); /* so it is; the write finds out whether we still lead */
        return true;
    }
    bool aborting = rollout->aborting;
    bool goes_back = state->phase == ROLLOUT_PAUSED && state->resume_phase == ROLLOUT_ROLLING_BACK;
    if (aborting || changed_nothing || goes_back ||
        rollout_find_edge(rollout, ROLLOUT_ON_ROLLBACK) == NULL) {
        return error_set(err, ERR_REFUSED, "rollout %s is %s%s: it cannot be rolled back%s",
                         rollout->spec.id, rollout_phase_name(state->phase),
                         aborting    ? " and being aborted"
                         : goes_back ? " while it is being rolled back"
                                     : "",
                         aborting    ? " before that has ended"
                         : goes_back ? " twice: resume it"
                                     : "; it has changed no tenant yet: abort it");
    }
    if (!rollback_may_begin(step, rollout, err)) {
        return false;
    }
    if (!rollout_is_active(rollout) &&
        (!selector_parse(rollout->spec.selector, &selector, err) ||
         !overlap_check(step->fleet, rollout->spec.set, selector, rollout, err))) {
        return error_wrap(err, "roll back");
    }
    const char *reason =
        arena_printf(&step->effects->arena, "rolled back by %s%s%s", request->actor,
                     request->reason[0] == '\0' ? "" : ": ", request->reason);
    bool stepped = rollout_step(step, rollout, ROLLOUT_ON_ROLLBACK, request->actor, reason);
    assert(stepped); /* the edge was found above */
    rollout_check(step, rollout);
    return true;
}
