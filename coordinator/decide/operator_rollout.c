#include "coordinator/decide/operator_rollout.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/ledger.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/overlap.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/reference.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"
#include "coordinator/decide/tenant_life.h"

struct rollout *operator_rollout_find(const struct fleet *fleet, const char *id, struct error *err)
{
    struct rollout *found = rollout_find(fleet, id);
    size_t bytes = strlen(id);

    for (size_t i = 0; i < fleet->rollout_count && bytes > 0; i++) {
        struct rollout *rollout = fleet->rollouts[i];
        if (strcmp(rollout->spec.id, id) == 0) {
            return rollout;
        }
        if (strncmp(rollout->spec.id, id, bytes) != 0) {
            continue;
        }
        if (found != NULL) {
            error_set(err, ERR_INVALID, "'%s' may be rollout %s or %s: give more of its id", id,
                      found->spec.id, rollout->spec.id);
            return NULL;
        }
        found = rollout;
    }
    if (found == NULL) {
        error_set(err, ERR_NOT_FOUND, "there is no rollout '%s'; `skein rollout list` has them all",
                  id);
    }
    return found;
}

/* ---- start ---- */

static bool operator_rollout_target(const struct set *set, const struct rollout_spec *spec,
                                    const char **ret_target, struct error *err)
{
    struct semver version;

    if (spec->kind == ROLLOUT_DROP) {
        *ret_target = "";
        return true;
    }
    if (spec->kind != ROLLOUT_BASELINE) {
        return plan_check_target(set, spec->target, ret_target, err) &&
               (spec->baseline_unmanaged[0] == '\0' ||
                plan_check_baseline(set, spec->baseline_unmanaged, *ret_target, err));
    }
    if (rollout_spec_has_ledger(spec)) {
        if (spec->target[0] != '\0') {
            return error_set(err, ERR_INVALID,
                             "a baseline takes its versions from a tool's table, or is given one: "
                             "not both");
        }
        *ret_target = set->latest_text;
        return true;
    }
    if (spec->target[0] == '\0') {
        return error_set(err, ERR_INVALID,
                         "a baseline needs a version: which one do the tenants have?");
    }
    if (!semver_parse(spec->target, &version, err)) {
        return error_wrap(err, "version of the baseline");
    }
    if (semver_compare(&version, &set->latest) > 0) {
        return error_set(err, ERR_REFUSED,
                         "FUTURE_VERSION: the baseline %s is above the latest version %s of the "
                         "set '%s'",
                         spec->target, set->latest_text, set->name);
    }
    *ret_target = spec->target;
    return true;
}

static bool operator_rollout_check_dry_run(const struct rollout_spec *spec, const char *reason,
                                           struct error *err)
{
    if (spec->dry_run >= DRY_RUN_MODE_COUNT) {
        return error_set(err, ERR_INVALID, "unknown mode of the dry run");
    }
    if (spec->dry_run == DRY_RUN_TENANTS) {
        return true;
    }
    if (spec->kind != ROLLOUT_MIGRATE) {
        return error_set(err, ERR_INVALID, "only a migration has a dry run");
    }
    if (spec->rehearse_rollback && spec->dry_run != DRY_RUN_CLASSES) {
        return error_set(err, ERR_INVALID,
                         "a rollback is rehearsed on tenants: not with the dry run '%s'",
                         dry_run_mode_name(spec->dry_run));
    }
    if (spec->dry_run == DRY_RUN_OFF && spec->dry_run_only) {
        return error_set(err, ERR_INVALID, "a dry run that is off is nothing to stop after");
    }
    if (spec->dry_run == DRY_RUN_OFF && spec->reason[0] == '\0' && reason[0] == '\0') {
        return error_set(err, ERR_INVALID, "a rollout without a dry run needs a reason");
    }
    return true;
}

