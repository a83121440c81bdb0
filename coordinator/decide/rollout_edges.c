#include <assert.h>

#include "coordinator/decide/rollout.h"

static const char *const rollout_state_names[] = {
    [ROLLOUT_PENDING] = "PENDING",
    [ROLLOUT_DRY_RUN] = "DRY_RUN",
    [ROLLOUT_DRY_RUN_FAILED] = "DRY_RUN_FAILED",
    [ROLLOUT_RUNNING] = "RUNNING",
    [ROLLOUT_PAUSED] = "PAUSED",
    [ROLLOUT_SUCCEEDED] = "SUCCEEDED",
    [ROLLOUT_FAILED] = "FAILED",
    [ROLLOUT_ABORTED] = "ABORTED",
    [ROLLOUT_ROLLING_BACK] = "ROLLING_BACK",
    [ROLLOUT_ROLLED_BACK] = "ROLLED_BACK",
};
static_assert(COUNT_OF(rollout_state_names) == ROLLOUT_PHASE_COUNT, "every phase has a name");

static const char *const rollout_event_names[] = {
    [ROLLOUT_ON_SHARDS_KNOWN] = "shards_known",
    [ROLLOUT_ON_TASKS_DONE] = "tasks_done",
    [ROLLOUT_ON_OVER_BUDGET] = "over_budget",
    [ROLLOUT_ON_DRAINED] = "drained",
    [ROLLOUT_ON_PAUSE] = "pause",
    [ROLLOUT_ON_RESUME] = "resume",
    [ROLLOUT_ON_ABORT] = "abort",
    [ROLLOUT_ON_RETRY] = "retry",
    [ROLLOUT_ON_ROLLBACK] = "rollback",
    [ROLLOUT_ON_HOOK_FAILED] = "hook_failed",
};
static_assert(COUNT_OF(rollout_event_names) == ROLLOUT_EVENT_COUNT, "every event has a name");

static bool rollout_has_nothing_to_do(const struct rollout *rollout)
{
    return rollout->open[0] + rollout->open[1] == 0 && rollout->state.counts.failed == 0;
}

static bool rollout_looks_at_none(const struct rollout *rollout)
{
    return !rollout_has_dry_run(rollout);
}

static bool rollout_has_failures(const struct rollout *rollout)
{
    /* What is still unknown when nothing is left to do was on a shard that is forgotten. */
    const struct rollout_counts *counts = &rollout->state.counts;
    /* So was what is still migrated when everything else is rolled back. */
    bool left = rollout->state.rollback != ROLLBACK_NONE && counts->migrated > 0;

    return counts->failed + counts->unknown > 0 || left;
}

static bool rollout_is_dry_run_only(const struct rollout *rollout)
{
    return rollout->spec.dry_run_only;
}

static bool rollout_pauses(const struct rollout *rollout)
{
    return rollout->spec.policy == POLICY_PAUSE;
}

static bool rollout_collects(const struct rollout *rollout)
{
    return rollout->spec.policy == POLICY_CONTINUE;
}

static bool rollout_is_busy(const struct rollout *rollout)
{
    return !rollout_is_drained(rollout);
}

static bool rollout_was_pending(const struct rollout *rollout)
{
    return rollout->state.resume_phase == ROLLOUT_PENDING;
}

static bool rollout_was_dry_run(const struct rollout *rollout)
{
    return rollout->state.resume_phase == ROLLOUT_DRY_RUN;
}

static bool rollout_keeps_tasks(const struct rollout *rollout)
{
    return rollout->open_now;
}

static bool rollout_undoes(const struct rollout *rollout)
{
    return rollout->spec.policy == POLICY_ROLLBACK;
}

static bool rollout_looks(const struct rollout *rollout)
{
    return rollout->state.rollback == ROLLBACK_LOOKING;
}

/* Some tenant cannot, so none does. */
static bool rollout_cannot_go_back(const struct rollout *rollout)
{
    return rollout_looks(rollout) && rollout->state.counts.failed > 0;
}

/* An abort was asked for while it was stopped, too: then that is what it comes to. */
static bool rollout_stops_to_undo(const struct rollout *rollout)
{
    return rollout->state.rollback == ROLLBACK_STOPPING;
}

static bool rollout_was_rolling_back(const struct rollout *rollout)
{
    return rollout->state.resume_phase == ROLLOUT_ROLLING_BACK;
}

static bool rollout_began_to_undo(const struct rollout *rollout)
{
    return rollout->state.rollback != ROLLBACK_NONE;
}

