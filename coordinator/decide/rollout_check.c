#include <stdio.h>

#include "coordinator/decide/rollout.h"

#include "common/core/memory.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/reference.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"
#include "coordinator/decide/rollout_hook.h"

static uint64_t rollout_budget(const struct rollout *rollout)
{
    if (rollout->spec.max_failures_percent > 0) {
        return rollout->state.counts.total * rollout->spec.max_failures_percent / 100;
    }
    return rollout->spec.max_failures;
}

static uint64_t rollout_new_failures(const struct rollout *rollout)
{
    return rollout->state.counts.failed > rollout->failures_borne
               ? rollout->state.counts.failed - rollout->failures_borne
               : 0;
}

bool rollout_asks(const struct part *part)
{
    return !part->planned || part->queues[TENANT_TASK_LIST_UNKNOWN].count > 0 ||
           part->queues[TENANT_TASK_LIST_SETTLE].count > 0 ||
           part->queues[TENANT_TASK_LIST_LATER].count > 0;
}

/* An aborted rollout waits for what can still be learned, not for agents that are gone or blind. */
bool rollout_is_drained(const struct rollout *rollout)
{
    if (rollout->lock_count > 0 || rollout_hook_is_under_way(rollout)) {
        return false;
    }
    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct part *part = rollout->parts[i];
        const struct session *session = &part->shard->session;
        bool blind = session->trouble != NULL && session->trouble[0] != '\0';
        /* Another agent that stands by is about to work for the shard. */
        bool gone = session->state == SESSION_NONE && part->shard->links == NULL;
        if (rollout_asks(part) && rollout->ran && !gone && !blind) {
            return false;
        }
    }
    return true;
}

/* One that collects failures ends with it, when nothing more can be learned; one that looks rests
 * when nothing of it is under way: a tenant may have come meanwhile. */
static enum rollout_event rollout_due_to_hook(const struct rollout *rollout)
{
    bool waits = rollout->state.phase == ROLLOUT_RUNNING &&
                 rollout->spec.policy == POLICY_CONTINUE && !rollout_is_drained(rollout);
    bool looks = rollout->state.phase == ROLLOUT_DRY_RUN && rollout->lock_count > 0;
    bool dealt = rollout->state.phase == ROLLOUT_PAUSED;

    return waits || looks || dealt ? ROLLOUT_EVENT_COUNT : ROLLOUT_ON_HOOK_FAILED;
}

static enum rollout_event rollout_due_event(const struct rollout *rollout)
{
    if (rollout->aborting) {
        bool drained = rollout->state.rollback == ROLLBACK_STOPPING ? rollback_is_stopped(rollout)
                                                                    : rollout_is_drained(rollout);
        return drained ? ROLLOUT_ON_DRAINED : ROLLOUT_EVENT_COUNT;
    }
    if (!rollout->open_now) {
        return ROLLOUT_EVENT_COUNT;
    }
    if (rollout_hook_has_failed(rollout)) {
        return rollout_due_to_hook(rollout);
    }
    bool known = rollout->unplanned == 0;
    if (rollout->state.phase == ROLLOUT_PENDING && known) {
        return ROLLOUT_ON_SHARDS_KNOWN;
    }
    if (rollout->state.phase == ROLLOUT_DRY_RUN && known &&
        (rollout->open[0] == rollout->dry_held || reference_stops_dry_run(rollout))) {
        return ROLLOUT_ON_TASKS_DONE;
    }
    if (rollout->state.phase == ROLLOUT_ROLLING_BACK && known) {
        bool looks = rollout->state.rollback == ROLLBACK_LOOKING;
        bool done = rollout->open[0] == 0 && (looks || rollout->open[1] == 0);
        return done ? ROLLOUT_ON_TASKS_DONE : ROLLOUT_EVENT_COUNT;
    }
    if (rollout->state.phase != ROLLOUT_RUNNING) {
        return ROLLOUT_EVENT_COUNT;
    }
    if (rollout->spec.policy != POLICY_CONTINUE &&
        rollout_new_failures(rollout) > rollout_budget(rollout)) {
        return ROLLOUT_ON_OVER_BUDGET;
    }
    if (rollout_hook_holds_runs(rollout)) {
        return ROLLOUT_EVENT_COUNT;
    }
    return known && !rollout_has_tasks_left(rollout) ? ROLLOUT_ON_TASKS_DONE : ROLLOUT_EVENT_COUNT;
}

/* A part is asked once; not waited for is one that cannot tell: its agent is away or blind. */
static bool rollout_part_has_looked(struct step *step, struct part *part)
{
    const struct session *session = &part->shard->session;

    if (session->state != SESSION_LIVE ||
        (session->trouble != NULL && session->trouble[0] != '\0')) {
        return true;
    }
    if (part->last_look == 0) {
        part->last_look = registry_want_refresh(step, part->shard);
    }
    return part->shard->refresh_seen >= part->last_look;
}

/* A tenant that appeared meanwhile is taken along: before a rollout ends each shard is asked once
 * more what it has. All are asked at once; then each answer looks on from the part that was missing
 * last, so that the answers of ten thousand shards do not look at all of them ten thousand times.
 */
static bool rollout_has_looked_again(struct step *step, struct rollout *rollout)
{
    size_t count = rollout->part_count;

    for (size_t i = 0; i < count && !rollout->looks_asked; i++) {
        rollout_part_has_looked(step, rollout->parts[i]);
    }
    rollout->looks_asked = true;
    for (size_t i = 0; i < count; i++) {
        size_t at = (rollout->look_cursor + i) % count;
        if (!rollout_part_has_looked(step, rollout->parts[at])) {
            rollout->look_cursor = at;
            return false;
        }
    }
    return true;
}

void rollout_check(struct step *step, struct rollout *rollout)
{
    /* Each step leads closer to an end or to waiting, so few of them follow from one event. */
    for (int i = 0; i < ROLLOUT_PHASE_COUNT && rollout_is_active(rollout); i++) {
        reference_step(step, rollout);
        rollout_hook_check(step, rollout);
        enum rollout_event on = rollout_due_event(rollout);
        char reason[TEXT_BYTES_MAX] = "";
        if (on == ROLLOUT_EVENT_COUNT) {
            return;
        }
        if (on == ROLLOUT_ON_TASKS_DONE && rollout->state.phase == ROLLOUT_RUNNING &&
            rollout->spec.kind != ROLLOUT_BASELINE && !rollout_has_looked_again(step, rollout)) {
            return;
        }
        if (on == ROLLOUT_ON_TASKS_DONE && rollout_hook_is_behind(step, rollout)) {
            return;
        }
        if (on == ROLLOUT_ON_SHARDS_KNOWN) {
            reference_warn_missing(step, rollout);
        }
        if (on == ROLLOUT_ON_OVER_BUDGET) {
            snprintf(reason, sizeof(reason), "failure budget %llu/%llu",
                     (unsigned long long)rollout_new_failures(rollout),
                     (unsigned long long)rollout_budget(rollout));
        }
        if (on == ROLLOUT_ON_HOOK_FAILED) {
            snprintf(reason, sizeof(reason), "hook %.900s", rollout->hook.trouble);
        }
        /* What an abort was asked for stands; that it has drained is no reason. */
        const char *why = on == ROLLOUT_ON_DRAINED ? rollout->reason : reason;
        CLEANUP(memory_free) char *copy = memory_strdup(why);
        if (!rollout_step(step, rollout, on, "", copy)) {
            return;
        }
    }
}