static bool operator_rollout_check_spec(const struct rollout_spec *spec, struct error *err)
{
    if (spec->id[0] == '\0' || strlen(spec->id) > NAME_BYTES_MAX) {
        return error_set(err, ERR_INVALID, "a rollout needs an id of at most %d bytes",
                         NAME_BYTES_MAX);
    }
    if (spec->policy >= POLICY_COUNT || spec->kind >= ROLLOUT_KIND_COUNT) {
        return error_set(err, ERR_INVALID, "unknown policy or kind of rollout");
    }
    if (spec->kind != ROLLOUT_MIGRATE &&
        (spec->policy == POLICY_ROLLBACK || spec->rehearse_rollback)) {
        return error_set(err, ERR_INVALID, "only a migration can be rolled back");
    }
    if (spec->max_failures > 0 && spec->max_failures_percent > 0) {
        return error_set(err, ERR_INVALID,
                         "a failure budget is a number or a percentage, not both");
    }
    if (spec->max_failures_percent > 100) {
        return error_set(err, ERR_INVALID, "a failure budget of %u%% is more than all tenants",
                         spec->max_failures_percent);
    }
    if (rollout_spec_has_ledger(spec)) {
        struct ledger ledger;
        return spec->kind == ROLLOUT_BASELINE
                   ? ledger_parse(spec->from_ledger, &ledger, err)
                   : error_set(err, ERR_INVALID, "from_ledger is for baselines");
    }
    if (spec->kind != ROLLOUT_MIGRATE && spec->dry_run_only) {
        return error_set(err, ERR_INVALID, "only a migration has a dry run");
    }
    if (spec->kind == ROLLOUT_BASELINE ? spec->baseline_unmanaged[0] != '\0'
                                       : spec->unmanaged_only) {
        return error_set(err, ERR_INVALID,
                         "baseline_unmanaged is for migrations, unmanaged_only for baselines");
    }
    return true;
}

/* Makes room for one more: the oldest that has ended goes. */
static bool operator_rollout_prune(struct step *step, struct error *err)
{
    struct fleet *fleet = step->fleet;

    while (fleet->rollout_count >= ROLLOUTS_KEPT_MAX) {
        struct rollout *oldest = NULL;
        for (size_t i = 0; i < fleet->rollout_count && oldest == NULL; i++) {
            struct rollout *rollout = fleet->rollouts[i];
            if (!rollout_is_active(rollout) && rollout->lock_count == 0) {
                oldest = rollout;
            }
        }
        if (oldest == NULL) {
            return error_set(err, ERR_LIMIT,
                             "%d rollouts are under way, which is the limit: end one first",
                             ROLLOUTS_KEPT_MAX);
        }
        emit_delete(step, RECORD_ROLLOUT, oldest->spec.id, "");
        rollout_close(step, oldest);
        rollout_remove(fleet, oldest);
    }
    return true;
}

/* A rollout of the same set whose dry run failed keeps its tasks only until another one starts. */
static void operator_rollout_close_resting(struct step *step, const struct rollout *started)
{
    for (size_t i = 0; i < step->fleet->rollout_count; i++) {
        struct rollout *rollout = step->fleet->rollouts[i];
        if (rollout != started && !rollout_is_active(rollout) &&
            strcmp(rollout->spec.set, started->spec.set) == 0) {
            rollout_close(step, rollout);
        }
    }
}

/* Nothing is to be done, and that is what will be answered. Written again all the same: who only
 * believes that it leads must not say so, and the guard of the write finds out. */
static void operator_rollout_confirm(struct step *step, struct rollout *rollout)
{
    rollout_persist(step, rollout);
}

