#include "common/model/task.h"

#include <assert.h>

#include "common/core/base.h"
#include "common/model/message.h"

static const char *const task_mode_names[] = { "dry_run", "run",      "baseline",
                                               "settle",  "rollback", "rollback_dry_run",
                                               "create",  "drop" };
static_assert(COUNT_OF(task_mode_names) == TASK_MODE_COUNT, "every mode has a name");

static const char *const task_outcome_names[] = { "SUCCEEDED", "SKIPPED", "FAILED" };
static_assert(COUNT_OF(task_outcome_names) == TASK_OUTCOME_COUNT, "every outcome has a name");

static const char *const task_code_names[] = {
    [TASK_CODE_NONE] = "",
    [TASK_CODE_SQL] = "SQL",
    [TASK_CODE_LOCK_TIMEOUT] = "LOCK_TIMEOUT",
    [TASK_CODE_TENANT_LOCKED] = "TENANT_LOCKED",
    [TASK_CODE_FENCED] = "FENCED",
    [TASK_CODE_VERSION_MOVED] = "VERSION_MOVED",
    [TASK_CODE_VERSION_TOO_OLD] = "VERSION_TOO_OLD",
    [TASK_CODE_FUTURE_VERSION] = "FUTURE_VERSION",
    [TASK_CODE_PRERELEASE] = "PRERELEASE",
    [TASK_CODE_CHECKSUM_MISMATCH] = "CHECKSUM_MISMATCH",
    [TASK_CODE_UNMANAGED] = "UNMANAGED",
    [TASK_CODE_TENANT_MISSING] = "TENANT_MISSING",
    [TASK_CODE_TRANSACTION_CONTROL] = "TRANSACTION_CONTROL",
    [TASK_CODE_LINT] = "LINT",
    [TASK_CODE_STALE] = "STALE",
    [TASK_CODE_CANCELLED] = "CANCELLED",
    [TASK_CODE_AGENT_LOST] = "AGENT_LOST",
    [TASK_CODE_DATABASE_LOST] = "DATABASE_LOST",
    [TASK_CODE_RUNNER] = "RUNNER",
    [TASK_CODE_ROLLBACK] = "ROLLBACK",
    [TASK_CODE_UP_TO_DATE] = "UP_TO_DATE",
    [TASK_CODE_OUTCOME_UNKNOWN] = "OUTCOME_UNKNOWN",
    [TASK_CODE_OTHERS_BEHIND] = "OTHERS_BEHIND",
    [TASK_CODE_TENANT_EXISTS] = "TENANT_EXISTS",
    [TASK_CODE_TENANT_REFUSED] = "TENANT_REFUSED",
    [TASK_CODE_LEDGER] = "LEDGER",
    [TASK_CODE_REGISTRY] = "REGISTRY",
    [TASK_CODE_YIELDED] = "YIELDED",
    [TASK_CODE_SERVER_BUSY] = "SERVER_BUSY",
};
static_assert(COUNT_OF(task_code_names) == TASK_CODE_COUNT, "every code has a name");

static const char *const rollout_phase_names[] = {
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
static_assert(COUNT_OF(rollout_phase_names) == ROLLOUT_PHASE_COUNT, "every phase has a name");

static const char *const dry_run_mode_names[] = { "tenants", "classes", "clone", "off" };
static_assert(COUNT_OF(dry_run_mode_names) == DRY_RUN_MODE_COUNT, "every mode has a name");

static const char *const rollout_policy_names[] = { "pause", "abort", "continue", "rollback" };
static_assert(COUNT_OF(rollout_policy_names) == POLICY_COUNT, "every policy has a name");

const char *task_mode_name(enum task_mode mode)
{
    assert(mode < TASK_MODE_COUNT);
    return task_mode_names[mode];
}

bool task_mode_is_dry(enum task_mode mode)
{
    return mode == TASK_DRY_RUN || mode == TASK_ROLLBACK_DRY_RUN;
}

bool task_mode_is_rollback(enum task_mode mode)
{
    return mode == TASK_ROLLBACK || mode == TASK_ROLLBACK_DRY_RUN;
}

const char *task_outcome_name(enum task_outcome outcome)
{
    assert(outcome < TASK_OUTCOME_COUNT);
    return task_outcome_names[outcome];
}

const char *task_code_name(enum task_code code)
{
    assert(code < TASK_CODE_COUNT);
    return task_code_names[code];
}

const char *rollout_phase_name(enum rollout_phase phase)
{
    assert(phase < ROLLOUT_PHASE_COUNT);
    return rollout_phase_names[phase];
}

bool rollout_spec_has_ledger(const struct rollout_spec *spec)
{
    return spec->from_ledger != NULL && spec->from_ledger[0] != '\0';
}

const char *dry_run_mode_name(enum dry_run_mode mode)
{
    assert(mode < DRY_RUN_MODE_COUNT);
    return dry_run_mode_names[mode];
}

const char *rollout_policy_name(enum rollout_policy policy)
{
    assert(policy < POLICY_COUNT);
    return rollout_policy_names[policy];
}

bool rollout_phase_is_final(enum rollout_phase phase)
{
    return phase == ROLLOUT_DRY_RUN_FAILED || phase == ROLLOUT_SUCCEEDED ||
           phase == ROLLOUT_FAILED || phase == ROLLOUT_ABORTED || phase == ROLLOUT_ROLLED_BACK;
}
