/* wire_control.h - the messages by which an operation reaches the control database of another
 * shard.
 *
 * Pure. As wire_parts.h. */
#ifndef SKEIN_COMMON_WIRE_WIRE_CONTROL_H
#define SKEIN_COMMON_WIRE_WIRE_CONTROL_H

#include "common/wire/wire_parts.h"

Skein__V1__ControlCall *wire_control_of_call(const struct control_call *call, struct arena *arena);
struct control_call wire_control_to_call(struct wire_check *check,
                                         const Skein__V1__ControlCall *call);
Skein__V1__ControlDone *wire_control_of_done(const struct control_done *done, struct arena *arena);
struct control_done wire_control_to_done(struct wire_check *check,
                                         const Skein__V1__ControlDone *done);
Skein__V1__ControlRun *wire_control_of_run(const struct control_run *run, struct arena *arena);
struct control_run wire_control_to_run(struct wire_check *check, const Skein__V1__ControlRun *run);
Skein__V1__ControlAnswer *wire_control_of_answer(const struct control_answer *answer,
                                                 struct arena *arena);
struct control_answer wire_control_to_answer(struct wire_check *check,
                                             const Skein__V1__ControlAnswer *answer);

#endif