static void operator_rollout_note(struct step *step, const struct operator_request *request,
                                  const struct rollout_spec *spec)
{
    if (spec->kind == ROLLOUT_CREATE || spec->kind == ROLLOUT_DROP) {
        audit_add(step, request->actor,
                  spec->kind == ROLLOUT_CREATE ? "tenant.create" : "tenant.drop", spec->tenant,
                  request->reason, "rollout %s, set %s%s%s", spec->id, spec->set,
                  spec->target[0] == '\0' ? "" : " to ", spec->target);
        return;
    }
    audit_add(step, request->actor, "rollout.start", spec->id, request->reason,
              "set %s to %s, tenants '%s'%s%s%s%s", spec->set, spec->target, spec->selector,
              spec->baseline_unmanaged[0] == '\0' ? "" : ", unmanaged ones recorded at ",
              spec->baseline_unmanaged, spec->dry_run == DRY_RUN_TENANTS ? "" : ", dry run: ",
              spec->dry_run == DRY_RUN_TENANTS ? "" : dry_run_mode_name(spec->dry_run));
}

bool operator_rollout_start(struct step *step, const struct operator_request *request,
                            struct rollout **ret_rollout, struct error *err)
{
    struct rollout_spec spec = request->spec;
    struct rollout *same = rollout_find(step->fleet, spec.id);
    struct set_shelf *shelf = &step->fleet->sets;
    CLEANUP(selector_free) struct selector *selector = NULL;

    if (same != NULL) {
        *ret_rollout = same; /* the request was sent again: its first answer was lost */
        operator_rollout_confirm(step, same);
        return true;
    }
    if (!operator_rollout_check_spec(&spec, err) ||
        !operator_rollout_check_dry_run(&spec, request->reason, err) ||
        !tenant_life_start(step, &spec, err)) {
        return false;
    }
    const struct set_head *head = set_shelf_head(shelf, spec.set);
    const struct set *set = set_shelf_find(shelf, spec.set, spec.digest);
    if (head == NULL || set == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "there is no set '%s'; `skein set list` has them all, `skein set publish` "
                         "adds one",
                         spec.set);
    }
    spec.digest = set->digest;
    if (!operator_rollout_target(set, &spec, &spec.target, err) ||
        !selector_parse(spec.selector, &selector, err) ||
        !overlap_check(step->fleet, spec.set, selector, NULL, err) ||
        (spec.kind == ROLLOUT_MIGRATE &&
         !reference_check_exists(step->fleet, set, selector, err)) ||
        !rollback_check_start(step->fleet, set, &spec, selector, err) ||
        !operator_rollout_prune(step, err)) {
        return false;
    }
    spec.created_by = spec.created_by[0] == '\0' ? request->actor : spec.created_by;
    spec.reason = spec.reason[0] == '\0' ? request->reason : spec.reason;
    spec.created_at_ms = spec.created_at_ms == 0 ? step->wall_ms : spec.created_at_ms;
    struct rollout *rollout = rollout_add(step, &spec);
    operator_rollout_close_resting(step, rollout);
    emit_put_spec(step, &rollout->spec);
    operator_rollout_note(step, request, &spec);
    bool opened = rollout_open(step, rollout, true, err);
    assert(opened); /* set and selector were checked above */
    rollout_persist(step, rollout);
    rollout_check(step, rollout);
    *ret_rollout = rollout;
    return true;
}

/* ---- buttons ---- */

static bool operator_rollout_refuse(const struct rollout *rollout, const char *verb,
                                    struct error *err)
{
    return error_set(err, ERR_REFUSED, "rollout %s is %s%s: it cannot be %s", rollout->spec.id,
                     rollout_phase_name(rollout->state.phase),
                     rollout->aborting ? " and being aborted" : "", verb);
}

static const char *operator_rollout_reason(const struct operator_request *request, char *text,
                                           size_t bytes, const char *verb)
{
    snprintf(text, bytes, "%s by %s%s%s", verb, request->actor,
             request->reason[0] == '\0' ? "" : ": ", request->reason);
    return text;
}

enum { OPERATOR_REASON_BYTES = 2 * TEXT_BYTES_MAX + 64 };

bool operator_rollout_pause(struct step *step, const struct operator_request *request,
                            struct rollout *rollout, struct error *err)
{
    char reason[OPERATOR_REASON_BYTES];