static const struct rollout_edge rollout_edges[] = {
    { { ROLLOUT_PENDING, ROLLOUT_ON_SHARDS_KNOWN, ROLLOUT_SUCCEEDED, "nothing is to be done",
        true },
      rollout_has_nothing_to_do },
    { { ROLLOUT_PENDING, ROLLOUT_ON_SHARDS_KNOWN, ROLLOUT_RUNNING, "it has no dry run", true },
      rollout_looks_at_none },
    { { ROLLOUT_PENDING, ROLLOUT_ON_SHARDS_KNOWN, ROLLOUT_DRY_RUN, "every shard has answered",
        false },
      NULL },
    { { ROLLOUT_PENDING, ROLLOUT_ON_PAUSE, ROLLOUT_PAUSED, "the operator asked", false }, NULL },
    { { ROLLOUT_PENDING, ROLLOUT_ON_ABORT, ROLLOUT_PENDING, "waits for tasks in flight", true },
      rollout_is_busy },
    { { ROLLOUT_PENDING, ROLLOUT_ON_ABORT, ROLLOUT_ABORTED, "the operator asked", false }, NULL },
    { { ROLLOUT_PENDING, ROLLOUT_ON_DRAINED, ROLLOUT_ABORTED, "the last task has ended", false },
      NULL },

    { { ROLLOUT_DRY_RUN, ROLLOUT_ON_TASKS_DONE, ROLLOUT_DRY_RUN_FAILED, "no tenant is changed",
        true },
      rollout_has_failures },
    { { ROLLOUT_DRY_RUN, ROLLOUT_ON_TASKS_DONE, ROLLOUT_SUCCEEDED, "dry run only", true },
      rollout_is_dry_run_only },
    { { ROLLOUT_DRY_RUN, ROLLOUT_ON_TASKS_DONE, ROLLOUT_RUNNING, "every dry run has passed",
        false },
      NULL },
    { { ROLLOUT_DRY_RUN, ROLLOUT_ON_HOOK_FAILED, ROLLOUT_DRY_RUN_FAILED, "no tenant is changed",
        false },
      NULL },
    { { ROLLOUT_DRY_RUN, ROLLOUT_ON_PAUSE, ROLLOUT_PAUSED, "the operator asked", false }, NULL },
    { { ROLLOUT_DRY_RUN, ROLLOUT_ON_ABORT, ROLLOUT_DRY_RUN, "waits for tasks in flight", true },
      rollout_is_busy },
    { { ROLLOUT_DRY_RUN, ROLLOUT_ON_ABORT, ROLLOUT_ABORTED, "the operator asked", false }, NULL },
    { { ROLLOUT_DRY_RUN, ROLLOUT_ON_DRAINED, ROLLOUT_ABORTED, "the last task has ended", false },
      NULL },

    { { ROLLOUT_DRY_RUN_FAILED, ROLLOUT_ON_RETRY, ROLLOUT_DRY_RUN, "only what failed is repeated",
        true },
      rollout_keeps_tasks },
    { { ROLLOUT_DRY_RUN_FAILED, ROLLOUT_ON_RETRY, ROLLOUT_PENDING, "everything is planned anew",
        false },
      NULL },

    { { ROLLOUT_RUNNING, ROLLOUT_ON_TASKS_DONE, ROLLOUT_FAILED, "tenants have failed", true },
      rollout_has_failures },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_TASKS_DONE, ROLLOUT_SUCCEEDED, "every tenant is there", false },
      NULL },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_OVER_BUDGET, ROLLOUT_PAUSED, "policy pause", true },
      rollout_pauses },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_OVER_BUDGET, ROLLOUT_ROLLING_BACK,
        "policy rollback; tasks end first", true },
      rollout_undoes },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_OVER_BUDGET, ROLLOUT_RUNNING, "policy abort; tasks end first",
        true },
      rollout_is_busy },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_OVER_BUDGET, ROLLOUT_ABORTED, "policy abort", false }, NULL },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_HOOK_FAILED, ROLLOUT_PAUSED, "policy pause", true },
      rollout_pauses },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_HOOK_FAILED, ROLLOUT_ROLLING_BACK,
        "policy rollback; tasks end first", true },
      rollout_undoes },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_HOOK_FAILED, ROLLOUT_FAILED, "a hook has failed", true },
      rollout_collects },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_HOOK_FAILED, ROLLOUT_RUNNING, "policy abort; tasks end first",
        true },
      rollout_is_busy },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_HOOK_FAILED, ROLLOUT_ABORTED, "policy abort", false }, NULL },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_PAUSE, ROLLOUT_PAUSED, "the operator asked", false }, NULL },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_ABORT, ROLLOUT_RUNNING, "waits for tasks in flight", true },
      rollout_is_busy },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_ABORT, ROLLOUT_ABORTED, "the operator asked", false }, NULL },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_DRAINED, ROLLOUT_ABORTED, "the last task has ended", false },
      NULL },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_RETRY, ROLLOUT_RUNNING, "what failed is queued again", false },
      NULL },
    { { ROLLOUT_RUNNING, ROLLOUT_ON_ROLLBACK, ROLLOUT_ROLLING_BACK, "what runs ends first", false },
      NULL },

    { { ROLLOUT_PAUSED, ROLLOUT_ON_RESUME, ROLLOUT_PENDING, "it had not begun", true },
      rollout_was_pending },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_RESUME, ROLLOUT_DRY_RUN, "goes on where it was", true },
      rollout_was_dry_run },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_RESUME, ROLLOUT_ROLLING_BACK, "goes on where it was", true },
      rollout_was_rolling_back },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_RESUME, ROLLOUT_RUNNING, "goes on where it was", false }, NULL },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_RETRY, ROLLOUT_PENDING, "it had not begun", true },
      rollout_was_pending },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_RETRY, ROLLOUT_DRY_RUN, "what failed is repeated", true },
      rollout_was_dry_run },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_RETRY, ROLLOUT_ROLLING_BACK, "what failed is queued again",
        true },
      rollout_was_rolling_back },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_RETRY, ROLLOUT_RUNNING, "what failed is queued again", false },
      NULL },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_ABORT, ROLLOUT_PAUSED, "waits for tasks in flight", true },
      rollout_is_busy },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_ABORT, ROLLOUT_ABORTED, "the operator asked", false }, NULL },
    { { ROLLOUT_PAUSED, ROLLOUT_ON_DRAINED, ROLLOUT_ABORTED, "the last task has ended", false },
      NULL },

    { { ROLLOUT_PAUSED, ROLLOUT_ON_ROLLBACK, ROLLOUT_ROLLING_BACK, "what runs ends first", false },
      NULL },

    { { ROLLOUT_SUCCEEDED, ROLLOUT_ON_RETRY, ROLLOUT_RUNNING, "what was locked is taken up",
        false },
      NULL },

    { { ROLLOUT_SUCCEEDED, ROLLOUT_ON_ROLLBACK, ROLLOUT_ROLLING_BACK, "the operator asked", false },
      NULL },

    { { ROLLOUT_FAILED, ROLLOUT_ON_RETRY, ROLLOUT_ROLLING_BACK, "what failed is tried again",
        true },
      rollout_began_to_undo },
    { { ROLLOUT_FAILED, ROLLOUT_ON_RETRY, ROLLOUT_RUNNING, "what failed is tried again", false },
      NULL },
    { { ROLLOUT_FAILED, ROLLOUT_ON_ROLLBACK, ROLLOUT_ROLLING_BACK, "the operator asked", false },
      NULL },
    { { ROLLOUT_FAILED, ROLLOUT_ON_ABORT, ROLLOUT_ABORTED,
        "it is given up: every tenant stays as it is", false },
      NULL },

    { { ROLLOUT_ABORTED, ROLLOUT_ON_ROLLBACK, ROLLOUT_ROLLING_BACK, "the operator asked", false },
      NULL },

    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_DRAINED, ROLLOUT_ROLLING_BACK,
        "nothing runs: every tenant is looked at", true },
      rollout_stops_to_undo },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_DRAINED, ROLLOUT_ABORTED, "the last task has ended",
        false },
      NULL },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_TASKS_DONE, ROLLOUT_FAILED,
        "the dry run of its rollback failed: no tenant was touched", true },
      rollout_cannot_go_back },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_TASKS_DONE, ROLLOUT_FAILED,
        "tenants could not be rolled back", true },
      rollout_has_failures },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_TASKS_DONE, ROLLOUT_ROLLING_BACK,
        "every dry run of the rollback has passed", true },
      rollout_looks },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_TASKS_DONE, ROLLOUT_ROLLED_BACK,
        "every tenant is where it was", false },
      NULL },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_PAUSE, ROLLOUT_PAUSED, "the operator asked", false },
      NULL },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_RETRY, ROLLOUT_ROLLING_BACK, "what failed is queued again",
        false },
      NULL },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_ABORT, ROLLOUT_ROLLING_BACK, "waits for tasks in flight",
        true },
      rollout_is_busy },
    { { ROLLOUT_ROLLING_BACK, ROLLOUT_ON_ABORT, ROLLOUT_ABORTED, "the operator asked", false },
      NULL },
};

