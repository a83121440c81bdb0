#include "common/wire/wire_enum.h"

#include <assert.h>

static const int wire_enum_modes[] = {
    [TASK_DRY_RUN] = SKEIN__V1__TASK_MODE__TASK_MODE_DRY_RUN,
    [TASK_RUN] = SKEIN__V1__TASK_MODE__TASK_MODE_RUN,
    [TASK_BASELINE] = SKEIN__V1__TASK_MODE__TASK_MODE_BASELINE,
    [TASK_SETTLE] = SKEIN__V1__TASK_MODE__TASK_MODE_SETTLE,
    [TASK_ROLLBACK] = SKEIN__V1__TASK_MODE__TASK_MODE_ROLLBACK,
    [TASK_ROLLBACK_DRY_RUN] = SKEIN__V1__TASK_MODE__TASK_MODE_ROLLBACK_DRY_RUN,
    [TASK_CREATE] = SKEIN__V1__TASK_MODE__TASK_MODE_CREATE,
    [TASK_DROP] = SKEIN__V1__TASK_MODE__TASK_MODE_DROP,
};
static_assert(COUNT_OF(wire_enum_modes) == TASK_MODE_COUNT, "every mode travels");

static const int wire_enum_outcomes[] = {
    [TASK_SUCCEEDED] = SKEIN__V1__TASK_OUTCOME__TASK_OUTCOME_SUCCEEDED,
    [TASK_SKIPPED] = SKEIN__V1__TASK_OUTCOME__TASK_OUTCOME_SKIPPED,
    [TASK_FAILED] = SKEIN__V1__TASK_OUTCOME__TASK_OUTCOME_FAILED,
};
static_assert(COUNT_OF(wire_enum_outcomes) == TASK_OUTCOME_COUNT, "every outcome travels");

static const int wire_enum_codes[] = {
    [TASK_CODE_NONE] = SKEIN__V1__TASK_CODE__TASK_CODE_UNSPECIFIED,
    [TASK_CODE_SQL] = SKEIN__V1__TASK_CODE__TASK_CODE_SQL,
    [TASK_CODE_LOCK_TIMEOUT] = SKEIN__V1__TASK_CODE__TASK_CODE_LOCK_TIMEOUT,
    [TASK_CODE_TENANT_LOCKED] = SKEIN__V1__TASK_CODE__TASK_CODE_TENANT_LOCKED,
    [TASK_CODE_FENCED] = SKEIN__V1__TASK_CODE__TASK_CODE_FENCED,
    [TASK_CODE_VERSION_MOVED] = SKEIN__V1__TASK_CODE__TASK_CODE_VERSION_MOVED,
    [TASK_CODE_VERSION_TOO_OLD] = SKEIN__V1__TASK_CODE__TASK_CODE_VERSION_TOO_OLD,
    [TASK_CODE_FUTURE_VERSION] = SKEIN__V1__TASK_CODE__TASK_CODE_FUTURE_VERSION,
    [TASK_CODE_PRERELEASE] = SKEIN__V1__TASK_CODE__TASK_CODE_PRERELEASE,
    [TASK_CODE_CHECKSUM_MISMATCH] = SKEIN__V1__TASK_CODE__TASK_CODE_CHECKSUM_MISMATCH,
    [TASK_CODE_UNMANAGED] = SKEIN__V1__TASK_CODE__TASK_CODE_UNMANAGED,
    [TASK_CODE_TENANT_MISSING] = SKEIN__V1__TASK_CODE__TASK_CODE_TENANT_MISSING,
    [TASK_CODE_TRANSACTION_CONTROL] = SKEIN__V1__TASK_CODE__TASK_CODE_TRANSACTION_CONTROL,
    [TASK_CODE_LINT] = SKEIN__V1__TASK_CODE__TASK_CODE_LINT,
    [TASK_CODE_STALE] = SKEIN__V1__TASK_CODE__TASK_CODE_STALE,
    [TASK_CODE_CANCELLED] = SKEIN__V1__TASK_CODE__TASK_CODE_CANCELLED,
    [TASK_CODE_AGENT_LOST] = SKEIN__V1__TASK_CODE__TASK_CODE_AGENT_LOST,
    [TASK_CODE_DATABASE_LOST] = SKEIN__V1__TASK_CODE__TASK_CODE_DATABASE_LOST,
    [TASK_CODE_RUNNER] = SKEIN__V1__TASK_CODE__TASK_CODE_RUNNER,
    [TASK_CODE_ROLLBACK] = SKEIN__V1__TASK_CODE__TASK_CODE_ROLLBACK,
    [TASK_CODE_UP_TO_DATE] = SKEIN__V1__TASK_CODE__TASK_CODE_UP_TO_DATE,
    [TASK_CODE_OUTCOME_UNKNOWN] = SKEIN__V1__TASK_CODE__TASK_CODE_OUTCOME_UNKNOWN,
    [TASK_CODE_OTHERS_BEHIND] = SKEIN__V1__TASK_CODE__TASK_CODE_OTHERS_BEHIND,
    [TASK_CODE_TENANT_EXISTS] = SKEIN__V1__TASK_CODE__TASK_CODE_TENANT_EXISTS,
    [TASK_CODE_TENANT_REFUSED] = SKEIN__V1__TASK_CODE__TASK_CODE_TENANT_REFUSED,
    [TASK_CODE_LEDGER] = SKEIN__V1__TASK_CODE__TASK_CODE_LEDGER,
    [TASK_CODE_REGISTRY] = SKEIN__V1__TASK_CODE__TASK_CODE_REGISTRY,
    [TASK_CODE_YIELDED] = SKEIN__V1__TASK_CODE__TASK_CODE_YIELDED,
    [TASK_CODE_SERVER_BUSY] = SKEIN__V1__TASK_CODE__TASK_CODE_SERVER_BUSY,
};
static_assert(COUNT_OF(wire_enum_codes) == TASK_CODE_COUNT, "every code travels");

