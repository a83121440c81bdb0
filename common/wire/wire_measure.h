/* wire_measure.h - what dry runs have measured, as messages.
 *
 * Pure. As wire_parts.h; the record of the store is in wire.h. */
#ifndef SKEIN_COMMON_WIRE_WIRE_MEASURE_H
#define SKEIN_COMMON_WIRE_WIRE_MEASURE_H

#include "common/wire/wire_parts.h"

Skein__V1__TaskMeasure *wire_measure_of_task(const struct task_measure *from, struct arena *arena);
/* NULL where there is none. */
const struct task_measure *wire_measure_to_task(struct wire_check *check,
                                                const Skein__V1__TaskMeasure *from,
                                                struct arena *arena);
Skein__V1__RolloutMeasures *wire_measure_of_rollout(const struct rollout_measures *from,
                                                    struct arena *arena);

#endif
