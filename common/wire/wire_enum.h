/* wire_enum.h - the enums of the model <-> those of the proto, by tables.
 *
 * Pure. A proto's 0 is "unspecified"; only TASK_CODE_NONE and ROLLBACK_NONE have it as
 * their partner. */
#ifndef SKEIN_COMMON_WIRE_WIRE_ENUM_H
#define SKEIN_COMMON_WIRE_WIRE_ENUM_H

#include "common/core/base.h"
#include "common/model/message.h"
#include "common/wire/wire_check.h"
#include "skein/v1/model.pb-c.h"

Skein__V1__TaskMode wire_enum_of_mode(enum task_mode value);
Skein__V1__TaskOutcome wire_enum_of_outcome(enum task_outcome value);
Skein__V1__TaskCode wire_enum_of_code(enum task_code value);
Skein__V1__RolloutPhase wire_enum_of_phase(enum rollout_phase value);
Skein__V1__RolloutPolicy wire_enum_of_policy(enum rollout_policy value);
Skein__V1__RolloutKind wire_enum_of_kind(enum rollout_kind value);
Skein__V1__RollbackStage wire_enum_of_rollback(enum rollback_stage value);
Skein__V1__DryRunMode wire_enum_of_dry_run(enum dry_run_mode value);

/* The first constant of the model, and a failed check, for a value that this version does not
 * know. */
enum task_mode wire_enum_to_mode(struct wire_check *check, const char *field,
                                 Skein__V1__TaskMode value);
enum task_outcome wire_enum_to_outcome(struct wire_check *check, const char *field,
                                       Skein__V1__TaskOutcome value);
enum task_code wire_enum_to_code(struct wire_check *check, const char *field,
                                 Skein__V1__TaskCode value);
enum rollout_phase wire_enum_to_phase(struct wire_check *check, const char *field,
                                      Skein__V1__RolloutPhase value);
enum rollout_policy wire_enum_to_policy(struct wire_check *check, const char *field,
                                        Skein__V1__RolloutPolicy value);
enum rollout_kind wire_enum_to_kind(struct wire_check *check, const char *field,
                                    Skein__V1__RolloutKind value);
enum rollback_stage wire_enum_to_rollback(struct wire_check *check, const char *field,
                                          Skein__V1__RollbackStage value);

enum dry_run_mode wire_enum_to_dry_run(struct wire_check *check, const char *field,
                                       Skein__V1__DryRunMode value);

#endif