static const int wire_enum_phases[] = {
    [ROLLOUT_PENDING] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_PENDING,
    [ROLLOUT_DRY_RUN] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_DRY_RUN,
    [ROLLOUT_DRY_RUN_FAILED] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_DRY_RUN_FAILED,
    [ROLLOUT_RUNNING] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_RUNNING,
    [ROLLOUT_PAUSED] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_PAUSED,
    [ROLLOUT_SUCCEEDED] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_SUCCEEDED,
    [ROLLOUT_FAILED] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_FAILED,
    [ROLLOUT_ABORTED] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_ABORTED,
    [ROLLOUT_ROLLING_BACK] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_ROLLING_BACK,
    [ROLLOUT_ROLLED_BACK] = SKEIN__V1__ROLLOUT_PHASE__ROLLOUT_PHASE_ROLLED_BACK,
};
static_assert(COUNT_OF(wire_enum_phases) == ROLLOUT_PHASE_COUNT, "every phase travels");

static const int wire_enum_policies[] = {
    [POLICY_PAUSE] = SKEIN__V1__ROLLOUT_POLICY__ROLLOUT_POLICY_PAUSE,
    [POLICY_ABORT] = SKEIN__V1__ROLLOUT_POLICY__ROLLOUT_POLICY_ABORT,
    [POLICY_CONTINUE] = SKEIN__V1__ROLLOUT_POLICY__ROLLOUT_POLICY_CONTINUE,
    [POLICY_ROLLBACK] = SKEIN__V1__ROLLOUT_POLICY__ROLLOUT_POLICY_ROLLBACK,
};
static_assert(COUNT_OF(wire_enum_policies) == POLICY_COUNT, "every policy travels");

static const int wire_enum_kinds[] = {
    [ROLLOUT_MIGRATE] = SKEIN__V1__ROLLOUT_KIND__ROLLOUT_KIND_MIGRATE,
    [ROLLOUT_BASELINE] = SKEIN__V1__ROLLOUT_KIND__ROLLOUT_KIND_BASELINE,
    [ROLLOUT_CREATE] = SKEIN__V1__ROLLOUT_KIND__ROLLOUT_KIND_CREATE,
    [ROLLOUT_DROP] = SKEIN__V1__ROLLOUT_KIND__ROLLOUT_KIND_DROP,
};
static_assert(COUNT_OF(wire_enum_kinds) == ROLLOUT_KIND_COUNT, "every kind travels");

static const int wire_enum_dry_runs[] = {
    [DRY_RUN_TENANTS] = SKEIN__V1__DRY_RUN_MODE__DRY_RUN_MODE_TENANTS,
    [DRY_RUN_CLASSES] = SKEIN__V1__DRY_RUN_MODE__DRY_RUN_MODE_CLASSES,
    [DRY_RUN_CLONE] = SKEIN__V1__DRY_RUN_MODE__DRY_RUN_MODE_CLONE,
    [DRY_RUN_OFF] = SKEIN__V1__DRY_RUN_MODE__DRY_RUN_MODE_OFF,
};
static_assert(COUNT_OF(wire_enum_dry_runs) == DRY_RUN_MODE_COUNT, "every mode travels");

static const int wire_enum_rollbacks[] = {
    [ROLLBACK_NONE] = SKEIN__V1__ROLLBACK_STAGE__ROLLBACK_STAGE_UNSPECIFIED,
    [ROLLBACK_STOPPING] = SKEIN__V1__ROLLBACK_STAGE__ROLLBACK_STAGE_STOPPING,
    [ROLLBACK_LOOKING] = SKEIN__V1__ROLLBACK_STAGE__ROLLBACK_STAGE_LOOKING,
    [ROLLBACK_UNDOING] = SKEIN__V1__ROLLBACK_STAGE__ROLLBACK_STAGE_UNDOING,
};
static_assert(COUNT_OF(wire_enum_rollbacks) == ROLLBACK_STAGE_COUNT, "every stage travels");