    if (rollout->state.phase == ROLLOUT_PAUSED && !rollout->aborting) {
        operator_rollout_confirm(step, rollout);
        return true;
    }
    operator_rollout_reason(request, reason, sizeof(reason), "paused");
    if (rollout->aborting ||
        !rollout_step(step, rollout, ROLLOUT_ON_PAUSE, request->actor, reason)) {
        return operator_rollout_refuse(rollout, "paused", err);
    }
    return true;
}

bool operator_rollout_resume(struct step *step, const struct operator_request *request,
                             struct rollout *rollout, struct error *err)
{
    char reason[OPERATOR_REASON_BYTES];

    operator_rollout_reason(request, reason, sizeof(reason), "resumed");
    if (rollout->aborting ||
        !rollout_step(step, rollout, ROLLOUT_ON_RESUME, request->actor, reason)) {
        return operator_rollout_refuse(rollout, "resumed", err);
    }
    rollout_check(step, rollout);
    return true;
}

bool operator_rollout_abort(struct step *step, const struct operator_request *request,
                            struct rollout *rollout, struct error *err)
{
    char reason[OPERATOR_REASON_BYTES];

    if (rollout->state.resume_phase == ROLLOUT_ABORTED || rollout->state.phase == ROLLOUT_ABORTED) {
        operator_rollout_confirm(step, rollout);
        return true;
    }
    operator_rollout_reason(request, reason, sizeof(reason), "aborted");
    if (!rollout_step(step, rollout, ROLLOUT_ON_ABORT, request->actor, reason)) {
        return operator_rollout_refuse(rollout, "aborted", err);
    }
    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct part *part = rollout->parts[i];
        if (part->in_flight > 0 && part->shard->session.state == SESSION_LIVE) {
            emit_send(step, part->shard->session.link->stream, COORDINATOR_MESSAGE_CANCEL)
                ->cancel.rollout = copy_text(&step->effects->arena, rollout->spec.id);
        }
    }
    rollout_check(step, rollout);
    return true;
}

/* It has succeeded but for tenants that somebody held. (A dry run leaves nothing behind: another
 * one looks at every tenant anyway.) */
static bool operator_rollout_left_locked(const struct rollout *rollout)
{
    return rollout->state.skips[TASK_CODE_TENANT_LOCKED] > 0 && !rollout->spec.dry_run_only;
}

bool operator_rollout_retry(struct step *step, const struct operator_request *request,
                            struct rollout *rollout, struct error *err)
{
    char reason[OPERATOR_REASON_BYTES];
    CLEANUP(selector_free) struct selector *selector = NULL;

    if (rollout->aborting || rollout_find_edge(rollout, ROLLOUT_ON_RETRY) == NULL ||
        (rollout->state.phase == ROLLOUT_SUCCEEDED && !operator_rollout_left_locked(rollout))) {
        return operator_rollout_refuse(rollout, "retried", err);
    }
    if (!rollout_is_active(rollout)) {
        if (!selector_parse(rollout->spec.selector, &selector, err) ||
            !overlap_check(step->fleet, rollout->spec.set, selector, rollout, err)) {
            return error_wrap(err, "retry");
        }
        bool back = rollout->state.rollback != ROLLBACK_NONE; /* by the newest */
        if (set_shelf_find(&step->fleet->sets, rollout->spec.set,
                           back ? "" : rollout->spec.digest) == NULL) {
            return error_set(err, ERR_REFUSED,
                             "the set '%s' was published again since rollout %s started: start a "
                             "new rollout",
                             rollout->spec.set, rollout->spec.id);
        }
    }
    operator_rollout_reason(request, reason, sizeof(reason), "retried");
    if (!rollout_step(step, rollout, ROLLOUT_ON_RETRY, request->actor, reason)) {
        return operator_rollout_refuse(rollout, "retried", err);
    }
    rollout_check(step, rollout);
    return true;
}