static const bool rollout_terminal[ROLLOUT_PHASE_COUNT] = {
    [ROLLOUT_ROLLED_BACK] = true,
};

static const struct fsm_edge *rollout_edge_at(size_t index)
{
    assert(index < COUNT_OF(rollout_edges));
    return &rollout_edges[index].edge;
}

const struct fsm rollout_fsm = {
    .noun = "rollout",
    .state_names = rollout_state_names,
    .state_count = ROLLOUT_PHASE_COUNT,
    .event_names = rollout_event_names,
    .event_count = ROLLOUT_EVENT_COUNT,
    .initial = ROLLOUT_PENDING,
    .terminal = rollout_terminal,
    .edge_count = COUNT_OF(rollout_edges),
    .edge_at = rollout_edge_at,
};

bool rollout_check_edges(struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(rollout_edges); i++) {
        if (rollout_edges[i].edge.guarded != (rollout_edges[i].when != NULL)) {
            return error_set(err, ERR_INTERNAL, "rollout row %zu: guard and mark differ", i);
        }
    }
    return true;
}

const struct rollout_edge *rollout_find_edge(const struct rollout *rollout, enum rollout_event on)
{
    assert(on < ROLLOUT_EVENT_COUNT);
    for (size_t i = 0; i < COUNT_OF(rollout_edges); i++) {
        const struct rollout_edge *edge = &rollout_edges[i];
        if (edge->edge.from == (int)rollout->state.phase && edge->edge.on == (int)on &&
            (edge->when == NULL || edge->when(rollout))) {
            return edge;
        }
    }
    return NULL;
}