static int wire_enum_find(struct wire_check *check, const char *field, const int *table,
                          size_t count, int value)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i] == value) {
            return (int)i;
        }
    }
    wire_check_fail(check, field, "%d is no value that this version knows", value);
    return 0;
}

static int wire_enum_of(const int *table, size_t count, size_t value)
{
    assert(value < count);
    return table[value];
}

Skein__V1__TaskMode wire_enum_of_mode(enum task_mode value)
{
    return (Skein__V1__TaskMode)wire_enum_of(wire_enum_modes, COUNT_OF(wire_enum_modes), value);
}

enum task_mode wire_enum_to_mode(struct wire_check *check, const char *field,
                                 Skein__V1__TaskMode value)
{
    return (enum task_mode)wire_enum_find(check, field, wire_enum_modes, COUNT_OF(wire_enum_modes),
                                          (int)value);
}

Skein__V1__TaskOutcome wire_enum_of_outcome(enum task_outcome value)
{
    return (Skein__V1__TaskOutcome)wire_enum_of(wire_enum_outcomes, COUNT_OF(wire_enum_outcomes),
                                                value);
}

enum task_outcome wire_enum_to_outcome(struct wire_check *check, const char *field,
                                       Skein__V1__TaskOutcome value)
{
    return (enum task_outcome)wire_enum_find(check, field, wire_enum_outcomes,
                                             COUNT_OF(wire_enum_outcomes), (int)value);
}

Skein__V1__TaskCode wire_enum_of_code(enum task_code value)
{
    return (Skein__V1__TaskCode)wire_enum_of(wire_enum_codes, COUNT_OF(wire_enum_codes), value);
}

enum task_code wire_enum_to_code(struct wire_check *check, const char *field,
                                 Skein__V1__TaskCode value)
{
    return (enum task_code)wire_enum_find(check, field, wire_enum_codes, COUNT_OF(wire_enum_codes),
                                          (int)value);
}

Skein__V1__RolloutPhase wire_enum_of_phase(enum rollout_phase value)
{
    return (Skein__V1__RolloutPhase)wire_enum_of(wire_enum_phases, COUNT_OF(wire_enum_phases),
                                                 value);
}

enum rollout_phase wire_enum_to_phase(struct wire_check *check, const char *field,
                                      Skein__V1__RolloutPhase value)
{
    return (enum rollout_phase)wire_enum_find(check, field, wire_enum_phases,
                                              COUNT_OF(wire_enum_phases), (int)value);
}

Skein__V1__RolloutPolicy wire_enum_of_policy(enum rollout_policy value)
{
    return (Skein__V1__RolloutPolicy)wire_enum_of(wire_enum_policies, COUNT_OF(wire_enum_policies),
                                                  value);
}

enum rollout_policy wire_enum_to_policy(struct wire_check *check, const char *field,
                                        Skein__V1__RolloutPolicy value)
{
    return (enum rollout_policy)wire_enum_find(check, field, wire_enum_policies,
                                               COUNT_OF(wire_enum_policies), (int)value);
}

Skein__V1__RolloutKind wire_enum_of_kind(enum rollout_kind value)
{
    return (Skein__V1__RolloutKind)wire_enum_of(wire_enum_kinds, COUNT_OF(wire_enum_kinds), value);
}

enum rollout_kind wire_enum_to_kind(struct wire_check *check, const char *field,
                                    Skein__V1__RolloutKind value)
{
    return (enum rollout_kind)wire_enum_find(check, field, wire_enum_kinds,
                                             COUNT_OF(wire_enum_kinds), (int)value);
}

Skein__V1__RollbackStage wire_enum_of_rollback(enum rollback_stage value)
{
    return (Skein__V1__RollbackStage)wire_enum_of(wire_enum_rollbacks,
                                                  COUNT_OF(wire_enum_rollbacks), value);
}

enum rollback_stage wire_enum_to_rollback(struct wire_check *check, const char *field,
                                          Skein__V1__RollbackStage value)
{
    return (enum rollback_stage)wire_enum_find(check, field, wire_enum_rollbacks,
                                               COUNT_OF(wire_enum_rollbacks), (int)value);
}

Skein__V1__DryRunMode wire_enum_of_dry_run(enum dry_run_mode value)
{
    return (Skein__V1__DryRunMode)wire_enum_of(wire_enum_dry_runs, COUNT_OF(wire_enum_dry_runs),
                                               value);
}

enum dry_run_mode wire_enum_to_dry_run(struct wire_check *check, const char *field,
                                       Skein__V1__DryRunMode value)
{
    if (value == SKEIN__V1__DRY_RUN_MODE__DRY_RUN_MODE_UNSPECIFIED) {
        return DRY_RUN_TENANTS; /* also what was stored before there was a choice */
    }
    return (enum dry_run_mode)wire_enum_find(check, field, wire_enum_dry_runs,
                                             COUNT_OF(wire_enum_dry_runs), (int)value);
}
